//! The table of checks, and what comes out of one.

use std::fmt::Write as _;

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Note,
    /// It works, and will not for ever or not in full.
    Warning,
    /// Something does not work.
    Error,
}

impl Severity {
    /// Returns the word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One check.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// The id, which stays what it is.
    pub id: &'static str,
    /// How bad findings can be, the worst first.
    pub severity: &'static [Severity],
    /// What is good.
    pub rule: &'static str,
    /// What to do where it is not.
    pub remedy: &'static str,
}

/// What a check has found on one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The check.
    pub check: &'static Check,
    /// On what: `forge gitlab at https://gitlab.example.com`.
    pub subject: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it should be, and what was seen.
    Good(String),
    /// It is not.
    Bad {
        /// How bad it is.
        severity: Severity,
        /// What was found.
        message: String,
        /// What to do about it.
        remedy: String,
    },
    /// It could not be made, and why.
    Skipped(String),
}

impl Check {
    /// Says that it is as it should be.
    #[must_use]
    pub fn good(&'static self, subject: &str, seen: impl Into<String>) -> Verdict {
        self.verdict(subject, Outcome::Good(seen.into()))
    }

    /// Says that it is not, in the worst way.
    #[must_use]
    pub fn bad(&'static self, subject: &str, message: impl Into<String>) -> Verdict {
        let worst = self.severity.first().copied().unwrap_or(Severity::Error);
        self.found(subject, worst, message)
    }

    /// Says that it is not, and how bad that is.
    #[must_use]
    pub fn found(&'static self, subject: &str, severity: Severity, message: impl Into<String>) -> Verdict {
        debug_assert!(self.severity.contains(&severity), "{} is never so bad", self.id);
        let outcome = Outcome::Bad {
            severity,
            message: message.into(),
            remedy: self.remedy.to_owned(),
        };
        self.verdict(subject, outcome)
    }

    /// Says that it could not be made.
    #[must_use]
    pub fn skipped(&'static self, subject: &str, why: impl Into<String>) -> Verdict {
        self.verdict(subject, Outcome::Skipped(why.into()))
    }

    fn verdict(&'static self, subject: &str, outcome: Outcome) -> Verdict {
        Verdict {
            check: self,
            subject: subject.to_owned(),
            outcome,
        }
    }
}

impl Verdict {
    /// Gives another remedy than that of the check, which fits what was found better.
    #[must_use]
    pub fn remedy(mut self, better: impl Into<String>) -> Self {
        if let Outcome::Bad { remedy, .. } = &mut self.outcome {
            *remedy = better.into();
        }
        self
    }
}

macro_rules! checks {
    ($($name:ident, $id:literal, [$($severity:ident),*], $rule:literal, $remedy:literal;)*) => {
        $(
            #[doc = concat!("Of a good installation: ", $rule, ".")]
            pub static $name: Check = Check {
                id: $id,
                severity: &[$(Severity::$severity),*],
                rule: $rule,
                remedy: $remedy,
            };
        )*

        /// Every check.
        pub static ALL: &[&Check] = &[$(&$name),*];
    };
}

checks! {
    SETTINGS, "Settings", [Error, Note],
        "what settings name can be read and used, and files with credentials are their owner's only",
        "correct the setting, or the file that it names";
    REACHABLE, "Reachable", [Error],
        "the address leads to a server that answers",
        "look at the address, the name server, the firewall and the proxy between this machine and the server, and whether the \
         server runs";
    PLAIN_HTTP, "PlainHttp", [Warning],
        "credentials go over TLS, but on this machine itself",
        "give the server a certificate, and its address with https://";
    TLS_ISSUER, "TlsIssuer", [Error],
        "who issued the server's certificate is trusted",
        "put the certificate of the authority that issued it (PEM) into the file of the setting for certificates, or into those \
         of the system; is it another server than expected, look at the address first";
    TLS_NAME, "TlsName", [Error],
        "the server's certificate is for the name in the address",
        "use the name that the certificate has, or have a certificate made for this name";
    TLS_VALIDITY, "TlsValidity", [Error, Warning],
        "the server's certificate is valid today, and for 14 days more",
        "have the server's certificate renewed; where it seems not valid yet, look at the clock of this machine";
    CA_BUNDLE, "CaBundle", [Error, Warning],
        "a file of certificates holds certificates, and none has ended",
        "get the new certificate and put it into the file; take out what has ended";
    CLOCK, "Clock", [Error, Warning],
        "the server's clock and that of this machine differ by less than 30 seconds",
        "let both machines take their time from a time server (chrony, systemd-timesyncd): tokens and certificates are judged by \
         the clock";
    API_READY, "ApiReady", [Error],
        "the API says that the forge, the secret store and the tenant cluster answer it",
        "look at what the API says, and at its log";
    API_VERSION, "ApiVersion", [Warning],
        "this program has the version of the API",
        "install the version of nautes that the server has";
    API_TOKEN, "ApiToken", [Error, Note],
        "the API knows the token of the context",
        "nautes login, with a token that the forge knows";
    FORGE_TOKEN, "ForgeToken", [Error],
        "the forge knows the token of the platform's account",
        "make a new token of the platform's account on the forge, and put it into the file of --forge-token-file";
    FORGE_TOKEN_SCOPE, "ForgeTokenScope", [Error, Note],
        "the token may be used for all that Nautes does",
        "make a token with the scopes that are missing, and put it into the file of --forge-token-file";
    FORGE_TOKEN_EXPIRY, "ForgeTokenExpiry", [Error, Warning],
        "the token does not end within 30 days",
        "make the next token, put it into the file of --forge-token-file (nautes-api and nautes-controller take it within \
         seconds), and revoke the old one last";
    FORGE_GROUPS, "ForgeGroups", [Warning],
        "the platform's account may make groups for new products",
        "let an administrator allow the account to create groups, or make the groups of products by hand before they are declared";
    TENANT_REPOSITORY, "TenantRepository", [Error, Warning],
        "the tenant's repository is there, can be read, and is not archived",
        "look at --tenant-repo, and make the platform's account a maintainer of the repository";
    PRODUCT_GROUP, "ProductGroup", [Error],
        "the platform's account is maintainer at least in the group of every product",
        "make the platform's account a member of the group, as owner (as maintainer where Nautes shall make no subgroups)";
    PRODUCT_REPOSITORY, "ProductRepository", [Error, Warning],
        "the repository default.project of every product is there, can be read, and is not archived",
        "restore the repository, or remove the product with nautes delete product";
    PROTECTED_BRANCH, "ProtectedBranch", [Error],
        "the platform's account may push to the branch that counts in repositories with manifests",
        "allow the role of the platform's account to push to the branch (Settings, Repository, Protected branches), or raise the \
         account's role";
    HOOK_RECEIVER, "HookReceiver", [Error, Warning],
        "the webhook receiver answers at the address that hooks are given",
        "look at --webhook-url and at what is between it and nautes-controller (ingress, load balancer), and whether the controller \
         runs; without it Nautes sees pushes only when it polls";
    HOOK, "Hook", [Warning],
        "every repository whose events start pipelines has a hook of Nautes",
        "nautes-controller makes it: look at its log, at nautes status of the product, and whether --webhook-url is the same \
         everywhere";
    HOOK_DELIVERY, "HookDelivery", [Warning],
        "the forge calls the hooks, and its last delivery was taken",
        "look whether the forge reaches the address and may call it (on GitLab: Admin, Network, Outbound requests), then test or \
         enable the hook on the forge";
    VAULT_STATE, "VaultState", [Error],
        "the secret store is initialised, unsealed and active",
        "unseal it (vault operator unseal); a new server is initialised first (vault operator init)";
    VAULT_LOGIN, "VaultLogin", [Error],
        "Nautes can log in to the secret store",
        "look whether the credential is there and still valid, and whether the auth mount and role exist";
    VAULT_TOKEN, "VaultToken", [Error, Warning],
        "a token of the secret store that is given in a file lives on",
        "let an agent of the store renew the token in the file, or log in with kubernetes, approle or jwt";
    VAULT_ENGINE, "VaultEngine", [Error, Warning],
        "the engines cluster, git, repo and tenant are KV engines of version 2",
        "enable it: vault secrets enable -path=<engine> -version=2 kv";
    VAULT_POLICY, "VaultPolicy", [Error, Warning],
        "the login of Nautes may do what Nautes does in the secret store",
        "give the login of Nautes the policy of docs/guide/vault.md";
    VAULT_AUTH, "VaultAuth", [Error, Warning],
        "every cluster has an auth mount that can tell who logs in",
        "configure the mount of the cluster: see \"What Nautes grants\" and \"Clusters that Vault cannot ask\" in docs/guide/vault.md";
    CLUSTER_ACCESS, "ClusterAccess", [Error],
        "there is a kubeconfig of every cluster that can be used",
        "register the cluster again with a kubeconfig that has its credentials in it (nautes apply)";
    CLUSTER_VERSION, "ClusterVersion", [Error],
        "the API server of every cluster knows the credentials and tells its version",
        "look whether the credentials of the kubeconfig are still valid";
    CLUSTER_RIGHTS, "ClusterRights", [Error],
        "the credentials of every cluster allow what Nautes does there",
        "give the account of the kubeconfig these rights by a ClusterRole and a ClusterRoleBinding";
    TENANT_CRDS, "TenantCrds", [Error],
        "the tenant cluster has the custom resource definitions of Nautes",
        "nautes crds | kubectl apply --server-side -f -";
    LOCAL_PLATFORM, "LocalPlatform", [Note],
        "the platform on this machine runs",
        "nautes local up";
}

/// Returns the table as Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = String::from("| check | | what is good | where it is not |\n|---|---|---|---|\n");
    for check in ALL {
        let severity: Vec<&str> = check.severity.iter().map(|severity| severity.word()).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            check.id,
            severity.join(", "),
            check.rule,
            check.remedy.replace('<', "&lt;").replace('|', "\\|")
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_every_check_has_a_remedy() {
        let ids: BTreeSet<&str> = ALL.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), ALL.len());
        for check in ALL {
            assert!(
                !check.remedy.is_empty() && !check.rule.ends_with('.'),
                "{}",
                check.id
            );
            assert!(
                check.severity.is_sorted_by(|a, b| a > b),
                "{}: the worst first",
                check.id
            );
        }
    }
}
