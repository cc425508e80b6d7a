//! The forges on which stories are played.

use std::sync::Arc;

use nautes_gitops::host::Session;
use nautes_gitops::host::git::{Git, Options as GitOptions};
use nautes_gitops::host::gitlab::fake::FakeGitlab;
use nautes_gitops::host::gitlab::{Gitlab, Options as GitlabOptions};
use nautes_gitops::host::local::{LocalForge, Options as ForgeOptions, Serving};
use nautes_gitops::{GitHost, RepoPath};
use nautes_model::{Resource, Secret};

use super::{any, parse};

/// The forges on which the same stories are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// The local forge.
    Local,
    /// A GitLab in this process, through the adapter.
    Gitlab,
    /// A server of Git without the API of a forge: people make groups and repositories.
    Git,
}

/// A forge, and what keeps it alive.
pub(crate) enum Served {
    Local(
        LocalForge,
        #[allow(dead_code, reason = "it serves as long as it lives")] Serving,
    ),
    Gitlab(FakeGitlab, Gitlab),
    Git {
        server: LocalForge,
        #[allow(dead_code, reason = "it serves as long as it lives")]
        serving: Serving,
        git: Git,
    },
}

impl Served {
    pub(super) async fn start(on: On, data: &std::path::Path) -> Self {
        let data = data.join("forge");
        if on != On::Gitlab {
            let forge = LocalForge::open(ForgeOptions::new(data)).await.unwrap();
            let serving = forge.serve(any()).await.unwrap();
            if on == On::Local {
                return Self::Local(forge, serving);
            }
            let session = forge.platform().await.unwrap();
            let name = session.user().await.unwrap().name;
            let token = forge.admin().create_token(&name, "platform").await.unwrap();
            let credential = format!("{name}:{}", token.expose_str().unwrap());
            let url = format!("http://{}", serving.address);
            let mut options = GitOptions::new("git", url, Secret::from(credential));
            options.net.loopback = true;
            options.known = Some(management());
            let git = Git::new(options).unwrap();
            return Self::Git {
                server: forge,
                serving,
                git,
            };
        }
        let fake = FakeGitlab::start(data).await.unwrap();
        let token = fake.create_user("platform").await.unwrap();
        let mut options = GitlabOptions::new("gitlab", fake.url(), token);
        options.net.loopback = true;
        let gitlab = Gitlab::new(options).unwrap();
        Self::Gitlab(fake, gitlab)
    }

    pub(super) fn host(&self) -> Arc<dyn GitHost> {
        match self {
            Self::Local(forge, _) => Arc::new(forge.clone()),
            Self::Gitlab(_, gitlab) => Arc::new(gitlab.clone()),
            Self::Git { git, .. } => Arc::new(git.clone()),
        }
    }

    /// Who makes groups and repositories by hand.
    pub(crate) async fn hand(&self) -> Arc<dyn Session> {
        match self {
            Self::Git { server, .. } => server.platform().await.unwrap(),
            _ => self.host().platform().await.unwrap(),
        }
    }

    /// The repositories as they are on disk.
    pub(super) fn local(&self) -> &LocalForge {
        match self {
            Self::Local(forge, _) | Self::Git { server: forge, .. } => forge,
            Self::Gitlab(fake, _) => fake.forge(),
        }
    }
}

pub(super) fn management() -> RepoPath {
    "nautes/management".parse().unwrap()
}

pub(super) fn provider(on: On) -> Resource {
    let kind = match on {
        On::Local => "local",
        On::Gitlab => "gitlab",
        On::Git => "git",
    };
    parse(&format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: CodeRepoProvider\nmetadata: {{name: gitlab}}\n\
         spec:\n  httpAddress: http://localhost\n  apiServer: http://localhost\n  providerType: {kind}\n",
    ))
    .remove(0)
}
