//! Values of settings, read from text.

use std::time::Duration;

use url::Url;

/// Reads anything that says itself how it is read.
pub(super) fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.trim()
        .parse()
        .map_err(|error| format!("cannot be read: {error}"))
}

/// Reads `90s`, `5m`, `1h 30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "is no duration: write 90s, 5m or 1h 30m".to_owned();
    let read: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    Duration::try_from(read).map_err(|_| wrong())
}

/// Reads a duration that is not zero.
pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be more than nothing".to_owned()),
        found => Ok(found),
    }
}

/// Reads `512KiB`, `32MiB` or bytes.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let (digits, factor) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
        (Some(digits), _) => (digits, 1 << 10),
        (_, Some(digits)) => (digits, 1 << 20),
        _ => (text, 1),
    };
    let wrong = || "is no size: write 512KiB, 32MiB or a number of bytes".to_owned();
    let number: usize = digits.trim().parse().map_err(|_| wrong())?;
    number
        .checked_mul(factor)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(wrong)
}

/// Reads a number of at least one.
pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(0) | Err(_) => Err("is no number of at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// Reads `true` or `false`.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    crate::routes::apply::truth(text.trim()).ok_or_else(|| "is neither true nor false".to_owned())
}

/// Reads origins: `https://console.example.org`, separated by commas, or `*`.
pub(super) fn origins(text: &str) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let origin = part == "*"
            || Url::parse(part).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == part
            });
        if !origin {
            return Err(format!(
                "has {part:?}, which is no origin: write scheme and host only, as in https://console.example.org"
            ));
        }
        all.push(part.to_owned());
    }
    Ok(all)
}

/// Masks what is secret within an address: the password, and the values of the query.
pub(super) fn masked(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        // What was meant as an address may hold a password all the same.
        return if text.contains('@') { "***" } else { text }.to_owned();
    };
    if url.cannot_be_a_base() || (url.password().is_none() && url.query().is_none()) {
        return text.to_owned();
    }
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "***".to_owned();
    }
    if url.query().is_some() {
        url.set_query(Some("***"));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_sizes_and_origins_are_read_or_refused() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert!(duration("-1s").is_err() && duration("90").is_err() && some_time("0s").is_err());
        assert_eq!((size("32MiB"), size("7")), (Ok(32 << 20), Ok(7)));
        assert!(size("0").is_err() && size("32MB").is_err() && size("99999999999999999999MiB").is_err());
        assert_eq!(
            origins("https://a.example, http://b.example:8080").unwrap().len(),
            2
        );
        assert_eq!(origins("*").unwrap(), ["*"]);
        for bad in [
            "a.example",
            "https://a.example/",
            "https://a.example/x",
            "null",
            "ftp://a.example",
        ] {
            assert!(origins(bad).is_err(), "{bad}");
        }
    }
}
