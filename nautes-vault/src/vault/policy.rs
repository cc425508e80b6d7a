//! The texts of policies. Each is a pure function of one secret and one level, so that whoever writes it writes the
//! same.

use std::fmt::Write as _;

use nautes_model::secret::{GrantLevel, SecretPath};

use super::names;
use super::settings::VaultSettings;

/// How the first line of a policy of ours begins.
const MARK: &str = "# Made by Nautes";

/// One policy as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) text: String,
}

impl Policy {
    /// Returns the policy that allows `level` on `path`.
    pub(super) fn of(settings: &VaultSettings, path: &SecretPath, level: GrantLevel) -> Self {
        let capabilities = match level {
            GrantLevel::Read => r#""read""#,
            GrantLevel::Write => r#""create", "read", "update""#,
        };
        let (mount, below) = (settings.mount(path.engine()), path.below());
        let mut rules = vec![
            (format!("{mount}/data/{below}"), capabilities),
            (format!("{mount}/metadata/{below}"), r#""read""#),
        ];
        // Whoever may use a cluster's credential sees who can log in there, as in existing installations.
        if let ["cluster", "kubernetes", cluster, "default", "admin"] =
            path.as_str().split('/').collect::<Vec<_>>().as_slice()
        {
            rules.push((format!("auth/{}/role/*", settings.mount(cluster)), r#""read""#));
        }
        Self::new(settings, &names::policy(path, level), &rules)
    }

    /// Returns the policy that marks roles of this installation. It allows a token to end itself, and nothing else.
    pub(super) fn mark(settings: &VaultSettings) -> Self {
        let rules = [("auth/token/revoke-self".to_owned(), r#""update""#)];
        Self::new(settings, "nautes-managed", &rules)
    }

    /// Whether the text of a policy of this name is one that this installation wrote.
    pub(super) fn is_ours(settings: &VaultSettings, text: &str) -> bool {
        text.lines().next() == Some(first_line(settings).as_str())
    }

    /// Whether another text allows the same: it differs in comments and white space only.
    pub(super) fn allows_the_same(&self, text: &str) -> bool {
        bare(&self.text) == bare(text)
    }

    fn new(settings: &VaultSettings, name: &str, rules: &[(String, &str)]) -> Self {
        let mut text = first_line(settings);
        for (path, capabilities) in rules {
            let _ = write!(
                text,
                "\npath \"{path}\" {{\n  capabilities = [{capabilities}]\n}}"
            );
        }
        text.push('\n');
        Self {
            name: in_installation(settings, name),
            text,
        }
    }
}

/// Returns the name of a policy of this installation.
pub(super) fn in_installation(settings: &VaultSettings, name: &str) -> String {
    if settings.prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{}-{name}", settings.prefix.replace('/', "-"))
    }
}

fn first_line(settings: &VaultSettings) -> String {
    let of = if settings.prefix.is_empty() { "" } else { " at " };
    format!("{MARK}{of}{}. What is changed here is set back.", settings.prefix)
}

fn bare(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::settings::Login;

    fn settings(prefix: &str) -> VaultSettings {
        let mut settings = VaultSettings::new("https://vault".parse().unwrap(), Login::Token("t".into()));
        prefix.clone_into(&mut settings.prefix);
        settings
    }

    fn of(prefix: &str, path: &str, level: GrantLevel) -> Policy {
        Policy::of(&settings(prefix), &path.parse().unwrap(), level)
    }

    #[test]
    fn a_policy_allows_one_secret_at_one_level() {
        let policy = of("", "git/gitlab/repo-19/default/readonly", GrantLevel::Read);
        assert_eq!(
            policy.text,
            "# Made by Nautes. What is changed here is set back.\n\
             path \"git/data/gitlab/repo-19/default/readonly\" {\n  capabilities = [\"read\"]\n}\n\
             path \"git/metadata/gitlab/repo-19/default/readonly\" {\n  capabilities = [\"read\"]\n}\n"
        );
        let write = of("a/b", "git/x/y", GrantLevel::Write);
        assert!(write.name.starts_with("a-b-git-x-y-") && write.name.ends_with("-write"));
        assert!(
            write
                .text
                .contains("path \"a/b/git/data/x/y\" {\n  capabilities = [\"create\", \"read\", \"update\"]")
        );
        let admin = of("p", "cluster/kubernetes/c/default/admin", GrantLevel::Read);
        assert!(admin.text.contains("path \"auth/p/c/role/*\""));
    }

    #[test]
    fn installations_know_their_own_policies() {
        let text = of("a", "git/x/y", GrantLevel::Read).text;
        assert!(Policy::is_ours(&settings("a"), &text));
        assert!(!Policy::is_ours(&settings(""), &text));
        assert!(!Policy::is_ours(&settings("a"), "path \"x\" {}"));
    }

    #[test]
    fn comments_and_spaces_do_not_change_what_is_allowed() {
        let policy = of("", "git/x/y", GrantLevel::Read);
        let other = "# by hand\npath \"git/data/x/y\" {capabilities=[\"read\"]}\n\
                     path \"git/metadata/x/y\" { capabilities = [ \"read\" ] }";
        assert!(policy.allows_the_same(other));
        assert!(!policy.allows_the_same(&other.replace("read", "sudo")));
    }
}
