//! The forge that settings name.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use nautes_model::Secret;

use super::net::NetOptions;
use super::rest::account::PlatformToken;
use super::rest::desk::read_files;
use super::{GitHost, HostError, RepoPath, git, gitea, gitlab};

/// Of what type a forge at another address is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForgeType {
    /// GitLab.
    #[default]
    Gitlab,
    /// Gitea or Forgejo.
    Gitea,
    /// Git over HTTPS, and nothing besides.
    Git,
}

/// A text is not the type of a forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is none of gitlab, gitea (Forgejo, too) and git")]
pub struct NoForgeType;

impl ForgeType {
    /// Returns the word for it in settings and manifests.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
            Self::Git => "git",
        }
    }
}

impl fmt::Display for ForgeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for ForgeType {
    type Err = NoForgeType;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "gitlab" => Ok(Self::Gitlab),
            "gitea" | "forgejo" => Ok(Self::Gitea),
            "git" => Ok(Self::Git),
            _ => Err(NoForgeType),
        }
    }
}

/// Where a forge is, and how the platform gets at it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Of what type it is.
    pub kind: ForgeType,
    /// The name of the forge, as providers and messages name it; the type where it is not given.
    pub name: Option<String>,
    /// The address, without that of the API.
    pub url: String,
    /// The token of the platform's own account.
    pub token: PlatformToken,
    /// Certificates in PEM form that are trusted besides those of the system.
    pub ca_bundle: Option<Vec<u8>>,
    /// The proxy.
    pub proxy: Option<Secret>,
    /// Whether the forge may be on this machine, also over plain HTTP.
    pub loopback: bool,
    /// A repository that everybody may read who may do anything; Git alone tells by it whose a token is.
    pub known: Option<RepoPath>,
}

impl Connection {
    /// Prepares for the token of a file, which may be replaced ([`PlatformToken::file`]), and reads certificates that are
    /// trusted besides those of the system.
    ///
    /// # Errors
    /// A file cannot be read.
    pub async fn files(
        token: &Path,
        ca: Option<&Path>,
    ) -> Result<(PlatformToken, Option<Vec<u8>>), HostError> {
        read_files(token, ca).await
    }

    /// Opens the forge. It is not asked yet.
    ///
    /// # Errors
    /// The address, the certificates or the proxy are none.
    pub fn open(&self) -> Result<Arc<dyn GitHost>, HostError> {
        let token = self.token.clone();
        let proxy = match &self.proxy {
            Some(proxy) => {
                let wrong = |_| HostError::invalid("the proxy", "its address cannot be read");
                Some(proxy.expose_str().map_err(wrong)?.to_owned())
            }
            None => None,
        };
        let net = NetOptions {
            ca_bundle: self.ca_bundle.clone(),
            proxy,
            loopback: self.loopback,
            ..NetOptions::default()
        };
        let name = self.name.clone().unwrap_or_else(|| self.kind.to_string());
        Ok(match self.kind {
            ForgeType::Gitlab => {
                let options = gitlab::Options::new(name, &self.url, token);
                Arc::new(gitlab::Gitlab::new(gitlab::Options { net, ..options })?)
            }
            ForgeType::Gitea => {
                let options = gitea::Options::new(name, &self.url, token);
                Arc::new(gitea::Gitea::new(gitea::Options { net, ..options })?)
            }
            ForgeType::Git => {
                let known = self.known.clone();
                let options = git::Options::new(name, &self.url, token);
                Arc::new(git::Git::new(git::Options {
                    net,
                    known,
                    ..options
                })?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_type_is_read_back() {
        for kind in [ForgeType::Gitlab, ForgeType::Gitea, ForgeType::Git] {
            assert_eq!(kind.word().parse(), Ok(kind));
        }
        assert_eq!("forgejo".parse(), Ok(ForgeType::Gitea));
        assert_eq!("github".parse::<ForgeType>(), Err(NoForgeType));
    }
}
