//! From text to tokens.

use super::Fault;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Name(String),
    /// Up to 2^63, the magnitude of the smallest number.
    Int(u64),
    Double(f64),
    Text(String),
    Sign(&'static str),
    End,
}

/// Longer ones first.
const SIGNS: [&str; 24] = [
    "||", "&&", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")",
    "[", "]", "{", "}",
];

/// Cuts a text into tokens, each with the byte at which it begins.
pub(crate) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Fault> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(first) = rest(text, at).chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        if rest(text, at).starts_with("//") {
            at += rest(text, at).find('\n').unwrap_or(text.len() - at);
            continue;
        }
        let (token, length) = one(text, at, first)?;
        out.push((at, token));
        at += length;
    }
    out.push((text.len(), Token::End));
    Ok(out)
}

fn rest(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}

fn one(text: &str, at: usize, first: char) -> Result<(Token, usize), Fault> {
    let here = rest(text, at);
    let raw = here
        .strip_prefix(['r', 'R'])
        .is_some_and(|r| r.starts_with(['\'', '"']));
    if raw || first == '\'' || first == '"' {
        let quoted = if raw { rest(text, at + 1) } else { here };
        let (value, length) = read_text(quoted, at, raw)?;
        return Ok((Token::Text(value), length + usize::from(raw)));
    }
    if first.is_ascii_digit() || (first == '.' && here[1..].starts_with(|c: char| c.is_ascii_digit())) {
        return read_number(here, at);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let end = here
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(here.len());
        return Ok((Token::Name(here[..end].to_owned()), end));
    }
    match SIGNS.iter().find(|sign| here.starts_with(**sign)) {
        Some(sign) => Ok((Token::Sign(sign), sign.len())),
        None => Err(Fault::new(at, format!("unexpected character {first:?}"))),
    }
}

fn read_number(here: &str, at: usize) -> Result<(Token, usize), Fault> {
    let mut end = 0;
    let mut before = ' ';
    for c in here.chars() {
        let sign_of_power = (c == '+' || c == '-') && matches!(before, 'e' | 'E') && !here.starts_with("0x");
        if !(c.is_ascii_alphanumeric() || c == '.' || sign_of_power) {
            break;
        }
        before = c;
        end += c.len_utf8();
    }
    let digits = &here[..end];
    let bad = || Fault::new(at, format!("{digits:?} is not a number that rules have"));
    let token = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Token::Int(u64::from_str_radix(hex, 16).map_err(|_| bad())?)
    } else if digits.bytes().all(|b| b.is_ascii_digit()) {
        Token::Int(digits.parse().map_err(|_| bad())?)
    } else {
        let only_number = digits
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
        let number: f64 = digits.parse().map_err(|_| bad())?;
        if !number.is_finite() || !only_number {
            return Err(bad());
        }
        Token::Double(number)
    };
    match token {
        Token::Int(n) if n > i64::MIN.unsigned_abs() => Err(bad()),
        token => Ok((token, end)),
    }
}

/// Reads a text in quotes; returns it and its length with the quotes.
fn read_text(here: &str, at: usize, raw: bool) -> Result<(String, usize), Fault> {
    let open = || Fault::new(at, "the text has no end").hint("close it with the quote that it begins with");
    let quote = here.chars().next().ok_or_else(open)?;
    let mut value = String::new();
    let mut chars = here.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        if c == quote {
            return Ok((value, i + 1));
        }
        if c == '\n' {
            break;
        }
        if c != '\\' || raw {
            value.push(c);
            continue;
        }
        let (_, escaped) = chars.next().ok_or_else(open)?;
        let digits = match escaped {
            'n' | 'r' | 't' | '\\' | '\'' | '"' | '`' | '?' => 0,
            'x' | 'X' => 2,
            'u' => 4,
            'U' => 8,
            other => {
                let fault = Fault::new(at + i, format!("there is no escape \\{other}"));
                return Err(fault.hint("write \\\\ for a backslash, or r'...' for a pattern"));
            }
        };
        if digits == 0 {
            value.push(match escaped {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                same => same,
            });
            continue;
        }
        let hex: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
        let code = u32::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == digits);
        let letter = code.and_then(char::from_u32);
        value.push(letter.ok_or_else(|| Fault::new(at + i, format!("\\{escaped}{hex} is no character")))?);
    }
    Err(open())
}
