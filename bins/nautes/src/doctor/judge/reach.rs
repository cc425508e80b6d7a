//! Whether the way to a server is good.

use jiff::Timestamp;
use url::{Host, Url};

use super::{day, days};
use crate::doctor::check::{
    CA_BUNDLE, CLOCK, HOOK_RECEIVER, PLAIN_HTTP, REACHABLE, Severity, TLS_ISSUER, TLS_NAME, TLS_VALIDITY,
    Verdict,
};
use crate::doctor::probe::certificate::Bundle;
use crate::doctor::probe::reach::{Answer, Reach, Silence};

/// For how many days more a certificate should be valid.
const DAYS: i64 = 14;
/// By how many seconds clocks may differ, and from when on that is an error.
const SKEW: (f64, f64) = (30.0, 300.0);

/// Judges the way to a server, to whoever looks at this time.
#[must_use]
pub fn judge(reach: &Reach, now: Timestamp) -> Vec<Verdict> {
    let subject = reach.subject.as_str();
    let mut all = vec![reached(reach)];
    if reach.url.scheme() == "https" {
        all.extend(tls(reach, now));
    } else if is_here(&reach.url) {
        all.push(PLAIN_HTTP.good(subject, "it is on this machine"));
    } else {
        let message = format!(
            "{} is plain HTTP to another machine: who is in between reads tokens",
            reach.url
        );
        all.push(PLAIN_HTTP.bad(subject, message));
    }
    if let Some(bundle) = &reach.bundle {
        all.push(self::bundle(subject, bundle, now));
    }
    all.push(match &reach.outcome {
        Ok(answer) => clock(subject, answer),
        Err(_) => CLOCK.skipped(subject, "the server does not answer"),
    });
    all
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn reached(reach: &Reach) -> Verdict {
    let subject = reach.subject.as_str();
    let url = &reach.url;
    match &reach.outcome {
        Ok(answer) => {
            let took = answer.took.as_millis();
            REACHABLE.good(
                subject,
                format!("{url} answers with status {} after {took} ms", answer.status),
            )
        }
        Err(Silence::Late) => REACHABLE.bad(subject, format!("{url} gives no answer in time")),
        Err(Silence::Lost(why)) => REACHABLE.bad(subject, format!("{url} does not answer: {why}")),
        Err(Silence::Setting(why)) => REACHABLE.bad(subject, why).remedy("correct the setting"),
        Err(Silence::Tls(why)) => {
            let found = REACHABLE.bad(subject, format!("{url} answers, and TLS fails: {why}"));
            found.remedy(
                "look whether the server speaks TLS 1.2 or newer at this port, and whether its certificate is one of a server \
                 (not that of the authority itself)",
            )
        }
        Err(Silence::Issuer | Silence::Name(_) | Silence::Ended(_) | Silence::Early(_)) => REACHABLE.good(
            subject,
            format!("{url} answers, with a certificate that is not accepted"),
        ),
    }
}

fn tls(reach: &Reach, now: Timestamp) -> Vec<Verdict> {
    let subject = reach.subject.as_str();
    let host = reach.url.host_str().unwrap_or_default();
    let all = [&TLS_ISSUER, &TLS_NAME, &TLS_VALIDITY];
    let trusted = || match &reach.bundle {
        Some(bundle) => bundle.place(),
        None => "the certificates of the system".to_owned(),
    };
    // The first fault is told by TLS; of the others nothing is known.
    let with = |bad: Verdict| {
        let others = all.into_iter().filter(|check| **check != *bad.check);
        let why = "the certificate is not accepted for another reason";
        let mut verdicts: Vec<Verdict> = others.map(|check| check.skipped(subject, why)).collect();
        verdicts.insert(0, bad.clone());
        verdicts
    };
    match &reach.outcome {
        Ok(answer) => {
            let valid = match &answer.certificate {
                Some(found) => validity(subject, now, found.until),
                None => TLS_VALIDITY.skipped(subject, "the certificate does not show"),
            };
            let issuer = answer
                .certificate
                .as_ref()
                .map_or("somebody", |found| found.issuer.as_str());
            vec![
                TLS_ISSUER.good(
                    subject,
                    format!("{issuer} issued it, who is trusted by {}", trusted()),
                ),
                TLS_NAME.good(subject, format!("it is for {host}")),
                valid,
            ]
        }
        Err(Silence::Issuer) => with(TLS_ISSUER.bad(
            subject,
            format!(
                "nobody whom {} trusts has issued the certificate of {host}",
                trusted()
            ),
        )),
        Err(Silence::Name(names)) => {
            let names = if names.is_empty() {
                "other names".to_owned()
            } else {
                names.join(", ")
            };
            with(TLS_NAME.bad(
                subject,
                format!("the certificate is for {names}, and not for {host}"),
            ))
        }
        Err(Silence::Ended(at)) => {
            let at = at.map_or_else(String::new, |at| format!(" on {}", day(at)));
            with(TLS_VALIDITY.bad(subject, format!("the certificate of {host} ended{at}")))
        }
        Err(Silence::Early(at)) => {
            let at = at.map_or_else(|| "later".to_owned(), |at| format!("from {} on", day(at)));
            with(TLS_VALIDITY.bad(
                subject,
                format!(
                    "the certificate of {host} is valid {at}; this machine has {}",
                    day(now)
                ),
            ))
        }
        Err(Silence::Late | Silence::Lost(_) | Silence::Tls(_) | Silence::Setting(_)) => all
            .into_iter()
            .map(|check| check.skipped(subject, "there is no connection"))
            .collect(),
    }
}

fn validity(subject: &str, now: Timestamp, until: Timestamp) -> Verdict {
    let (left, day) = (days(now, until), day(until));
    if left < DAYS {
        let message = format!("the certificate ends on {day}, in {left} days");
        TLS_VALIDITY.found(subject, Severity::Warning, message)
    } else {
        TLS_VALIDITY.good(subject, format!("it is valid until {day}"))
    }
}

/// Judges a file of certificates.
#[must_use]
pub fn bundle(subject: &str, bundle: &Bundle, now: Timestamp) -> Verdict {
    let place = bundle.place();
    let held = match &bundle.held {
        Ok(held) => held,
        Err(why) => return CA_BUNDLE.bad(subject, format!("{place} cannot be used: {why}")),
    };
    let ended: Vec<String> = held
        .iter()
        .filter(|found| found.until < now)
        .map(|found| format!("{} ended on {}", found.subject, day(found.until)))
        .collect();
    if ended.is_empty() {
        let first = held
            .iter()
            .map(|found| found.until)
            .min()
            .map(day)
            .unwrap_or_default();
        return CA_BUNDLE.good(
            subject,
            format!(
                "{place} holds {} certificates, the first ends on {first}",
                held.len()
            ),
        );
    }
    let whole = ended.len() == held.len();
    let severity = if whole { Severity::Error } else { Severity::Warning };
    let what = if whole {
        "only certificates that have ended"
    } else {
        "certificates that have ended"
    };
    CA_BUNDLE.found(
        subject,
        severity,
        format!("{place} holds {what}: {}", ended.join("; ")),
    )
}

fn clock(subject: &str, answer: &Answer) -> Verdict {
    let Some(date) = answer.date else {
        return CLOCK.skipped(subject, "the server does not tell its time");
    };
    judge_clock(subject, date, answer.here)
}

/// Judges a clock that tells whole seconds.
pub(super) fn judge_clock(subject: &str, date: i64, here: Timestamp) -> Verdict {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 have room in it")]
    let ahead = date as f64 + 0.5 - here.as_second() as f64 - f64::from(here.subsec_millisecond()) / 1000.0;
    let off = ahead.abs();
    if off <= SKEW.0 {
        return CLOCK.good(subject, "the clocks agree");
    }
    let severity = if off >= SKEW.1 {
        Severity::Error
    } else {
        Severity::Warning
    };
    let way = if ahead > 0.0 { "ahead of" } else { "behind" };
    CLOCK.found(
        subject,
        severity,
        format!("the server's clock is {off:.0} seconds {way} that of this machine"),
    )
}

/// Judges the answer of the webhook receiver to a question that hooks do not ask.
#[must_use]
pub fn receiver(reach: &Reach) -> Verdict {
    let subject = reach.subject.as_str();
    let url = &reach.url;
    match &reach.outcome {
        // It takes deliveries and nothing else.
        Ok(answer) if answer.status == 405 => HOOK_RECEIVER.good(subject, format!("{url} takes deliveries")),
        Ok(answer) => HOOK_RECEIVER.bad(
            subject,
            format!(
                "something answers at {url} with status {}, and it is not the webhook receiver",
                answer.status
            ),
        ),
        Err(_) => HOOK_RECEIVER.found(
            subject,
            Severity::Warning,
            format!("{url} does not answer from this machine; the forge may still reach it"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::doctor::check::{Check, Outcome};
    use crate::doctor::probe::certificate::Certificate;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const NOW: &str = "2026-06-01T12:00:00Z";

    fn certificate(until: &str) -> Certificate {
        Certificate {
            subject: "CN=Authority".to_owned(),
            issuer: "CN=Authority".to_owned(),
            from: at("2020-01-01T00:00:00Z"),
            until: at(until),
        }
    }

    fn answer() -> Answer {
        Answer {
            status: 200,
            allows: None,
            date: Some(at(NOW).as_second()),
            here: at(NOW),
            took: Duration::from_millis(5),
            certificate: Some(certificate("2027-01-01T00:00:00Z")),
        }
    }

    fn reach(outcome: Result<Answer, Silence>) -> Reach {
        Reach {
            subject: "forge".to_owned(),
            url: "https://forge.example.com/".parse().unwrap(),
            bundle: Some(Bundle {
                setting: "--forge-ca-file",
                file: Some("ca.pem".into()),
                held: Ok(vec![certificate("2030-01-01T00:00:00Z")]),
            }),
            outcome,
        }
    }

    /// What is not good.
    fn bad(reach: &Reach) -> Vec<(&'static str, Severity, String)> {
        let verdicts = judge(reach, at(NOW));
        let found = verdicts.into_iter().filter_map(|verdict| match verdict.outcome {
            Outcome::Bad {
                severity, message, ..
            } => Some((verdict.check.id, severity, message)),
            Outcome::Good(_) | Outcome::Skipped(_) => None,
        });
        found.collect()
    }

    fn one(outcome: Result<Answer, Silence>, check: &Check, severity: Severity, part: &str) {
        let found = bad(&reach(outcome));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0, found[0].1), (check.id, severity));
        assert!(found[0].2.contains(part), "{}", found[0].2);
    }

    #[test]
    fn each_fault_of_tls_is_told_from_the_others_and_names_the_file() {
        assert_eq!(bad(&reach(Ok(answer()))), []);
        one(
            Err(Silence::Issuer),
            &TLS_ISSUER,
            Severity::Error,
            "ca.pem (--forge-ca-file)",
        );
        let names = vec!["other.example.com".to_owned()];
        one(
            Err(Silence::Name(names)),
            &TLS_NAME,
            Severity::Error,
            "for other.example.com, and not for forge",
        );
        let ended = Some(at("2026-05-01T00:00:00Z"));
        one(
            Err(Silence::Ended(ended)),
            &TLS_VALIDITY,
            Severity::Error,
            "ended on 2026-05-01",
        );
        let early = Some(at("2026-07-01T00:00:00Z"));
        one(
            Err(Silence::Early(early)),
            &TLS_VALIDITY,
            Severity::Error,
            "from 2026-07-01 on",
        );
        one(
            Err(Silence::Late),
            &REACHABLE,
            Severity::Error,
            "no answer in time",
        );
        one(
            Err(Silence::Lost("refused".to_owned())),
            &REACHABLE,
            Severity::Error,
            "refused",
        );
        one(
            Err(Silence::Tls("alert".to_owned())),
            &REACHABLE,
            Severity::Error,
            "alert",
        );
        let soon = Answer {
            certificate: Some(certificate("2026-06-05T00:00:00Z")),
            ..answer()
        };
        one(Ok(soon), &TLS_VALIDITY, Severity::Warning, "in 3 days");
    }

    #[test]
    fn certificates_that_have_ended_are_named() {
        let mut reach = reach(Ok(answer()));
        let mut held = |held| {
            reach.bundle.as_mut().unwrap().held = held;
            bad(&reach)
        };
        let (old, new) = (
            certificate("2026-01-01T00:00:00Z"),
            certificate("2030-01-01T00:00:00Z"),
        );
        let found = held(Ok(vec![old.clone(), new]));
        assert_eq!((found[0].0, found[0].1), ("CaBundle", Severity::Warning));
        let found = held(Ok(vec![old]));
        assert_eq!(found[0].1, Severity::Error);
        assert!(
            found[0].2.contains("CN=Authority ended on 2026-01-01"),
            "{found:?}"
        );
        assert!(held(Err("it is not in PEM form".to_owned()))[0].2.contains("PEM"));
    }

    #[test]
    fn clocks_that_differ_are_told_with_which_is_ahead() {
        for (seconds, severity, part) in [
            (29, None, ""),
            (40, Some(Severity::Warning), "40 seconds ahead of"),
            (-4000, Some(Severity::Error), "4000 seconds behind"),
        ] {
            let date = Some(at(NOW).as_second() + seconds);
            let found = bad(&reach(Ok(Answer { date, ..answer() })));
            assert_eq!(found.first().map(|found| found.1), severity);
            assert!(
                found.first().is_none_or(|found| found.2.contains(part)),
                "{found:?}"
            );
        }
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        for (url, is_bad) in [
            ("http://127.0.0.1:1/", false),
            ("http://localhost/", false),
            ("http://forge/", true),
        ] {
            let mut reach = reach(Ok(answer()));
            reach.url = url.parse().unwrap();
            let found = bad(&reach);
            assert_eq!(found.iter().any(|found| found.0 == "PlainHttp"), is_bad, "{url}");
        }
    }

    #[test]
    fn only_a_receiver_takes_deliveries_and_nothing_else() {
        let status = |status| receiver(&reach(Ok(Answer { status, ..answer() })));
        assert!(matches!(status(405).outcome, Outcome::Good(_)));
        for wrong in [200, 404, 502] {
            assert!(matches!(
                status(wrong).outcome,
                Outcome::Bad {
                    severity: Severity::Error,
                    ..
                }
            ));
        }
        let silent = receiver(&reach(Err(Silence::Late)));
        assert!(matches!(
            silent.outcome,
            Outcome::Bad {
                severity: Severity::Warning,
                ..
            }
        ));
    }
}
