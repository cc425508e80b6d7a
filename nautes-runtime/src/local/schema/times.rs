//! Times of built-in kinds, and why a text is none, in the words of Go.

use super::Node;

/// The layout of the times of a node; none where it is no time.
pub(super) fn layout(node: &Node) -> Option<&'static str> {
    match node.name.as_deref() {
        Some("v1.Time") => Some("2006-01-02T15:04:05Z07:00"),
        Some("v1.MicroTime") => Some("2006-01-02T15:04:05.000000Z07:00"),
        _ => None,
    }
}

/// What is wrong with a time.
pub(super) fn error(text: &str, layout: &str) -> Option<String> {
    let wrong = |rest: &str, part: &str| {
        Some(format!(
            "parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {part:?}"
        ))
    };
    let outside = |what: &str| Some(format!("parsing time {text:?}: {what} out of range"));
    let mut rest = text;
    let mut found = [0_u32; 6];
    for (index, (part, before, most)) in [
        ("2006", "", 9999),
        ("01", "-", 12),
        ("02", "-", 31),
        ("15", "T", 23),
        ("04", ":", 59),
        ("05", ":", 59),
    ]
    .into_iter()
    .enumerate()
    {
        let Some(after) = rest.strip_prefix(before) else {
            return wrong(rest, before);
        };
        let digits = after
            .get(..part.len())
            .filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        let Some(number) = digits.and_then(|d| d.parse().ok()) else {
            return wrong(after, part);
        };
        if number > most || (part == "01" && number == 0) {
            return outside(["year", "month", "day", "hour", "minute", "second"][index]);
        }
        found[index] = number;
        rest = &after[part.len()..];
    }
    // Fractions of seconds may be there whether or not the layout has them.
    if let Some(after) = rest.strip_prefix(['.', ',']) {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            rest = &after[digits..];
        } else {
            return wrong(rest, "Z07:00");
        }
    } else if layout.contains(".000000") {
        return wrong(rest, ".000000");
    }
    let rest = match rest.strip_prefix('Z') {
        Some(after) => after,
        None => match zone(rest) {
            Some(after) => after,
            None => return wrong(rest, "Z07:00"),
        },
    };
    let [year, month, day, ..] = found.map(|n| i16::try_from(n).unwrap_or(0));
    let (month, day) = (i8::try_from(month).unwrap_or(0), i8::try_from(day).unwrap_or(0));
    if jiff::civil::Date::new(year, month, day).is_err() {
        return outside("day");
    }
    (!rest.is_empty()).then(|| format!("parsing time {text:?}: extra text: {rest:?}"))
}

/// What follows an offset from UTC (`+07:00`).
fn zone(text: &str) -> Option<&str> {
    let digits = |at: std::ops::Range<usize>| {
        text.get(at)
            .is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()))
    };
    let fits = text.starts_with(['+', '-']) && digits(1..3) && text.get(3..4) == Some(":") && digits(4..6);
    fits.then(|| text.get(6..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_go_reads_it() {
        let plain = "2006-01-02T15:04:05Z07:00";
        for good in ["2020-01-01T00:00:00Z", "2020-02-29T23:59:59.5+07:00"] {
            assert_eq!(error(good, plain), None, "{good}");
        }
        for (text, why) in [
            (
                "yesterday",
                "parsing time \"yesterday\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"yesterday\" as \"2006\"",
            ),
            (
                "2020-01-01 00:00:00Z",
                "parsing time \"2020-01-01 00:00:00Z\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \" 00:00:00Z\" \
                 as \"T\"",
            ),
            (
                "2020-13-01T00:00:00Z",
                "parsing time \"2020-13-01T00:00:00Z\": month out of range",
            ),
            (
                "2021-02-29T00:00:00Z",
                "parsing time \"2021-02-29T00:00:00Z\": day out of range",
            ),
        ] {
            assert_eq!(error(text, plain).as_deref(), Some(why));
        }
    }
}
