//! The string formats that Kubernetes checks; unknown formats are accepted, as there.

use base64::Engine as _;

/// True where the text has this format, or the format is one that is not checked.
pub(super) fn matches(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "byte" => base64::engine::general_purpose::STANDARD.decode(text).is_ok(),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => uuid::Uuid::parse_str(text).is_ok(),
        "uri" => url::Url::parse(text).is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "email" => text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty()),
        "duration" => duration(text),
        _ => true,
    }
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    match (address.parse::<std::net::IpAddr>(), bits.parse::<u8>()) {
        (Ok(std::net::IpAddr::V4(_)), Ok(bits)) => bits <= 32,
        (Ok(std::net::IpAddr::V6(_)), Ok(bits)) => bits <= 128,
        _ => false,
    }
}

/// Go's duration form: `1h15m30.5s`.
fn duration(text: &str) -> bool {
    let mut rest = text.trim_start_matches(['-', '+']);
    if rest == "0" {
        return true;
    }
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        if number.is_empty() || number.parse::<f64>().is_err() {
            return false;
        }
        let units = ["ns", "us", "µs", "ms", "s", "m", "h", "d", "w"];
        let unit = units
            .iter()
            .filter(|u| tail.starts_with(**u))
            .max_by_key(|u| u.len());
        let Some(unit) = unit else {
            return false;
        };
        rest = &tail[unit.len()..];
        parts += 1;
    }
    parts > 0
}

/// Where a text stops being base64, as Go's decoder counts; none where it is base64.
pub(super) fn corrupt_base64(text: &str) -> Option<usize> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    let (mut filled, mut start) = (0, 0);
    let bytes = text.as_bytes();
    let mut rest = bytes
        .iter()
        .enumerate()
        .filter(|(_, b)| !matches!(b, b'\r' | b'\n'));
    while let Some((at, byte)) = rest.next() {
        if filled == 0 {
            start = at;
        }
        if letter(*byte) {
            filled = (filled + 1) % 4;
            continue;
        }
        if *byte != b'=' || filled < 2 {
            return Some(at);
        }
        // Padding: one more where two letters are missing, and nothing after it.
        if filled == 2 {
            match rest.next() {
                Some((_, b'=')) => {}
                Some((at, _)) => return Some(at),
                None => return Some(bytes.len()),
            }
        }
        return rest.next().map(|(at, _)| at);
    }
    (filled != 0).then_some(start)
}
