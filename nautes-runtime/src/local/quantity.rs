//! Amounts (`500m`, `1Gi`): read, counted with, and written as Kubernetes writes them back.

use std::fmt;

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

/// An amount, exact to a billionth; of another, the larger is the greater, however they are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    nanos: i128,
    /// Written in powers of 1024.
    binary: bool,
}

impl Amount {
    pub(crate) const ZERO: Self = Self {
        nanos: 0,
        binary: false,
    };

    /// Reads an amount; none where it is no amount, or too large to tell.
    pub(crate) fn read(amount: &Value) -> Option<Self> {
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
            let nanos = nanos.checked_mul(1024_i128.checked_pow(u32::try_from(power).ok()? + 1)?)?;
            return Some(Self { nanos, binary: true });
        }
        let power = DECIMAL.iter().find(|(s, _)| *s == suffix)?.1;
        let ten = 10_i128.pow(power.unsigned_abs());
        let nanos = if power < 0 {
            // Less than a nano is rounded up.
            nanos / ten + i128::from(nanos % ten > 0)
        } else {
            nanos.checked_mul(ten)?
        };
        Some(Self { nanos, binary: false })
    }

    /// A number of things.
    pub(crate) fn count(things: usize) -> Self {
        let things = i128::try_from(things).unwrap_or(i128::MAX / NANO);
        Self {
            nanos: things.saturating_mul(NANO),
            binary: false,
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.nanos == 0
    }

    pub(crate) fn is_whole(self) -> bool {
        self.nanos % NANO == 0
    }

    /// The sum, written as the first was.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_add(other.nanos),
            binary: if self.is_zero() { other.binary } else { self.binary },
        }
    }

    /// What this is more than the other, at least nothing.
    pub(crate) fn over(self, other: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_sub(other.nanos).max(0),
            ..self
        }
    }

    /// How many times this is the other, which is not nothing.
    #[expect(clippy::cast_precision_loss, reason = "a ratio is told with six places")]
    pub(crate) fn ratio(self, other: Self) -> f64 {
        self.nanos as f64 / other.nanos as f64
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Amount {}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&if self.binary {
            binary(self.nanos)
        } else {
            decimal(self.nanos)
        })
    }
}

/// The canonical text of an amount; none where it is no amount, or too large to tell.
pub(crate) fn canonical(amount: &Value) -> Option<String> {
    Amount::read(amount).map(|a| a.to_string())
}

/// Why an amount cannot be read, in the words of Kubernetes.
pub(crate) fn error(amount: &Value) -> Option<String> {
    let text = match amount {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let start = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let suffix = start.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let digits = &start[..start.len() - suffix.len()];
    let tail = suffix
        .trim_start_matches(|c| "eEinumkKMGTP".contains(c))
        .trim_start_matches(['+', '-']);
    if digits.is_empty() || digits.matches('.').count() > 1 || !tail.bytes().all(|b| b.is_ascii_digit()) {
        return Some(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                .to_owned(),
        );
    }
    let exponent = suffix
        .strip_prefix(['e', 'E'])
        .is_some_and(|e| e.parse::<i32>().is_ok());
    let known = DECIMAL.iter().any(|(s, _)| *s == suffix) || BINARY.contains(&suffix);
    (!known && !exponent).then(|| "unable to parse quantity's suffix".to_owned())
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

    #[test]
    fn a_sum_is_written_as_its_first_part_was() {
        let read = |text: &str| Amount::read(&text.into()).unwrap_or(Amount::ZERO);
        for (a, b, sum) in [
            ("600Mi", "100M", "729145600"),
            ("0", "1Gi", "1Gi"),
            ("1", "500m", "1500m"),
            ("512Mi", "512Mi", "1Gi"),
        ] {
            assert_eq!(read(a).plus(read(b)).to_string(), sum, "{a} and {b}");
        }
        assert!(read("1Gi") > read("1G") && read("1000m") == read("1"));
        assert_eq!(read("1").over(read("2")), Amount::ZERO);
    }
}
