//! Whether clusters let Nautes do what it does there.

use std::collections::BTreeMap;

use crate::doctor::check::{CLUSTER_ACCESS, CLUSTER_RIGHTS, CLUSTER_VERSION, TENANT_CRDS, Verdict};
use crate::doctor::probe::cluster::{Cluster, Right};

/// Judges a cluster.
#[must_use]
pub fn judge(found: &Cluster) -> Vec<Verdict> {
    let subject = found.subject.as_str();
    let seen = match &found.seen {
        Ok(seen) => seen,
        Err(why) => {
            let rest = [&CLUSTER_VERSION, &CLUSTER_RIGHTS];
            let mut all = vec![CLUSTER_ACCESS.bad(subject, why)];
            all.extend(rest.map(|check| check.skipped(subject, "there is no access")));
            return all;
        }
    };
    let mut all = vec![CLUSTER_ACCESS.good(subject, format!("the kubeconfig is {}", found.source))];
    match &seen.version {
        Ok(version) => all.push(CLUSTER_VERSION.good(subject, version)),
        Err(_) if found.reach.as_ref().is_some_and(|reach| reach.outcome.is_err()) => {
            let rest = [&CLUSTER_VERSION, &CLUSTER_RIGHTS];
            all.extend(rest.map(|check| check.skipped(subject, "the API server does not answer")));
            return all;
        }
        Err(why) => {
            all.push(CLUSTER_VERSION.bad(
                subject,
                format!("the API server does not tell its version: {why}"),
            ));
            all.push(CLUSTER_RIGHTS.skipped(subject, "the API server does not answer these credentials"));
            return all;
        }
    }
    all.push(match &seen.rights {
        Ok(rights) => self::rights(subject, rights),
        Err(why) => CLUSTER_RIGHTS.skipped(subject, why),
    });
    match &seen.definitions {
        Some(Ok(missing)) if missing.is_empty() => all.push(TENANT_CRDS.good(subject, "they are there")),
        Some(Ok(missing)) => {
            let message = format!("the tenant cluster lacks {}", missing.join(", "));
            all.push(TENANT_CRDS.bad(subject, message));
        }
        Some(Err(why)) => all.push(TENANT_CRDS.skipped(subject, why)),
        None => {}
    }
    all
}

fn rights(subject: &str, rights: &[(Right, bool)]) -> Verdict {
    let mut lacking: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (right, _) in rights.iter().filter(|(_, allowed)| !allowed) {
        lacking.entry(right.place()).or_default().push(right.verb);
    }
    if lacking.is_empty() {
        return CLUSTER_RIGHTS.good(subject, "they allow all that Nautes does");
    }
    let lines: Vec<String> = lacking
        .iter()
        .map(|(place, verbs)| format!("{} {place}", verbs.join(", ")))
        .collect();
    CLUSTER_RIGHTS.bad(
        subject,
        format!("the credentials do not allow: {}", lines.join("; ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Outcome;
    use crate::doctor::probe::cluster::Seen;

    fn right(verb: &'static str, resource: &str) -> Right {
        Right {
            group: "",
            resource: resource.to_owned(),
            verb,
            namespace: None,
        }
    }

    fn bad(seen: Result<Seen, String>) -> Vec<(&'static str, String)> {
        let found = Cluster {
            subject: "cluster live".to_owned(),
            source: "in the secret store".to_owned(),
            reach: None,
            seen,
        };
        let bad = judge(&found)
            .into_iter()
            .filter_map(|verdict| match verdict.outcome {
                Outcome::Bad { message, .. } => Some((verdict.check.id, message)),
                Outcome::Good(_) | Outcome::Skipped(_) => None,
            });
        bad.collect()
    }

    fn good() -> Seen {
        Seen {
            version: Ok("v1.36".to_owned()),
            rights: Ok(vec![(right("get", "namespaces"), true)]),
            definitions: None,
        }
    }

    #[test]
    fn rights_that_are_missing_are_told_by_resource() {
        assert_eq!(bad(Ok(good())), []);
        let rights = vec![
            (right("get", "namespaces"), false),
            (right("patch", "namespaces"), false),
            (right("get", "configmaps"), true),
        ];
        let found = bad(Ok(Seen {
            rights: Ok(rights),
            ..good()
        }));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].1.ends_with("do not allow: get, patch namespaces"),
            "{found:?}"
        );
    }

    #[test]
    fn what_hides_the_rest_is_told_alone() {
        assert_eq!(bad(Err("no kubeconfig".to_owned()))[0].0, "ClusterAccess");
        let late = Seen {
            version: Err("401".to_owned()),
            ..good()
        };
        assert_eq!(
            bad(Ok(late)).iter().map(|found| found.0).collect::<Vec<_>>(),
            ["ClusterVersion"]
        );
        let missing = Seen {
            definitions: Some(Ok(vec!["products".to_owned()])),
            ..good()
        };
        assert_eq!(bad(Ok(missing))[0].0, "TenantCrds");
    }
}
