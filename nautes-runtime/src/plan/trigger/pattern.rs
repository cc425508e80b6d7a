//! Which refs an event source listens to.
//!
//! | written | means |
//! |---|---|
//! | nothing, `*` | every ref |
//! | `main` | the branch (or, for tags, the tag) of exactly this name |
//! | `refs/heads/main` | exactly this ref |
//! | `^refs/heads/feature%-` | a Lua pattern on the whole ref, as existing manifests have it |
//!
//! A text is taken as a Lua pattern if it has `%` or a character that no ref can have (`^`, `?`, `*`, `[`), or
//! ends with `$`. Patterns are not anchored unless they say so.

use regex::Regex;

/// Which refs an event source listens to.
#[derive(Clone, Debug)]
pub enum RefPattern {
    /// Every ref.
    Any,
    /// The branch or tag of this name.
    Name(String),
    /// This ref.
    Full(String),
    /// What a Lua pattern matches.
    Lua(Regex),
}

/// A text is not a pattern that is understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {pattern:?} {message}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub message: String,
}

impl RefPattern {
    /// Reads what is written in a manifest.
    ///
    /// # Errors
    /// It is a Lua pattern that is malformed, or that uses balances, frontiers or back references.
    pub fn parse(text: Option<&str>) -> Result<Self, PatternError> {
        let Some(text) = text.filter(|t| !t.is_empty() && *t != "*") else {
            return Ok(Self::Any);
        };
        if !text.contains(['%', '^', '?', '*', '[']) && !text.ends_with('$') {
            return Ok(if text.starts_with("refs/") {
                Self::Full(text.to_owned())
            } else {
                Self::Name(text.to_owned())
            });
        }
        let error = |message: String| PatternError {
            pattern: text.chars().take(255).collect(),
            message,
        };
        let regex = translate(text).map_err(|message| error(message.to_owned()))?;
        Regex::new(&regex)
            .map(Self::Lua)
            .map_err(|_| error("is not a Lua pattern".to_owned()))
    }

    /// Whether a ref matches, for example `refs/heads/main`.
    #[must_use]
    pub fn matches(&self, ref_: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Name(name) => ["refs/heads/", "refs/tags/"]
                .iter()
                .any(|prefix| ref_.strip_prefix(prefix) == Some(name)),
            Self::Full(full) => full == ref_,
            Self::Lua(regex) => regex.is_match(ref_),
        }
    }
}

/// Turns a Lua pattern into a regular expression.
fn translate(pattern: &str) -> Result<String, &'static str> {
    let mut out = String::from("(?s)");
    let mut rest = pattern;
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    let mut open = 0usize;
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '$' if chars.peek().is_none() => {
                out.push('$');
                continue;
            }
            '(' => {
                open += 1;
                out.push_str("(?:");
                continue;
            }
            ')' => {
                open = open.checked_sub(1).ok_or("closes a group that it did not open")?;
                out.push(')');
                // After a group Lua takes a quantifier literally.
                if chars.peek().is_some_and(|n| matches!(n, '*' | '+' | '-' | '?')) {
                    return Err("repeats a group, which Lua patterns cannot");
                }
                continue;
            }
            '%' => {
                let class = chars.next().ok_or("ends with %")?;
                out.push_str(&class_of(class)?);
            }
            '[' => set(&mut chars, &mut out)?,
            '.' => out.push('.'),
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
        if let Some(quantifier) = chars.next_if(|n| matches!(n, '*' | '+' | '-' | '?')) {
            match quantifier {
                '-' => out.push_str("*?"),
                same => out.push(same),
            }
        }
    }
    if open > 0 {
        return Err("opens a group that it does not close");
    }
    Ok(out)
}

/// What stands for a Lua class, outside or inside a set.
fn class_of(class: char) -> Result<String, &'static str> {
    let posix = match class.to_ascii_lowercase() {
        'a' => "alpha",
        'c' => "cntrl",
        'd' => "digit",
        'g' => "graph",
        'l' => "lower",
        'p' => "punct",
        's' => "space",
        'u' => "upper",
        'w' => "alnum",
        'x' => "xdigit",
        'b' | 'f' => return Err("uses %b or %f, which is not supported"),
        _ if class.is_ascii_digit() => return Err("refers back to a group, which is not supported"),
        _ if class.is_alphanumeric() => return Err("has an unknown class"),
        _ => return Ok(escaped(class)),
    };
    let not = if class.is_ascii_uppercase() { "^" } else { "" };
    Ok(format!("[[:{not}{posix}:]]"))
}

/// Translates a set, from after its `[`.
fn set(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) -> Result<(), &'static str> {
    out.push('[');
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut first = true;
    loop {
        match chars.next().ok_or("opens a set that it does not close")? {
            ']' if !first => break,
            '%' => out.push_str(&class_of(chars.next().ok_or("ends with %")?)?),
            from => {
                let is_range = chars.peek() == Some(&'-') && {
                    let mut ahead = chars.clone();
                    ahead.next();
                    ahead.peek().is_some_and(|to| *to != ']')
                };
                out.push_str(&escaped(from));
                if is_range {
                    chars.next();
                    let to = chars.next().ok_or("opens a set that it does not close")?;
                    out.push('-');
                    out.push_str(&escaped(to));
                }
            }
        }
        first = false;
    }
    out.push(']');
    Ok(())
}

/// A character that stands for itself, outside or inside a set.
fn escaped(c: char) -> String {
    if c.is_ascii_punctuation() {
        format!("\\{c}")
    } else {
        c.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &str, ref_: &str) -> bool {
        RefPattern::parse(Some(pattern)).unwrap().matches(ref_)
    }

    #[test]
    fn a_name_is_exact_and_nothing_means_everything() {
        assert!(is_match("main", "refs/heads/main"));
        assert!(!is_match("main", "refs/heads/main-2"));
        assert!(!is_match("main", "refs/heads/feature/main"));
        assert!(is_match("release-1.0", "refs/heads/release-1.0"));
        assert!(!is_match("release-1.0", "refs/heads/release-1x0"));
        assert!(is_match("refs/heads/main", "refs/heads/main"));
        assert!(!is_match("refs/heads/main", "refs/heads/refs/heads/main"));
        for any in [None, Some(""), Some("*")] {
            assert!(RefPattern::parse(any).unwrap().matches("refs/heads/x"));
        }
    }

    #[test]
    fn lua_patterns_mean_what_they_mean_in_lua() {
        assert!(is_match("^refs/heads/feature%-", "refs/heads/feature-1"));
        assert!(!is_match("^refs/heads/feature%-", "refs/heads/feature1"));
        assert!(!is_match("^heads", "refs/heads/main"));
        assert!(is_match("v%d+%.%d+$", "refs/tags/v1.20"));
        assert!(!is_match("v%d+%.%d+$", "refs/tags/v1x20"));
        assert!(is_match("^refs/heads/[%w_-]+$", "refs/heads/a_b-c"));
        assert!(!is_match("^refs/heads/[^/]+$", "refs/heads/a/b"));
        assert!(is_match("^refs/heads/[a-c]$", "refs/heads/b"));
        assert!(is_match("^a.-b$", "axxb"));
        assert!(is_match("^(ab)c%D", "abcx"));
        assert!(is_match("^[]x]$", "]"));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for bad in ["%", "%b()", "%f[%w]", "[a", "(a^", "a)^", "(a)*", "%1", "%z"] {
            assert!(RefPattern::parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
