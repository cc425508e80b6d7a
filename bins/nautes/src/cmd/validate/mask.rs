//! What of a file is never shown: a manifest that is handed in may hold a kubeconfig.
//!
//! The excerpt of a finding shows lines of files that may not even be YAML, so this goes by what lines look like, and
//! hides too much rather than too little:
//!
//! * the value of a key that holds a secret, with every line below it;
//! * after `kubeconfig`, everything up to the next field of a cluster, however it is indented;
//! * anything that looks like a key or a token wherever it stands.

/// What stands in the place of what is hidden.
pub(super) const HIDDEN: &str = "***";

/// Keys with a secret, in lower case without `-` and `_`.
const SECRET: &[&str] = &[
    "accesskey",
    "accesstoken",
    "apikey",
    "authorization",
    "bearertoken",
    "certificateauthoritydata",
    "clientcertificatedata",
    "clientkey",
    "clientkeydata",
    "clientsecret",
    "credential",
    "credentials",
    "idtoken",
    "kubeconfig",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "refreshtoken",
    "secret",
    "secretaccesskey",
    "secretid",
    "secretkey",
    "sshprivatekey",
    "token",
];

/// The fields of a cluster besides its kubeconfig: what follows one of them is no part of it.
const CLUSTER: &[&str] = &[
    "apiServer",
    "clusterKind",
    "clusterType",
    "componentsList",
    "hostCluster",
    "primaryDomain",
    "productAllowedClusterResources",
    "reservedNamespacesAllowedProducts",
    "usage",
    "workerType",
];

/// A run of characters of this length may be a token.
const TOKEN: usize = 32;

/// Within what the lines are.
struct Inside {
    /// The column of the key.
    indent: usize,
    is_kubeconfig: bool,
}

/// Returns, for each line, the byte from which it is hidden; `None` for one that may be shown.
pub(super) fn hidden(text: &str) -> Vec<Option<usize>> {
    let mut inside: Option<Inside> = None;
    text.split('\n')
        .map(|line| {
            let indent = line.len() - line.trim_start().len();
            if line.starts_with("---") {
                inside = None;
            }
            if let Some(within) = &inside {
                if line.trim().is_empty() {
                    return None;
                }
                if !ends(within, line, indent) {
                    return Some(indent);
                }
                inside = None;
            }
            if let Some((key, value, is_kubeconfig)) = secret(line) {
                let in_flow = line[..key].contains(['{', '[', '"', '\'']);
                let indent = if in_flow { indent } else { key };
                inside = Some(Inside {
                    indent,
                    is_kubeconfig,
                });
                return Some(value);
            }
            token(line)
        })
        .collect()
}

fn ends(within: &Inside, line: &str, indent: usize) -> bool {
    if indent > within.indent {
        return false;
    }
    if !within.is_kubeconfig {
        return true;
    }
    let key = line.trim_start().split(':').next().unwrap_or_default();
    CLUSTER.contains(&key.trim_matches(['"', '\'', ' ']))
}

/// Finds the first key with a secret: where it begins, where its value does, and whether it is a kubeconfig.
fn secret(line: &str) -> Option<(usize, usize, bool)> {
    for (colon, _) in line.match_indices(':') {
        let before = line[..colon].trim_end_matches(['"', '\'', ' ', '\t']);
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let key = before.trim_end_matches(is_part).len();
        let name: String = before[key..]
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        if SECRET.contains(&name.as_str()) {
            let value = &line[colon + 1..];
            let begin = colon + 1 + (value.len() - value.trim_start().len());
            return Some((key, begin, name == "kubeconfig"));
        }
    }
    None
}

/// Finds what looks like a key or a token.
fn token(line: &str) -> Option<usize> {
    if let Some(at) = line.find("-----BEGIN") {
        return Some(at);
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '=' | '_');
    let mut at = 0;
    for run in line.split_inclusive(|c: char| !is_part(c)) {
        let word = run.trim_end_matches(|c: char| !is_part(c));
        let has = |what: fn(&char) -> bool| word.chars().any(|c| what(&c));
        if word.len() >= TOKEN
            && has(char::is_ascii_digit)
            && has(char::is_ascii_uppercase)
            && has(char::is_ascii_lowercase)
        {
            return Some(at);
        }
        at += run.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let lines = text.split('\n').zip(hidden(text));
        lines
            .map(|(line, from)| {
                from.map_or_else(|| line.to_owned(), |from| format!("{}{HIDDEN}", &line[..from]))
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn a_kubeconfig_is_hidden_however_it_stands_there() {
        for text in [
            "spec:\n  kubeconfig: |\n    users:\n    - canary\n\n    more: canary\n  usage: host\n",
            "spec:\n  kubeconfig: |\nusers:\n- canary\ncanary\n",
            "spec:\n  kubeconfig: canary\n  canary: canary\n",
            "spec: {name: a, kubeconfig: \"canary\n   canary\n\n  canary\"}\n",
            "{\n  \"spec\": {\n    \"kubeConfig\": \"canary\"\n  }\n}",
            "spec:\n\tkubeconfig: 'canary\n\n  canary'\n",
            "kubeconfig:\ncanary\nspec:\n  canary\n",
        ] {
            assert!(!shown(text).contains("canary"), "{}", shown(text));
        }
        let after = shown("spec:\n  kubeconfig: |\n    canary\n  usage: host\n  clusterType: x\n");
        assert!(after.contains("usage: host\n  clusterType: x"), "{after}");
    }

    #[test]
    fn credentials_are_hidden_outside_of_a_kubeconfig_too() {
        for text in [
            "- token: canary\n",
            "  client-key-data: canary\n",
            "x: {password: canary}\n",
            "  client_secret: >-\n    canary\n",
            "a -----BEGIN PRIVATE KEY----- canary",
            "stray canaryQ2FuYXJ5IGlzIGEgbGl0dGxlIGJpcmQgMTIzNDU2\n",
        ] {
            assert!(!shown(text).contains("canary"), "{}", shown(text));
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for text in [
            "spec:\n  componentsList:\n    secretSync:\n      name: a\n      namespace: b\n",
            "  targetRevision: 0123456789abcdef0123456789abcdef01234567\n",
            "  path: deployments/production/a-long-name-that-goes-on-and-on/V1\n",
            "- token: x\n  name: shown\n",
        ] {
            let lines: Vec<_> = hidden(text).into_iter().flatten().collect();
            assert!(lines.len() <= 1, "{}", shown(text));
        }
        assert!(shown("- token: x\n  name: shown\n").contains("name: shown"));
    }
}
