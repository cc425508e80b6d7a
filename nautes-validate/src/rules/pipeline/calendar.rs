//! The texts of a calendar event, as far as they can be judged without a clock.

/// The fields of a cron expression: what they are called, and the numbers that they may have.
const FIELDS: [(&str, u8, u8, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day", 1, 31, &[]),
    (
        "month",
        1,
        12,
        &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    ),
    (
        "day of the week",
        0,
        7,
        &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    ),
];

/// Says what is wrong with a cron expression of five fields.
pub(super) fn cron_problem(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let given: Vec<&str> = text.split_ascii_whitespace().collect();
    if given.len() != FIELDS.len() {
        return Some(format!("a schedule has five fields, this one {}", given.len()));
    }
    given
        .iter()
        .zip(FIELDS)
        .find_map(|(part, (name, min, max, words))| {
            let good = part.split(',').all(|item| cron_item(item, min, max, words));
            let shown: String = part.chars().take(80).collect();
            (!good).then(|| format!("{shown:?} does not fit the {name}"))
        })
}

/// `*`, `5`, `1-5`, `*/10`, `10-50/20`, or a name where there are names.
fn cron_item(item: &str, min: u8, max: u8, words: &[&str]) -> bool {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let step = step.is_none_or(|s| digits(s) && s.parse().is_ok_and(|n: u8| n > 0));
    let value = |text: &str| -> Option<u8> {
        let word = text.to_ascii_lowercase();
        if let Some(i) = words.iter().position(|w| *w == word) {
            return u8::try_from(i).ok().map(|i| i + min);
        }
        digits(text)
            .then(|| text.parse().ok())
            .flatten()
            .filter(|n| (min..=max).contains(n))
    };
    let range = match range.split_once('-') {
        _ if matches!(range, "*" | "?") => true,
        Some((from, to)) => value(from).zip(value(to)).is_some_and(|(from, to)| from <= to),
        None => value(range).is_some(),
    };
    step && range
}

/// Says what is wrong with an interval such as `1h30m`.
pub(super) fn interval_problem(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let shown: String = text.chars().take(80).collect();
    let mut rest = text;
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let unit = match after.bytes().next() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3600,
            _ => return Some(format!("{shown:?} is not a duration")),
        };
        let Some(part) = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)) else {
            return Some(format!("{shown:?} is not a duration"));
        };
        seconds = seconds.saturating_add(part);
        rest = &after[1..];
    }
    (seconds == 0).then(|| format!("{shown:?} is no time at all"))
}

/// Says what is wrong with the name of a time zone. Whether there is such a zone is known where there is a
/// time zone database.
pub(super) fn zone_problem(text: &str) -> Option<String> {
    let part = |p: &str| {
        !p.is_empty()
            && p.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    };
    (!text.split('/').all(part)).then(|| {
        let shown: String = text.chars().take(80).collect();
        format!("{shown:?} is not the name of a time zone")
    })
}

/// Says what is wrong with a day or a time.
pub(super) fn date_problem(text: &str) -> Option<String> {
    let good = text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::Date>().is_ok();
    (!good).then(|| {
        let shown: String = text.chars().take(80).collect();
        format!("{shown:?} is not a day or a time")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_have_five_fields_in_their_ranges() {
        for good in [
            "* * * * *",
            "0 3 * * *",
            "*/10 8-18 1,15 jan-mar mon-fri",
            "59 23 31 12 7",
        ] {
            assert_eq!(cron_problem(good), None, "{good}");
        }
        for bad in [
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *",
            ", * * * *",
            "+1 * * * *",
        ] {
            assert!(cron_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn intervals_have_units_and_are_not_nothing() {
        for good in ["10m", "1h30m", "90s"] {
            assert_eq!(interval_problem(good), None, "{good}");
        }
        for bad in [
            "10",
            "m",
            "0s",
            "1d",
            "-1m",
            "1h 30m",
            "ä",
            "99999999999999999999h",
        ] {
            assert!(interval_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn zones_and_dates_are_looked_at() {
        assert_eq!(zone_problem("Europe/Paris"), None);
        assert!(zone_problem("../etc/passwd").is_some());
        assert_eq!(date_problem("2030-12-24"), None);
        assert_eq!(date_problem("2030-12-24T06:00:00Z"), None);
        assert!(date_problem("24.12.2030").is_some());
    }
}
