//! Amounts (`500m`, `1Gi`) as Kubernetes writes them back.

use serde_json::Value;

const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const NANO: i128 = 1_000_000_000;

/// The canonical text of an amount; none where it is no amount, or too large to tell.
pub(crate) fn canonical(amount: &Value) -> Option<String> {
    let text = match amount {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c)))
        .unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let nanos = nanos(digits)?;
    if let Some(power) = BINARY.iter().skip(1).position(|s| *s == suffix) {
        let value = nanos.checked_mul(1024_i128.checked_pow(u32::try_from(power).ok()? + 1)?)?;
        return Some(binary(value));
    }
    let power = DECIMAL.iter().find(|(s, _)| *s == suffix)?.1;
    let ten = 10_i128.pow(power.unsigned_abs());
    let value = if power < 0 {
        // Less than a nano is rounded up.
        nanos / ten + i128::from(nanos % ten > 0)
    } else {
        nanos.checked_mul(ten)?
    };
    Some(decimal(value))
}

fn nanos(digits: &str) -> Option<i128> {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if part.len() > 9 || (whole.is_empty() && part.is_empty()) {
        return None;
    }
    let number = |text: &str| -> Option<i128> {
        match text {
            "" => Some(0),
            _ if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        }
    };
    let part = number(&format!("{part:0<9}"))?;
    number(whole)?
        .checked_mul(NANO)?
        .checked_add(part)
        .map(|n| n * sign)
}

fn decimal(nanos: i128) -> String {
    if nanos == 0 {
        return "0".to_owned();
    }
    DECIMAL
        .iter()
        .rev()
        .find_map(|(suffix, power)| {
            let unit = 10_i128.pow(u32::try_from(power + 9).ok()?);
            (nanos % unit == 0).then(|| format!("{}{suffix}", nanos / unit))
        })
        .unwrap_or_default()
}

fn binary(nanos: i128) -> String {
    if nanos % NANO != 0 || nanos.abs() < 1024 * NANO {
        return decimal(nanos);
    }
    let (mut value, mut power) = (nanos / NANO, 0);
    while value % 1024 == 0 && power + 1 < BINARY.len() {
        (value, power) = (value / 1024, power + 1);
    }
    format!("{value}{}", BINARY[power])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_the_server_writes_them() {
        for (given, wanted) in [
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("1000", "1k"),
            ("1024", "1024"),
            ("0", "0"),
        ] {
            assert_eq!(canonical(&given.into()).as_deref(), Some(wanted), "{given}");
        }
        for given in [
            "",
            "m",
            "1e",
            "1.2.3",
            "x",
            "99999999999999999999999999999999999999Ei",
        ] {
            assert_eq!(canonical(&given.into()), None, "{given}");
        }
    }
}
