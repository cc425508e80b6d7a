//! Lines in packets: four hexadecimal digits of length, then the line.

use std::str;

use bytes::{Buf as _, Bytes, BytesMut};

use crate::host::net::Fault;

/// The longest line, in bytes.
const LONGEST: usize = 65_516;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// A line.
    Line(Bytes),
    /// The end of a message.
    Flush,
    /// The end of a part.
    Delimiter,
    /// The end of an answer.
    End,
}

/// Takes packets from bytes that arrive in any portions.
#[derive(Debug, Default)]
pub(super) struct Reader {
    buffer: BytesMut,
}

impl Reader {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Returns the next packet, `None` where more bytes are needed.
    pub(super) fn take(&mut self) -> Result<Option<Packet>, Fault> {
        let Some(digits) = self.buffer.get(..4) else {
            return Ok(None);
        };
        let length = str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| usize::from_str_radix(digits, 16).ok())
            .ok_or_else(|| Fault::Strange("a packet does not begin with its length".to_owned()))?;
        let mark = match length {
            0 => Packet::Flush,
            1 => Packet::Delimiter,
            2 => Packet::End,
            3 => return Err(Fault::Strange("a packet has no possible length".to_owned())),
            _ if length > LONGEST + 4 => return Err(Fault::Strange("a packet is too long".to_owned())),
            _ if self.buffer.len() < length => return Ok(None),
            _ => {
                self.buffer.advance(4);
                return Ok(Some(Packet::Line(self.buffer.split_to(length - 4).freeze())));
            }
        };
        self.buffer.advance(4);
        Ok(Some(mark))
    }
}

/// Reads all packets of a complete message.
pub(super) fn all(bytes: &[u8]) -> Result<Vec<Packet>, Fault> {
    let mut reader = Reader::default();
    reader.feed(bytes);
    let mut packets = Vec::new();
    while let Some(packet) = reader.take()? {
        packets.push(packet);
    }
    if reader.is_empty() {
        Ok(packets)
    } else {
        Err(Fault::Strange("it breaks off".to_owned()))
    }
}

/// Appends a line. Lines of this client are short.
pub(super) fn line(to: &mut Vec<u8>, text: &str) {
    to.extend_from_slice(format!("{:04x}", text.len() + 4).as_bytes());
    to.extend_from_slice(text.as_bytes());
}

/// Appends the end of a message.
pub(super) fn flush(to: &mut Vec<u8>) {
    to.extend_from_slice(b"0000");
}

/// Appends the end of a part.
pub(super) fn delimiter(to: &mut Vec<u8>) {
    to.extend_from_slice(b"0001");
}

/// Reads a line as text, without its line feed.
pub(super) fn text(line: &Bytes) -> String {
    String::from_utf8_lossy(line).trim_end_matches('\n').to_owned()
}

/// Fails where a line says that the server gives up.
pub(super) fn complaint(line: &Bytes) -> Result<(), Fault> {
    match line.strip_prefix(b"ERR ") {
        Some(why) => Err(Fault::Strange(format!("the server says: {}", clean(why)))),
        None => Ok(()),
    }
}

/// What the server says to people, as one line without control characters.
pub(super) fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn portions_do_not_matter(lines in prop::collection::vec("[ -~]{0,40}", 0..8), cut in 1..20usize) {
            let mut bytes = Vec::new();
            for text in &lines {
                line(&mut bytes, text);
            }
            flush(&mut bytes);
            let mut reader = Reader::default();
            let mut found = Vec::new();
            for part in bytes.chunks(cut) {
                reader.feed(part);
                while let Some(packet) = reader.take().unwrap() {
                    found.push(packet);
                }
            }
            let mut expected: Vec<_> = lines.into_iter().map(|l| Packet::Line(l.into_bytes().into())).collect();
            expected.push(Packet::Flush);
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(all(&bytes).unwrap(), expected);
        }

        #[test]
        fn noise_is_an_error_or_incomplete(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = all(&bytes);
        }
    }

    #[test]
    fn what_breaks_off_is_an_error() {
        for bad in ["00", "0009abc", "0003", "zzzz", "ffff", "+004"] {
            assert!(all(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(all(b"00000001").unwrap(), [Packet::Flush, Packet::Delimiter]);
    }

    #[test]
    fn what_a_server_says_is_one_tame_line() {
        assert_eq!(clean(b"remote:\x1b[31m a\r\n\n  b\t"), "remote: [31m a b");
    }
}
