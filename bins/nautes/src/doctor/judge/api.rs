//! Whether the API works, and knows the caller.

use crate::doctor::check::{API_READY, API_TOKEN, API_VERSION, Severity, Verdict};
use crate::doctor::probe::api::Api;

/// Judges an API; `own` is the version of this program.
#[must_use]
pub fn judge(found: &Api, own: &str) -> Vec<Verdict> {
    let subject = found.reach.subject.as_str();
    if found.reach.outcome.is_err() {
        let rest = [&API_READY, &API_VERSION, &API_TOKEN];
        return rest
            .map(|check| check.skipped(subject, "the API does not answer"))
            .into();
    }
    let ready = match &found.ready {
        Ok(ready) if ready.ready => API_READY.good(subject, "everything answers it"),
        Ok(ready) => {
            let wrong = ready.checks.iter().filter(|(_, text)| *text != "ok");
            let wrong: Vec<String> = wrong.map(|(system, text)| format!("{system}: {text}")).collect();
            API_READY.bad(subject, format!("the API is not ready: {}", wrong.join("; ")))
        }
        Err(why) => {
            let found = API_READY.bad(
                subject,
                format!("what answers does not tell whether it is ready: {why}"),
            );
            found.remedy("is it the address of the API? a proxy in between may answer as well")
        }
    };
    let version = match &found.version {
        Ok(version) if version == own => API_VERSION.good(subject, version),
        Ok(version) => API_VERSION.bad(
            subject,
            format!("the API has version {version}, and this program {own}"),
        ),
        Err(why) => API_VERSION.skipped(subject, why),
    };
    let caller = match &found.caller {
        Some(Ok(name)) => API_TOKEN.good(subject, format!("it is {name}'s")),
        Some(Err(why)) => API_TOKEN.bad(subject, why),
        None => API_TOKEN.found(subject, Severity::Note, "there is no token for the API"),
    };
    vec![ready, version, caller]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::doctor::check::Outcome;
    use crate::doctor::probe::api::Ready;
    use crate::doctor::probe::reach::{Answer, Reach, Silence};

    fn api() -> Api {
        let answer = Answer {
            status: 200,
            allows: None,
            date: None,
            here: jiff::Timestamp::UNIX_EPOCH,
            took: Duration::ZERO,
            certificate: None,
        };
        Api {
            reach: Reach {
                subject: "API".to_owned(),
                url: "http://127.0.0.1:1/".parse().unwrap(),
                bundle: None,
                outcome: Ok(answer),
            },
            ready: Ok(Ready {
                ready: true,
                checks: BTreeMap::new(),
            }),
            version: Ok("1".to_owned()),
            caller: Some(Ok("ann".to_owned())),
        }
    }

    fn bad(found: &Api) -> Vec<(&'static str, &'static str)> {
        let bad = judge(found, "1")
            .into_iter()
            .filter_map(|verdict| match verdict.outcome {
                Outcome::Bad { severity, .. } => Some((verdict.check.id, severity.word())),
                Outcome::Good(_) | Outcome::Skipped(_) => None,
            });
        bad.collect()
    }

    #[test]
    fn each_part_of_an_api_is_judged_by_itself() {
        assert_eq!(bad(&api()), []);
        let checks = BTreeMap::from([("store".to_owned(), "sealed".to_owned())]);
        let unready = Api {
            ready: Ok(Ready { ready: false, checks }),
            ..api()
        };
        assert_eq!(bad(&unready), [("ApiReady", "error")]);
        let other = Api {
            version: Ok("2".to_owned()),
            caller: None,
            ..api()
        };
        assert_eq!(bad(&other), [("ApiVersion", "warning"), ("ApiToken", "note")]);
        let stranger = Api {
            caller: Some(Err("not authenticated".to_owned())),
            ..api()
        };
        assert_eq!(bad(&stranger), [("ApiToken", "error")]);
        let mut silent = api();
        silent.reach.outcome = Err(Silence::Late);
        assert_eq!(bad(&silent), [], "that it does not answer is said elsewhere");
    }
}
