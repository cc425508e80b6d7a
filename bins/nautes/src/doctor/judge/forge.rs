//! Whether the platform's account may do on the forge what Nautes does there.

use jiff::civil::Date;
use nautes_gitops::checkup::{Account, Fact, Known, Looked, Manifests};
use nautes_gitops::host::ForgeType;
use nautes_gitops::host::extended::{Credential, Delivered, ProtectedBranch};
use nautes_gitops::{AccessLevel, HostError, RepoPath, RepoRef};

use crate::doctor::check::{
    Check, FORGE_GROUPS, FORGE_TOKEN, FORGE_TOKEN_EXPIRY, FORGE_TOKEN_SCOPE, HOOK, HOOK_DELIVERY,
    PRODUCT_GROUP, PRODUCT_REPOSITORY, PROTECTED_BRANCH, Severity, TENANT_REPOSITORY, Verdict,
};
use crate::doctor::probe::chain;

/// How many days a token should be valid for; with fewer than the second it is an error.
const DAYS: (i32, i32) = (30, 3);

/// Returns the scopes that the platform's token needs, and for each those that include it.
const fn scopes(kind: ForgeType) -> &'static [(&'static str, &'static [&'static str])] {
    match kind {
        ForgeType::Gitlab => &[("api", &[])],
        ForgeType::Gitea => &[
            ("read:user", &["write:user", "all"]),
            ("write:organization", &["all"]),
            ("write:repository", &["all"]),
        ],
        ForgeType::Git => &[],
    }
}

/// Judges the account; `is_reached` says whether the forge answers at all, which is judged elsewhere.
#[must_use]
pub fn account(
    subject: &str,
    kind: ForgeType,
    account: &Account,
    today: Date,
    is_reached: bool,
) -> Vec<Verdict> {
    let known = match (&account.session, &account.known) {
        (Ok(_), Some(known)) => known,
        (Err(error), _) => return refused(subject, error, is_reached),
        (Ok(_), None) => return Vec::new(),
    };
    let Known {
        user,
        credential,
        version,
        creates_groups,
    } = known;
    let version = match version {
        Some(Ok(version)) => format!(", version {version}"),
        Some(Err(_)) | None => String::new(),
    };
    let mut all = vec![match user {
        Ok(user) => FORGE_TOKEN.good(subject, format!("it is {}'s{version}", user.name)),
        Err(error) => FORGE_TOKEN.bad(subject, chain(error)),
    }];
    match credential {
        Some(Ok(found)) => {
            all.push(scope(subject, kind, found));
            all.push(expiry(subject, found, today));
        }
        Some(Err(error)) => {
            all.push(FORGE_TOKEN_SCOPE.skipped(subject, chain(error)));
            all.push(FORGE_TOKEN_EXPIRY.skipped(subject, chain(error)));
        }
        None => {
            all.push(FORGE_TOKEN_SCOPE.skipped(subject, "Git alone does not tell"));
            all.push(FORGE_TOKEN_EXPIRY.skipped(subject, "Git alone does not tell"));
        }
    }
    all.push(match creates_groups {
        Some(Ok(Some(true))) => FORGE_GROUPS.good(subject, "it may"),
        Some(Ok(Some(false))) => {
            FORGE_GROUPS.bad(subject, "the platform's account may not make groups at the top")
        }
        Some(Ok(None)) | None => FORGE_GROUPS.skipped(subject, "the forge does not tell"),
        Some(Err(error)) => FORGE_GROUPS.skipped(subject, chain(error)),
    });
    all
}

/// Judges why nobody could sign in.
fn refused(subject: &str, error: &HostError, is_reached: bool) -> Vec<Verdict> {
    let rest = [&FORGE_TOKEN_SCOPE, &FORGE_TOKEN_EXPIRY, &FORGE_GROUPS];
    let skip = |rest: &[&'static Check]| -> Vec<Verdict> {
        rest.iter()
            .map(|check| check.skipped(subject, "nobody could sign in"))
            .collect()
    };
    let mut all = match error {
        HostError::Unauthenticated { .. } => {
            let message = "the forge does not know the token: it is wrong, was revoked, or has ended";
            vec![FORGE_TOKEN.bad(subject, message)]
        }
        HostError::Forbidden { .. } => {
            let mut all = vec![FORGE_TOKEN_SCOPE.bad(subject, chain(error))];
            all.extend(skip(&rest[1..]));
            return all;
        }
        HostError::Unreachable { .. } if !is_reached => {
            vec![FORGE_TOKEN.skipped(subject, "the forge does not answer")]
        }
        error => {
            let found = FORGE_TOKEN.bad(subject, format!("nobody could sign in: {}", chain(error)));
            vec![found.remedy("look at the address, and at what is found of the way there; then look again")]
        }
    };
    all.extend(skip(&rest));
    all
}

fn scope(subject: &str, kind: ForgeType, found: &Credential) -> Verdict {
    let Some(had) = &found.scopes else {
        let message = "the forge does not say which scopes the token has";
        let needed: Vec<&str> = scopes(kind).iter().map(|(scope, _)| *scope).collect();
        let found = FORGE_TOKEN_SCOPE.found(subject, Severity::Note, message);
        return found.remedy(format!("make sure that it has {}", needed.join(", ")));
    };
    let has = |scope: &str| had.iter().any(|had| had == scope);
    let lacking: Vec<&str> = scopes(kind)
        .iter()
        .filter(|(scope, larger)| !has(scope) && !larger.iter().any(|larger| has(larger)))
        .map(|(scope, _)| *scope)
        .collect();
    let shown = if had.is_empty() {
        "none".to_owned()
    } else {
        had.join(", ")
    };
    if lacking.is_empty() {
        FORGE_TOKEN_SCOPE.good(subject, format!("it has {shown}"))
    } else {
        let lacking = lacking.join(", ");
        FORGE_TOKEN_SCOPE.bad(
            subject,
            format!("the token lacks the scopes {lacking}; it has {shown}"),
        )
    }
}

fn expiry(subject: &str, found: &Credential, today: Date) -> Verdict {
    let Some(day) = found.expires else {
        return FORGE_TOKEN_EXPIRY.good(subject, "the forge names no end");
    };
    let left = day.since(today).map_or(0, |span| span.get_days());
    if left >= DAYS.0 {
        return FORGE_TOKEN_EXPIRY.good(subject, format!("it ends on {day}"));
    }
    let severity = if left < DAYS.1 {
        Severity::Error
    } else {
        Severity::Warning
    };
    FORGE_TOKEN_EXPIRY.found(
        subject,
        severity,
        format!("the token ends on {day}, in {left} days"),
    )
}

/// Judges the group of a product.
#[must_use]
pub fn group(subject: &str, level: &Fact<AccessLevel>) -> Verdict {
    match level {
        Ok(level) if *level >= AccessLevel::Maintainer => {
            PRODUCT_GROUP.good(subject, format!("the platform's account is {level}"))
        }
        Ok(AccessLevel::None) => PRODUCT_GROUP.bad(
            subject,
            "the platform's account is no member of the group, or there is no such group",
        ),
        Ok(level) => PRODUCT_GROUP.bad(
            subject,
            format!("the platform's account is only {level} in the group"),
        ),
        Err(error) => PRODUCT_GROUP.skipped(subject, chain(error)),
    }
}

/// Judges a repository with manifests, and the branch of it that counts.
#[must_use]
pub fn manifests(subject: &str, of: &RepoRef, found: &Manifests, branch: &str) -> Vec<Verdict> {
    let check = match of {
        RepoRef::Tenant => &TENANT_REPOSITORY,
        RepoRef::Product(_) => &PRODUCT_REPOSITORY,
    };
    let path = &found.path;
    let skip = |why: &str| PROTECTED_BRANCH.skipped(subject, why);
    let read = match (&found.repository, &found.reading) {
        (Ok(None), _) => {
            let message = format!("there is no repository {path} that the platform's account can see");
            return vec![check.bad(subject, message), skip("there is no repository")];
        }
        (Err(error), _) => {
            let message = format!("{path} cannot be looked at: {}", chain(error));
            return vec![
                check.bad(subject, message),
                skip("the repository cannot be looked at"),
            ];
        }
        (Ok(Some(repository)), _) if repository.archived => {
            let found = check.bad(
                subject,
                format!("{path} is archived, so that nothing can be committed"),
            );
            return vec![found, skip("the repository is archived")];
        }
        (Ok(Some(_)), Err(error)) => check.bad(subject, format!("{path} cannot be read: {}", chain(error))),
        (Ok(Some(repository)), Ok(None)) if repository.default_branch != branch => {
            let other = &repository.default_branch;
            let message =
                format!("{path} has no branch {branch}, which counts; its default branch is {other}");
            let found = check.found(subject, Severity::Warning, message);
            found.remedy(format!(
                "push what is declared to {branch}, or name the branch that counts with --branch"
            ))
        }
        (Ok(Some(_)), Ok(None)) => check.good(
            subject,
            format!("{path} has no branch {branch} yet: it declares nothing"),
        ),
        (Ok(Some(_)), Ok(Some(reading))) => {
            let count = reading.scope.resources().len();
            check.good(subject, format!("{path} declares {count} resources"))
        }
    };
    vec![read, protected(subject, path, found, branch)]
}

fn protected(subject: &str, path: &RepoPath, found: &Manifests, branch: &str) -> Verdict {
    let level = match &found.level {
        Ok(level) => *level,
        Err(error) => return PROTECTED_BRANCH.skipped(subject, chain(error)),
    };
    let rules = match &found.protected {
        Some(Ok(rules)) => rules.as_slice(),
        Some(Err(error)) => return PROTECTED_BRANCH.skipped(subject, chain(error)),
        None => return PROTECTED_BRANCH.skipped(subject, "the forge does not tell"),
    };
    // Where several match, the one that allows most counts; nobody is more than everybody.
    let matching = rules.iter().filter(|rule| matches(&rule.name, branch));
    let rule = matching.min_by_key(|rule| (rule.push == AccessLevel::None, rule.push));
    match rule {
        Some(ProtectedBranch { name, push, .. }) if *push == AccessLevel::None => PROTECTED_BRANCH.bad(
            subject,
            format!("nobody may push to {branch} of {path}: it is protected so by the rule {name}"),
        ),
        Some(ProtectedBranch { name, push, .. }) if *push > level => PROTECTED_BRANCH.bad(
            subject,
            format!("{branch} of {path} takes pushes from {push} up (rule {name}); the platform's account is {level}"),
        ),
        None if level < AccessLevel::Developer => PROTECTED_BRANCH.bad(
            subject,
            format!("pushing to {path} takes developer or more; the platform's account is {level}"),
        ),
        Some(ProtectedBranch { push, .. }) => {
            PROTECTED_BRANCH.good(subject, format!("{branch} takes pushes from {push} up; the platform's account is {level}"))
        }
        None => PROTECTED_BRANCH.good(subject, format!("{branch} is not protected; the platform's account is {level}")),
    }
}

/// Whether a name of a rule, in which `*` stands for anything, is about a branch.
fn matches(rule: &str, branch: &str) -> bool {
    let mut parts = rule.split('*');
    let Some(mut rest) = parts.next().and_then(|first| branch.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Judges the hooks of a repository whose events start pipelines; `url` is the address that its hook should have.
#[must_use]
pub fn hooks(subject: &str, url: &str, found: &Fact<Vec<Looked>>) -> Vec<Verdict> {
    let unknown = |why: &str| vec![HOOK.skipped(subject, why), HOOK_DELIVERY.skipped(subject, why)];
    let hooks = match found {
        Ok(hooks) => hooks,
        Err(HostError::NotFound { .. }) => return unknown("the repository is not there yet"),
        Err(error) => return unknown(&chain(error)),
    };
    let Some((hook, health)) = hooks.iter().find(|(hook, _)| hook.url == url) else {
        let message = format!("no hook calls {url}");
        return vec![
            HOOK.bad(subject, message),
            HOOK_DELIVERY.skipped(subject, "there is no hook"),
        ];
    };
    let good = HOOK.good(subject, format!("hook {} calls {url}", hook.id));
    let delivery = match health {
        Some(Ok(health)) if health.enabled == Some(false) => HOOK_DELIVERY.bad(
            subject,
            format!("the forge has stopped calling hook {} ({url})", hook.id),
        ),
        Some(Ok(health)) => match health.last {
            Some(Delivered::Answered(status)) if (200..300).contains(&status) => HOOK_DELIVERY.good(
                subject,
                format!("the last delivery was answered with status {status}"),
            ),
            Some(Delivered::Answered(401)) => {
                let message = format!(
                    "the receiver knows not the secret of hook {} (status 401)",
                    hook.id
                );
                let found = HOOK_DELIVERY.bad(subject, message);
                found.remedy(
                    "delete the hook on the forge: nautes-controller makes it anew with the right secret",
                )
            }
            Some(Delivered::Answered(status)) => HOOK_DELIVERY.bad(
                subject,
                format!("the last delivery to {url} was answered with status {status}"),
            ),
            Some(Delivered::Unanswered) => {
                HOOK_DELIVERY.bad(subject, format!("the last delivery to {url} was not answered"))
            }
            None => HOOK_DELIVERY.good(subject, "the forge tells of no delivery that went wrong"),
        },
        Some(Err(error)) => HOOK_DELIVERY.skipped(subject, chain(error)),
        None => HOOK_DELIVERY.skipped(subject, "the forge does not tell"),
    };
    vec![good, delivery]
}

#[cfg(test)]
mod tests {
    use nautes_gitops::host::extended::HookHealth;
    use nautes_gitops::{Hook, Repository, Visibility};

    use super::*;
    use crate::doctor::check::Outcome;

    fn is(verdict: &Verdict) -> &'static str {
        match &verdict.outcome {
            Outcome::Good(_) => "good",
            Outcome::Skipped(_) => "skipped",
            Outcome::Bad { severity, .. } => severity.word(),
        }
    }

    fn credential(scopes: Option<&[&str]>, expires: Option<&str>) -> Credential {
        Credential {
            scopes: scopes.map(|all| all.iter().map(|scope| (*scope).to_owned()).collect()),
            expires: expires.map(|day| day.parse().unwrap()),
        }
    }

    #[test]
    fn scopes_are_judged_by_the_forge() {
        let gitea = ForgeType::Gitea;
        for (kind, had, wanted) in [
            (ForgeType::Gitlab, Some(&["api"][..]), "good"),
            (
                ForgeType::Gitlab,
                Some(&["read_api", "write_repository"]),
                "error",
            ),
            (ForgeType::Gitlab, None, "note"),
            (gitea, Some(&["all"]), "good"),
            (
                gitea,
                Some(&["write:user", "write:organization", "write:repository"]),
                "good",
            ),
            (gitea, Some(&["read:user", "write:organization"]), "error"),
        ] {
            assert_eq!(
                is(&scope("f", kind, &credential(had, None))),
                wanted,
                "{kind} {had:?}"
            );
        }
    }

    #[test]
    fn a_token_that_ends_soon_is_told_in_time() {
        let today = "2026-06-01".parse().unwrap();
        for (day, wanted) in [
            (None, "good"),
            (Some("2026-07-01"), "good"),
            (Some("2026-06-30"), "warning"),
            (Some("2026-06-03"), "error"),
            (Some("2027-06-01"), "good"),
        ] {
            assert_eq!(is(&expiry("f", &credential(None, day), today)), wanted, "{day:?}");
        }
    }

    #[test]
    fn who_cannot_sign_in_is_told_why() {
        let judge = |error| {
            let found = Account {
                session: Err(error),
                known: None,
            };
            account(
                "f",
                ForgeType::Gitlab,
                &found,
                "2026-06-01".parse().unwrap(),
                true,
            )
        };
        let wrong = judge(HostError::Unauthenticated {
            host: "gitlab".to_owned(),
        });
        assert_eq!((wrong[0].check.id, is(&wrong[0])), ("ForgeToken", "error"));
        let away = |is_reached| {
            let source = "nobody".into();
            let error = HostError::Unreachable {
                host: "f".to_owned(),
                action: "sign in".to_owned(),
                source,
            };
            let found = Account {
                session: Err(error),
                known: None,
            };
            let today = "2026-06-01".parse().unwrap();
            is(&account("f", ForgeType::Gitlab, &found, today, is_reached)[0])
        };
        assert_eq!((away(true), away(false)), ("error", "skipped"));
        assert!(wrong[1..].iter().all(|verdict| is(verdict) == "skipped"));
        let narrow = judge(HostError::Forbidden {
            user: "it".to_owned(),
            action: "ask who the caller is: the token lacks the scope api".to_owned(),
            needs: None,
        });
        assert_eq!((narrow[0].check.id, is(&narrow[0])), ("ForgeTokenScope", "error"));
    }

    fn repository(level: AccessLevel, rules: &[(&str, AccessLevel)]) -> Manifests {
        let rule = |(name, push): &(&str, AccessLevel)| ProtectedBranch {
            name: (*name).to_owned(),
            push: *push,
            merge: AccessLevel::Maintainer,
            force: false,
        };
        let path: RepoPath = "demo/default.project".parse().unwrap();
        Manifests {
            repository: Ok(Some(Repository {
                id: 1,
                path: path.clone(),
                default_branch: "main".to_owned(),
                http_url: String::new(),
                ssh_url: None,
                archived: false,
                visibility: Visibility::Private,
                description: String::new(),
                marker: None,
            })),
            path,
            level: Ok(level),
            protected: Some(Ok(rules.iter().map(rule).collect())),
            reading: Ok(None),
        }
    }

    #[test]
    fn who_may_push_is_decided_by_the_rule_that_allows_most() {
        use AccessLevel::{Developer, Maintainer, None as Nobody, Owner, Reporter};
        for (level, rules, wanted) in [
            (Owner, &[][..], "good"),
            (Reporter, &[], "error"),
            (Developer, &[("main", Maintainer)], "error"),
            (Maintainer, &[("main", Maintainer)], "good"),
            (Owner, &[("main", Nobody)], "error"),
            (Owner, &[("main", Nobody), ("m*", Maintainer)], "good"),
            (Developer, &[("release/*", Maintainer)], "good"),
            (Developer, &[("*", Maintainer), ("main", Developer)], "good"),
        ] {
            let found = protected("r", &"a/b".parse().unwrap(), &repository(level, rules), "main");
            assert_eq!(is(&found), wanted, "{level} {rules:?}");
        }
        for (rule, branch, wanted) in [
            ("main", "main", true),
            ("main", "mainly", false),
            ("*", "main", true),
            ("m*n", "main", true),
            ("m*i*x", "main", false),
            ("release/*", "release/1", true),
        ] {
            assert_eq!(matches(rule, branch), wanted, "{rule} {branch}");
        }
    }

    #[test]
    fn a_repository_has_to_be_there_and_open() {
        let of = RepoRef::Product("demo".parse().unwrap());
        let mut found = repository(AccessLevel::Owner, &[]);
        assert_eq!(is(&manifests("r", &of, &found, "main")[0]), "good");
        assert_eq!(is(&manifests("r", &of, &found, "other")[0]), "warning");
        found.repository.as_mut().unwrap().as_mut().unwrap().archived = true;
        assert_eq!(is(&manifests("r", &of, &found, "main")[0]), "error");
        found.repository = Ok(None);
        let gone = manifests("r", &of, &found, "main");
        assert_eq!(
            (gone[0].check.id, is(&gone[0]), is(&gone[1])),
            ("ProductRepository", "error", "skipped")
        );
        assert_eq!(
            manifests("r", &RepoRef::Tenant, &found, "main")[0].check.id,
            "TenantRepository"
        );
    }

    #[test]
    fn hooks_are_judged_by_what_the_forge_tells() {
        let hook = |url: &str| Hook {
            id: 1,
            url: url.to_owned(),
            events: Vec::new(),
        };
        let ours = "http://n/hooks/a/b";
        let judge = |url, enabled, last| {
            let found = hooks(
                "r",
                ours,
                &Ok(vec![(hook(url), Some(Ok(HookHealth { enabled, last })))]),
            );
            (is(&found[0]), is(&found[1]))
        };
        assert_eq!(judge("http://old/hooks/a/b", None, None), ("warning", "skipped"));
        assert_eq!(
            judge(ours, Some(true), Some(Delivered::Answered(202))),
            ("good", "good")
        );
        assert_eq!(judge(ours, Some(false), None), ("good", "warning"));
        assert_eq!(
            judge(ours, Some(true), Some(Delivered::Answered(401))),
            ("good", "warning")
        );
        assert_eq!(
            judge(ours, None, Some(Delivered::Unanswered)),
            ("good", "warning")
        );
        let gone = hooks("r", ours, &Err(HostError::NotFound { what: "r".to_owned() }));
        assert_eq!(is(&gone[0]), "skipped");
    }
}
