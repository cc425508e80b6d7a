//! The forge of a local platform: users, and the repository in which the tenant is declared.

use std::collections::BTreeMap;

use nautes_gitops::host::local::{LocalForge, Options, Serving};
use nautes_gitops::repo::{CommitSpec, Signature};
use nautes_gitops::{
    AccessLevel, GitHost as _, GroupSpec, HostError, Mirror, Place, RepoPath, RepoSpec, Session,
};
use nautes_model::Secret;

use super::data::{Data, Remembered};
use super::ports::{FORGE, Ports};
use crate::exit::{Exit, Failure};

/// Owns the tenant.
pub const ADMIN: &str = "admin";
/// A developer without any rights yet.
pub const ALICE: &str = "alice";
/// Another one.
pub const BOB: &str = "bob";
/// All users.
pub const USERS: &[&str] = &[ADMIN, ALICE, BOB];

/// The group of the tenant.
pub const TENANT_GROUP: &str = "nautes";
/// The repository in it.
pub const TENANT_REPO: &str = "management";

/// The name under which the tenant knows its one forge; the example manifests call it by this name.
pub const PROVIDER: &str = "gitlab";

/// Turns an error of the forge into one for the user.
pub(super) fn failed(error: HostError) -> Failure {
    let (class, hint) = (error.class(), error.hint());
    let failure = Failure::new(Exit::from(class), format!("{:#}", anyhow::Error::new(error)));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Returns the path of the tenant's repository.
///
/// # Errors
/// It does not happen: the name is a name.
pub fn tenant_repo() -> Result<RepoPath, Failure> {
    Ok(RepoPath::new(TENANT_GROUP, TENANT_REPO)?)
}

/// Opens the forge, serves it, and makes sure that users and the tenant's repository are there.
///
/// # Errors
/// There is no git, or the folder or port cannot be used.
pub async fn start(
    data: &Data,
    ports: &mut Ports,
    remembered: &mut Remembered,
) -> Result<(LocalForge, Serving), Failure> {
    let forge = LocalForge::open(Options::new(data.at("forge")))
        .await
        .map_err(failed)?;
    let serving = forge
        .serve(ports.address(FORGE))
        .await
        .map_err(|error| failed(error).hint("choose other ports with --port-base"))?;
    ports.got(FORGE, serving.address.port());
    for user in USERS {
        let token = remembered.users.get(*user).map(|t| Secret::from(t.as_str()));
        let token = valid_token(&forge, user, token).await.map_err(failed)?;
        let text = token
            .expose_str()
            .map_err(|_| Failure::new(Exit::Internal, "a token is not text"))?;
        remembered.users.insert((*user).to_owned(), text.to_owned());
    }
    tenant(&forge, data).await?;
    Ok((forge, serving))
}

/// Returns a token that the forge knows: the remembered one, or a new one.
async fn valid_token(forge: &LocalForge, user: &str, token: Option<Secret>) -> Result<Secret, HostError> {
    let admin = forge.admin();
    if let Some(token) = token
        && admin.whose(&token).is_some_and(|u| u.name == user)
    {
        return Ok(token);
    }
    if admin.users().iter().any(|u| u.name == user) {
        return admin.create_token(user, "local").await;
    }
    admin.create_user(user).await
}

async fn tenant(forge: &LocalForge, data: &Data) -> Result<(), Failure> {
    let path = tenant_repo()?;
    let session = forge.platform().await.map_err(failed)?;
    if session.group(TENANT_GROUP).await.map_err(failed)?.is_none() {
        let spec = GroupSpec {
            name: TENANT_GROUP.to_owned(),
            description: "Where the tenant is declared".to_owned(),
            ..GroupSpec::default()
        };
        session.create_group(&spec).await.map_err(failed)?;
    }
    if session.repository(&path).await.map_err(failed)?.is_none() {
        session
            .create_repository(&path, &RepoSpec::default())
            .await
            .map_err(failed)?;
    }
    first_commit(&*session, &path, data).await?;
    let place = Place::group(TENANT_GROUP);
    session
        .add_member(&place, ADMIN, AccessLevel::Owner)
        .await
        .map_err(failed)
}

/// A tenant's repository is never empty: one without its branch is one that cannot be read.
async fn first_commit(session: &dyn Session, path: &RepoPath, data: &Data) -> Result<(), Failure> {
    if !session.refs(path).await.map_err(failed)?.is_empty() {
        return Ok(());
    }
    let mirror = Mirror::open_or_create(data.at("mirrors").join("first.git")).await?;
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let nautes = Signature {
        name: "Nautes".to_owned(),
        email: "nautes@localhost".to_owned(),
        seconds: i64::try_from(since.as_secs()).unwrap_or_default(),
    };
    let readme =
        "# The tenant\n\nClusters, products and providers are declared in `nautes/overlays/production`.\n";
    let first = CommitSpec {
        parent: None,
        edits: BTreeMap::from([("README.md".to_owned(), Some(readme.as_bytes().to_vec()))]),
        author: nautes.clone(),
        committer: nautes,
        message: "Begin the tenant".to_owned(),
        trailers: Vec::new(),
    };
    let Some(first) = mirror.commit(first).await? else {
        return Err(Failure::new(
            Exit::Internal,
            "the tenant's repository has no first commit",
        ));
    };
    Ok(session.push(path, &mirror, "main", None, first).await?)
}

/// The manifest of the provider that stands for the forge.
#[must_use]
pub fn provider(base: &str) -> String {
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: CodeRepoProvider\nmetadata:\n  name: {PROVIDER}\n\
         spec:\n  httpAddress: {base}\n  apiServer: {base}\n  providerType: local\n"
    )
}

/// What the forge holds, as the platform sees it, for observations.
///
/// # Errors
/// The forge does not answer.
pub async fn contents(forge: &LocalForge) -> Result<Vec<Holding>, Failure> {
    let session = forge.platform().await.map_err(failed)?;
    let mut all = Vec::new();
    for group in session.groups().await.map_err(failed)? {
        let mut repositories = BTreeMap::new();
        for repository in session.repositories(&group.name).await.map_err(failed)? {
            let path = &repository.path;
            let keys = session
                .deploy_keys(path)
                .await
                .map_err(failed)?
                .into_iter()
                .map(|k| k.title)
                .collect();
            let hooks = session.hooks(path).await.map_err(failed)?.len();
            repositories.insert(
                path.to_string(),
                Held {
                    archived: repository.archived,
                    keys,
                    hooks,
                },
            );
        }
        all.push(Holding {
            group: group.name,
            repositories,
        });
    }
    Ok(all)
}

/// What a group holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Holding {
    /// The group.
    pub group: String,
    /// Its repositories, by path.
    pub repositories: BTreeMap<String, Held>,
}

/// What a repository holds besides its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Held {
    /// Whether it is read-only.
    pub archived: bool,
    /// The titles of its deploy keys.
    pub keys: Vec<String>,
    /// How many hooks it has.
    pub hooks: usize,
}
