//! Whether the secret store lets Nautes do what it does there.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use nautes_vault::StoreError;
use nautes_vault::vault::Checkup;
use nautes_vault::vault::checkup::{AuthMount, Engine, Purpose, Right};

use crate::doctor::check::{
    CLOCK, Severity, VAULT_AUTH, VAULT_ENGINE, VAULT_LOGIN, VAULT_POLICY, VAULT_STATE, VAULT_TOKEN, Verdict,
};
use crate::doctor::judge::reach::judge_clock;
use crate::doctor::probe::chain;

/// How long a token that nobody renews should be valid; with less than the second it is an error.
const TIMES: (Duration, Duration) = (Duration::from_secs(7 * 24 * 3600), Duration::from_secs(24 * 3600));

/// Judges a server; `is_reached` says whether it answers at all, which is judged elsewhere.
#[must_use]
pub fn judge(subject: &str, found: &Checkup, here: Timestamp, is_reached: bool) -> Vec<Verdict> {
    let mut all = Vec::new();
    let usable = match &found.health {
        Ok(health) => {
            let alone = matches!(found.token, Err(StoreError::Standby { .. }));
            let (state, good) = match (health.initialized, health.sealed, health.standby) {
                (false, ..) => ("it was never initialised", false),
                (_, true, _) => ("it is sealed", false),
                (.., true) if alone => ("it is a standby, and passes nothing on", false),
                (.., true) => ("it is a standby, and passes requests on", true),
                _ => ("it is active", true),
            };
            let shown = format!("{state}, version {}", health.version);
            all.push(if good {
                VAULT_STATE.good(subject, shown)
            } else if alone {
                let found = VAULT_STATE.bad(subject, shown);
                found.remedy(
                    "give the address of the active server, or of a load balancer in front of the cluster",
                )
            } else {
                VAULT_STATE.bad(subject, shown)
            });
            if health.server_time_utc > 0 {
                all.push(judge_clock(subject, health.server_time_utc, here));
            } else {
                all.push(CLOCK.skipped(subject, "the server does not tell its time"));
            }
            good
        }
        Err(_) if !is_reached => {
            all.push(VAULT_STATE.skipped(subject, "the server does not answer"));
            false
        }
        Err(error) => {
            let found = VAULT_STATE.bad(subject, chain(error));
            all.push(
                found
                    .remedy("is it the address of a Vault or OpenBao? a proxy in between may answer as well"),
            );
            false
        }
    };
    if !usable {
        let rest = [
            &VAULT_LOGIN,
            &VAULT_TOKEN,
            &VAULT_ENGINE,
            &VAULT_POLICY,
            &VAULT_AUTH,
        ];
        all.extend(rest.map(|check| check.skipped(subject, "the server cannot be used")));
        return all;
    }
    let is_in = login(subject, found, &mut all);
    if !is_in {
        let rest = [&VAULT_ENGINE, &VAULT_POLICY, &VAULT_AUTH];
        all.extend(rest.map(|check| check.skipped(subject, "nobody could log in")));
        return all;
    }
    let missing = engines(subject, found, &mut all);
    let unready = found
        .auth
        .iter()
        .any(|(_, mount)| matches!(mount, Ok(AuthMount { method: None, .. })));
    match &found.rights {
        Ok(held) => all.extend(rights(subject, held, missing, unready)),
        Err(error) => all.push(VAULT_POLICY.skipped(subject, chain(error))),
    }
    for (cluster, mount) in &found.auth {
        all.push(auth(&format!("{subject}, cluster {cluster}"), mount));
    }
    all
}

/// Judges login and token; `false` where there is none.
fn login(subject: &str, found: &Checkup, all: &mut Vec<Verdict>) -> bool {
    let method = found.method;
    match &found.token {
        Ok(token) => {
            let policies: Vec<&str> = token.policies.iter().map(String::as_str).collect();
            all.push(VAULT_LOGIN.good(
                subject,
                format!("by {method}, with the policies {}", policies.join(", ")),
            ));
            let given = matches!(method, "token" | "token file");
            all.push(match token.ttl {
                Some(ttl) if given && !token.renewable && ttl < TIMES.0 => {
                    let severity = if ttl < TIMES.1 {
                        Severity::Error
                    } else {
                        Severity::Warning
                    };
                    let hours = ttl.as_secs() / 3600;
                    VAULT_TOKEN.found(
                        subject,
                        severity,
                        format!("the token ends in {hours} hours and cannot be renewed"),
                    )
                }
                Some(ttl) if given && !token.renewable => {
                    VAULT_TOKEN.good(subject, format!("it ends in {} days", ttl.as_secs() / 86400))
                }
                Some(_) => VAULT_TOKEN.good(subject, "Nautes renews or replaces it"),
                None => VAULT_TOKEN.good(subject, "it does not end"),
            });
            true
        }
        // Who may not look at the own token may be in all the same.
        Err(error @ StoreError::Refused { .. }) if found.rights.is_ok() => {
            all.push(VAULT_LOGIN.good(subject, format!("by {method}")));
            all.push(VAULT_TOKEN.skipped(subject, chain(error)));
            true
        }
        Err(error) => {
            let message = match error {
                StoreError::Refused { .. } => {
                    "the server does not know the token, or lets it do nothing".to_owned()
                }
                error => chain(error),
            };
            all.push(VAULT_LOGIN.bad(subject, message));
            all.push(VAULT_TOKEN.skipped(subject, "nobody could log in"));
            false
        }
    }
}

/// Judges the engines; `true` where one is missing.
fn engines(subject: &str, found: &Checkup, all: &mut Vec<Verdict>) -> bool {
    let mut by_itself = Vec::new();
    let enables = |mount: &str| match &found.rights {
        Ok(rights) => rights
            .iter()
            .any(|right| right.path == format!("sys/mounts/{mount}") && right.missing().is_empty()),
        Err(_) => false,
    };
    let mut missing = false;
    for (mount, engine) in &found.engines {
        let enable = format!("vault secrets enable -path={mount} -version=2 kv");
        match engine {
            Ok(Engine::Good) => by_itself.push(mount.as_str()),
            Ok(Engine::Other) => {
                let found = VAULT_ENGINE.bad(
                    subject,
                    format!("at {mount} there is something else than a KV engine of version 2"),
                );
                all.push(found.remedy(format!(
                    "move it away, or give Nautes mounts of its own with --vault-prefix; a KV engine of version 1 becomes one of version \
                     2 with: vault kv enable-versioning {mount}"
                )));
            }
            Ok(Engine::Missing) if enables(mount) => {
                missing = true;
                let message = format!(
                    "nothing is mounted at {mount}; nautes-api and nautes-controller enable it when they start"
                );
                all.push(
                    VAULT_ENGINE
                        .found(subject, Severity::Warning, message)
                        .remedy(format!("start them, or {enable}")),
                );
            }
            Ok(Engine::Missing) => {
                missing = true;
                let message = format!("nothing that the login of Nautes may see is mounted at {mount}");
                all.push(VAULT_ENGINE.bad(subject, message).remedy(enable));
            }
            Err(error) => all.push(VAULT_ENGINE.skipped(subject, chain(error))),
        }
    }
    if by_itself.len() == found.engines.len() {
        all.push(VAULT_ENGINE.good(subject, by_itself.join(", ")));
    }
    missing
}

/// Judges what the login may do. Rights to enable something matter where it is missing.
fn rights(subject: &str, held: &[Right], engine_missing: bool, mount_missing: bool) -> Vec<Verdict> {
    let mut lacking: BTreeMap<Purpose, Vec<String>> = BTreeMap::new();
    for right in held {
        let missing: Vec<&str> = right.missing().into_iter().collect();
        if !missing.is_empty() {
            let line = format!("{} on {}", missing.join(", "), right.path);
            lacking.entry(right.purpose).or_default().push(line);
        }
    }
    let judged = |(purpose, lines): (Purpose, Vec<String>)| {
        let (what, severity) = match purpose {
            Purpose::Secrets => ("secrets", Some(Severity::Error)),
            Purpose::Grants => ("grants", Some(Severity::Error)),
            Purpose::AuthMounts if mount_missing => ("auth mounts of clusters", Some(Severity::Error)),
            Purpose::AuthMounts => ("auth mounts of new clusters", Some(Severity::Warning)),
            Purpose::Engines if engine_missing => ("engines that are missing", Some(Severity::Warning)),
            Purpose::Engines => ("engines", None),
        };
        let lines = lines.join("; ");
        match severity {
            Some(severity) => {
                VAULT_POLICY.found(subject, severity, format!("for {what} the login lacks {lines}"))
            }
            None => VAULT_POLICY.good(subject, "all engines are there, so that none has to be enabled"),
        }
    };
    if lacking.is_empty() {
        return vec![VAULT_POLICY.good(subject, "it may do all that Nautes does")];
    }
    lacking.into_iter().map(judged).collect()
}

fn auth(subject: &str, found: &Result<AuthMount, StoreError>) -> Verdict {
    match found {
        Ok(AuthMount {
            mount, method: None, ..
        }) => VAULT_AUTH.found(
            subject,
            Severity::Warning,
            format!("there is no auth mount {mount} yet: nobody on the cluster can read a secret by himself"),
        ),
        Ok(AuthMount {
            mount,
            wanted,
            method: Some(method),
            configured,
        }) => match configured {
            _ if !matches!(method.as_str(), "kubernetes" | "jwt") => {
                let message =
                    format!("the auth mount {mount} is of the method {method}, which is none for clusters");
                let found = VAULT_AUTH.bad(subject, message);
                found.remedy("move it away, or give Nautes mounts of its own with --vault-prefix")
            }
            _ if method != wanted => {
                let message = format!(
                    "the auth mount {mount} is of the method {method}, and by the settings of {wanted}"
                );
                let found = VAULT_AUTH.bad(subject, message);
                found.remedy(format!(
                    "correct --vault-jwt-clusters, or remove the mount (vault auth disable {mount}): all of it is made again"
                ))
            }
            Some(true) => VAULT_AUTH.good(subject, format!("{mount} is of the method {method}")),
            Some(false) => VAULT_AUTH.bad(
                subject,
                format!(
                    "the auth mount {mount} ({method}) does not know the cluster: it has no configuration"
                ),
            ),
            None => VAULT_AUTH.skipped(
                subject,
                format!("the login of Nautes may not read auth/{mount}/config"),
            ),
        },
        Err(error) => VAULT_AUTH.skipped(subject, chain(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use nautes_vault::vault::checkup::{Health, Token};

    use super::*;
    use crate::doctor::check::Outcome;

    fn refused() -> StoreError {
        StoreError::Refused {
            action: "look".to_owned(),
            store: "Vault".to_owned(),
        }
    }

    fn right(path: &str, purpose: Purpose, held: &str) -> Right {
        Right {
            path: path.to_owned(),
            purpose,
            needed: BTreeSet::from(["read"]),
            held: BTreeSet::from([held.to_owned()]),
        }
    }

    fn good() -> Checkup {
        Checkup {
            label: "Vault".to_owned(),
            method: "token file",
            health: Ok(Health {
                initialized: true,
                version: "2.0".to_owned(),
                server_time_utc: 1_000_000,
                ..Health::default()
            }),
            token: Ok(Token {
                ttl: None,
                renewable: false,
                policies: BTreeSet::from(["nautes".to_owned()]),
            }),
            engines: vec![("git".to_owned(), Ok(Engine::Good))],
            rights: Ok(vec![right("git/data/*", Purpose::Secrets, "read")]),
            auth: Vec::new(),
        }
    }

    fn bad(found: &Checkup) -> Vec<(&'static str, &'static str)> {
        let verdicts = judge("v", found, Timestamp::from_second(1_000_000).unwrap(), true);
        let bad = verdicts.into_iter().filter_map(|verdict| match verdict.outcome {
            Outcome::Bad { severity, .. } => Some((verdict.check.id, severity.word())),
            Outcome::Good(_) | Outcome::Skipped(_) => None,
        });
        bad.collect()
    }

    fn with(change: impl FnOnce(&mut Checkup)) -> Vec<(&'static str, &'static str)> {
        let mut found = good();
        change(&mut found);
        bad(&found)
    }

    #[test]
    fn what_cannot_be_used_hides_what_depends_on_it() {
        assert_eq!(bad(&good()), []);
        assert_eq!(
            with(|f| f.health.as_mut().unwrap().sealed = true),
            [("VaultState", "error")]
        );
        assert_eq!(
            with(|f| f.health.as_mut().unwrap().initialized = false),
            [("VaultState", "error")]
        );
        let standby = |alone: bool| {
            with(|f| {
                f.health.as_mut().unwrap().standby = true;
                if alone {
                    let (action, store) = ("look".to_owned(), "Vault".to_owned());
                    f.token = Err(StoreError::Standby { action, store });
                }
            })
        };
        assert_eq!(
            (standby(false), standby(true)),
            (vec![], vec![("VaultState", "error")])
        );
        let nobody = with(|f| {
            f.token = Err(refused());
            f.rights = Err(refused());
        });
        assert_eq!(nobody, [("VaultLogin", "error")]);
        assert_eq!(
            with(|f| f.token = Err(refused())),
            [],
            "the policy hides its own token only"
        );
        assert_eq!(
            with(|f| f.health.as_mut().unwrap().server_time_utc += 60),
            [("Clock", "warning")]
        );
    }

    #[test]
    fn a_token_that_nobody_renews_is_told_before_it_ends() {
        let token = |hours: u64, renewable| {
            with(|f| {
                let token = f.token.as_mut().unwrap();
                token.ttl = Some(Duration::from_secs(hours * 3600));
                token.renewable = renewable;
            })
        };
        assert_eq!(token(2, false), [("VaultToken", "error")]);
        assert_eq!(token(100, false), [("VaultToken", "warning")]);
        assert_eq!(token(2, true), []);
        assert_eq!(token(1000, false), []);
    }

    #[test]
    fn rights_to_enable_matter_where_something_is_missing() {
        let lacks = |purpose, path: &str| right(path, purpose, "deny");
        let lacking = |purpose, path| with(|f| f.rights = Ok(vec![lacks(purpose, path)]));
        assert_eq!(
            lacking(Purpose::Secrets, "git/data/*"),
            [("VaultPolicy", "error")]
        );
        assert_eq!(lacking(Purpose::Grants, "sys/policy"), [("VaultPolicy", "error")]);
        assert_eq!(
            lacking(Purpose::AuthMounts, "sys/auth/*"),
            [("VaultPolicy", "warning")]
        );
        assert_eq!(lacking(Purpose::Engines, "sys/mounts/git"), []);
        let missing = |held| {
            with(|f| {
                f.engines = vec![("git".to_owned(), Ok(Engine::Missing))];
                f.rights = Ok(vec![right("sys/mounts/git", Purpose::Engines, held)]);
            })
        };
        assert_eq!(missing("read"), [("VaultEngine", "warning")]);
        assert_eq!(
            missing("deny"),
            [("VaultEngine", "error"), ("VaultPolicy", "warning")]
        );
    }

    #[test]
    fn a_mount_has_to_know_its_cluster() {
        let mount = |method: Option<&str>, configured| {
            with(|f| {
                let found = AuthMount {
                    mount: "live".to_owned(),
                    wanted: "kubernetes",
                    method: method.map(str::to_owned),
                    configured,
                };
                f.auth = vec![("live".parse().unwrap(), Ok(found))];
            })
        };
        assert_eq!(mount(Some("kubernetes"), Some(true)), []);
        assert_eq!(mount(Some("kubernetes"), Some(false)), [("VaultAuth", "error")]);
        assert_eq!(mount(Some("kubernetes"), None), []);
        assert_eq!(
            mount(Some("jwt"), Some(true)),
            [("VaultAuth", "error")],
            "the settings say otherwise"
        );
        assert_eq!(mount(Some("approle"), None), [("VaultAuth", "error")]);
        assert_eq!(mount(None, None), [("VaultAuth", "warning")]);
    }
}
