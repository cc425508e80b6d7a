//! Providers: the platforms on which repositories live, and where products come from.

use std::collections::BTreeMap;

use nautes_model::fix::Action;
use nautes_model::{Finding, Fix, Identity, Kind, Resource, Sourced};

use super::{Standard, meant, related, say, say_all, way_out};
use crate::catalogue::{ARTIFACT_PLATFORMS, FORGES};
use crate::rule::Checked;

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "ProviderUrl",
        summary: "the addresses of a provider are URLs without credentials",
        why: "every clone and every call to the platform is made from them; user names and passwords belong into the secret store, where nobody reads them in Git",
        check: url,
    },
    Standard {
        id: "ProviderType",
        summary: "a provider is of a type that is known",
        why: "the type decides how the platform is spoken to; one that Nautes does not know works only with a plug-in, so it is a warning for platforms, and an error for the source of products",
        check: type_,
    },
    Standard {
        id: "ProviderAddressTaken",
        summary: "no two providers lead to the same platform",
        why: "a platform under two names has two sets of keys and hooks, and each provider would undo what the other does",
        check: address_taken,
    },
    Standard {
        id: "ProviderHostImmutable",
        summary: "the platform of a provider stays while repositories are on it",
        why: "the repositories, their keys and their history are on the old platform; to move them, add a provider for the new one and change repository by repository; where the platform itself got another address, skip this rule for that request",
        check: host_immutable,
    },
    Standard {
        id: "ProductProviderSingle",
        summary: "a tenant has one source of products",
        why: "with two nobody can tell from which of them a product comes, and which group is the real one",
        check: single,
    },
];

/// The addresses of a provider: the field, the text, and whether ssh is allowed and wanted.
fn addresses(of: &Resource) -> Vec<(&'static str, &str, bool)> {
    match of {
        Resource::CodeRepoProvider(r) => vec![
            ("spec.httpAddress", &r.spec.http_address, false),
            ("spec.sshAddress", &r.spec.ssh_address, true),
            ("spec.apiServer", &r.spec.api_server, false),
        ],
        Resource::ArtifactRepoProvider(r) => vec![
            ("spec.url", &r.spec.url, false),
            ("spec.apiServer", &r.spec.api_server, false),
        ],
        _ => Vec::new(),
    }
}

fn provider_type(of: &Resource) -> &str {
    match of {
        Resource::CodeRepoProvider(r) => &r.spec.provider_type,
        Resource::ArtifactRepoProvider(r) => &r.spec.provider_type,
        _ => "",
    }
}

fn url(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for resource in on.resources().filter(|r| is_platform(r.identity.kind)) {
        for (field, text, ssh) in addresses(&resource.resource) {
            // A platform may have no ssh.
            if ssh && text.is_empty() {
                continue;
            }
            if let Err(problem) = if ssh {
                ssh_address(text)
            } else {
                http_address(text)
            } {
                let hint = if ssh {
                    "write for example ssh://git@forge.example.org or git@forge.example.org"
                } else {
                    "write for example https://forge.example.org"
                };
                out.push(on.error(id, resource, field, problem).hint(hint));
            } else if text.starts_with("http://") {
                let message = "plain http does not protect credentials";
                let finding = on.warning(id, resource, field, message).hint("use https");
                out.push(finding.fix(Fix::of(resource, use_https(field, text))));
            }
        }
    }
}

/// Writes an http address as an https one.
pub(super) fn use_https(field: &str, text: &str) -> Action {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    Action::set(field, format!("https://{rest}"))
}

const fn is_platform(kind: Kind) -> bool {
    matches!(kind, Kind::CodeRepoProvider | Kind::ArtifactRepoProvider)
}

fn http_address(text: &str) -> Result<(), String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("the URL has white space in it".to_owned());
    }
    let url = url::Url::parse(text).map_err(|e| format!("it is not a URL: {e}"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(format!("{:?} is not the scheme of a web address", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL has a user name or password in it".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL has a query or a fragment".to_owned());
    }
    Ok(())
}

fn ssh_address(text: &str) -> Result<(), String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("the address has white space in it".to_owned());
    }
    if !text.contains("://") {
        let host = text.split_once('@').map_or(text, |(_, host)| host);
        let bare = host.trim_end_matches(':');
        let fits = !bare.is_empty()
            && !text.starts_with('-')
            && !bare.starts_with('-')
            && bare
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        return fits
            .then_some(())
            .ok_or_else(|| "it is not an address for ssh".to_owned());
    }
    let url = url::Url::parse(text).map_err(|e| format!("it is not a URL: {e}"))?;
    if url.scheme() != "ssh" {
        return Err(format!("{:?} is not ssh", url.scheme()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("the URL has no host".to_owned());
    }
    if url.password().is_some() {
        return Err("the URL has a password in it".to_owned());
    }
    Ok(())
}

fn type_(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for resource in on.resources() {
        let (known, text): (Vec<&str>, &str) = match &resource.resource {
            Resource::CodeRepoProvider(r) => (FORGES.to_vec(), &r.spec.provider_type),
            Resource::ArtifactRepoProvider(r) => (
                ARTIFACT_PLATFORMS.iter().map(|(name, _)| *name).collect(),
                &r.spec.provider_type,
            ),
            Resource::ProductProvider(r) => {
                if r.spec.type_ != "coderepo" {
                    let message = format!("products do not come from {:?}", r.spec.type_);
                    let finding = on
                        .error(id, resource, "spec.type", message)
                        .hint("write `type: coderepo`: products are groups of a code repository provider");
                    out.push(finding.fix(Fix::of(resource, Action::set("spec.type", "coderepo"))));
                }
                continue;
            }
            _ => continue,
        };
        if !known.contains(&text) {
            let shown: String = text.chars().take(80).collect();
            let out_of_it = meant(
                text,
                known.iter().copied(),
                |near| Action::set("spec.providerType", near),
                || format!("without a plug-in there are {}", known.join(", ")),
            );
            let message = format!("{shown:?} is no type of platform that is known here");
            let finding = on.warning(id, resource, "spec.providerType", message);
            out.push(way_out(finding, resource, out_of_it));
        }
    }
}

/// What makes two addresses the same platform.
fn platform(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let host = url.host_str().filter(|h| !h.is_empty())?;
    let port = url.port_or_known_default()?;
    let path = url.path().trim_end_matches('/');
    Some(format!("{host}:{port}{path}"))
}

fn address_taken(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let mut by_platform: BTreeMap<(Kind, String), Vec<&Sourced>> = BTreeMap::new();
    for kind in [Kind::CodeRepoProvider, Kind::ArtifactRepoProvider] {
        for resource in on.of_kind(kind) {
            let api = addresses(&resource.resource)
                .into_iter()
                .find(|(field, ..)| *field == "spec.apiServer");
            if let Some(platform) = api.and_then(|(_, text, _)| platform(text)) {
                by_platform.entry((kind, platform)).or_default().push(resource);
            }
        }
    }
    for ((_, platform), all) in by_platform.into_iter().filter(|(_, all)| all.len() > 1) {
        for (i, resource) in all.iter().enumerate().filter(|(_, r)| on.wants(&r.identity)) {
            let other = &if i == 0 { all[1] } else { all[0] }.identity;
            let message = format!("{platform} is also that of {}", say(other, &resource.identity));
            let finding = on
                .error(id, resource, "spec.apiServer", message)
                .hint("register the platform once, and let repositories name that provider");
            out.push(related(finding, [other]));
        }
    }
}

fn host_immutable(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for now in on.resources().filter(|r| is_platform(r.identity.kind)) {
        let Some(was) = on.changed_from(now) else { continue };
        let mut changes: Vec<(&str, &str, &str)> = addresses(&was.resource)
            .into_iter()
            .zip(addresses(&now.resource))
            // Another address is another platform only if the host is another.
            .filter(|((_, was, _), (_, now, _))| !was.is_empty() && host_of(was) != host_of(now))
            .map(|((field, was, _), (_, now, _))| (field, was, now))
            .collect();
        let types = (provider_type(&was.resource), provider_type(&now.resource));
        if types.0 != types.1 {
            changes.push(("spec.providerType", types.0, types.1));
        }
        if changes.is_empty() {
            continue;
        }
        let on_it: Vec<Identity> = on.graph.direct_dependents(&now.identity);
        if on_it.is_empty() {
            continue;
        }
        for (field, from, to) in changes {
            let message = format!(
                "it changes from {from:?} to {to:?} under {}",
                say_all(&on_it, &now.identity)
            );
            let finding = on
                .error(id, now, field, message)
                .hint("add a provider for the other platform and let repositories name it one by one");
            out.push(related(finding, &on_it));
        }
    }
}

/// The host of an address of either form, in lower case.
fn host_of(text: &str) -> String {
    if let Ok(url) = url::Url::parse(text)
        && let Some(host) = url.host_str()
    {
        return host.to_ascii_lowercase();
    }
    let host = text.split_once('@').map_or(text, |(_, host)| host);
    host.split([':', '/'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

fn single(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let all: Vec<&Sourced> = on.of_kind(Kind::ProductProvider).collect();
    if all.len() < 2 {
        return;
    }
    for (i, resource) in all.iter().enumerate().filter(|(_, r)| on.wants(&r.identity)) {
        let other = &if i == 0 { all[1] } else { all[0] }.identity;
        let message = format!("{} is there as well", say(other, &resource.identity));
        let finding = on
            .error(id, resource, "metadata.name", message)
            .hint("keep one of the two");
        out.push(related(finding, [other]));
    }
}
