//! Repositories, deploy keys and hooks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use nautes_model::{Class, Secret};

use super::{Case, Outcome, Stage, equal, fails, holds, need};
use crate::host::{DeployKeySpec, HookEvent, HookSpec, PushError, RepoChange, RepoSpec, Visibility};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "repositories live and die",
            body: |stage| Box::pin(life(stage)),
        },
        Case {
            name: "of those who create the same one wins",
            body: |stage| Box::pin(rivals(stage)),
        },
        Case {
            name: "an archive takes no pushes",
            body: |stage| Box::pin(archive(stage)),
        },
        Case {
            name: "deploy keys are given and taken",
            body: |stage| Box::pin(keys(stage)),
        },
        Case {
            name: "hooks keep their secret",
            body: |stage| Box::pin(hooks(stage)),
        },
    ]
}

async fn life(stage: &Stage) -> Outcome {
    let path = stage.path("app.one")?;
    let spec = RepoSpec {
        default_branch: "trunk".to_owned(),
        visibility: Visibility::Private,
        description: "what it is for".to_owned(),
        marker: Some("marker-1".to_owned()),
    };
    let made = need("creating it", stage.owner.create_repository(&path, &spec).await)?;
    equal("the path", &made.path, &path)?;
    equal("the branch", &made.default_branch, &spec.default_branch)?;
    equal("the marker", &made.marker, &spec.marker)?;
    equal("the description", &made.description, &spec.description)?;
    holds("the address has no credential", !made.http_url.contains('@'))?;
    equal(
        "looking it up",
        &need("looking", stage.owner.repository(&path).await)?,
        &Some(made.clone()),
    )?;
    let found = need("looking by its id", stage.owner.repository_by_id(made.id).await)?;
    equal("by its id", &found, &Some(made.clone()))?;
    fails(
        "creating it again",
        stage.owner.create_repository(&path, &spec).await,
        Class::Conflict,
    )?;
    let orphan = need(
        "naming",
        crate::host::RepoPath::new(format!("{}-none", stage.group), "app"),
    )?;
    fails(
        "creating it nowhere",
        stage.owner.create_repository(&orphan, &spec).await,
        Class::NotFound,
    )?;
    let change = RepoChange {
        default_branch: Some("main".to_owned()),
        marker: Some(None),
        ..RepoChange::default()
    };
    let changed = need("changing it", stage.owner.update_repository(&path, &change).await)?;
    equal("the branch after", &changed.default_branch, &"main".to_owned())?;
    equal("the marker after", &changed.marker, &None)?;
    equal("what is not changed", &changed.description, &made.description)?;
    let other = stage.repository("another").await?;
    let listed = need("listing", stage.owner.repositories(&stage.group).await)?;
    let paths: Vec<_> = listed.into_iter().map(|repo| repo.path).collect();
    equal("the list", &paths, &vec![other, path.clone()])?;
    need("deleting it", stage.owner.delete_repository(&path).await)?;
    equal(
        "after deleting",
        &need("looking", stage.owner.repository(&path).await)?,
        &None,
    )?;
    let found = need("looking by its id", stage.owner.repository_by_id(made.id).await)?;
    equal("by its id, after deleting", &found, &None)?;
    fails(
        "deleting it again",
        stage.owner.delete_repository(&path).await,
        Class::NotFound,
    )?;
    let again = need(
        "creating it anew",
        stage.owner.create_repository(&path, &spec).await,
    )?;
    holds("it has another id", again.id != made.id)?;
    equal(
        "it is empty",
        &need("listing references", stage.owner.refs(&path).await)?.len(),
        &0,
    )
}

async fn rivals(stage: &Stage) -> Outcome {
    let path = stage.path("wanted")?;
    let spec = RepoSpec::default();
    let made = join_all((0..10).map(|_| stage.owner.create_repository(&path, &spec))).await;
    equal("how many made it", &made.iter().filter(|m| m.is_ok()).count(), &1)?;
    for lost in made.into_iter().filter(Result::is_err) {
        fails("creating what another made", lost, Class::Conflict)?;
    }
    // It is there for those who came too late.
    let refs = need("listing", stage.owner.refs(&path).await)?;
    equal("its references", &refs.len(), &0)
}

async fn archive(stage: &Stage) -> Outcome {
    let (path, mirror, tip) = stage.filled("app").await?;
    let archived = need("archiving", stage.owner.archive_repository(&path, true).await)?;
    holds("it says that it is archived", archived.archived)?;
    let listed = need("listing", stage.owner.repositories(&stage.group).await)?;
    holds(
        "archives are listed",
        listed.iter().any(|repo| repo.path == path && repo.archived),
    )?;
    equal(
        "archives are read",
        &need("reading", stage.owner.refs(&path).await)?.len(),
        &1,
    )?;
    let new = super::commit(&mirror, Some(tip), "late").await?;
    match stage.owner.push(&path, &mirror, "main", Some(tip), new).await {
        Err(PushError::Host(error)) if error.class() == Class::Denied => {}
        other => return Err(format!("pushing to an archive: {other:?}")),
    }
    need(
        "opening it again",
        stage.owner.archive_repository(&path, false).await,
    )?;
    need(
        "pushing again",
        stage.owner.push(&path, &mirror, "main", Some(tip), new).await,
    )
}

/// Makes the public part of a key that nobody has.
fn public_key(seed: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let field = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes()[..], bytes].concat();
    let blob = [field(b"ssh-ed25519"), field(&Sha256::digest(seed))].concat();
    format!("ssh-ed25519 {}", STANDARD.encode(blob))
}

async fn keys(stage: &Stage) -> Outcome {
    let (one, two) = (stage.repository("one").await?, stage.repository("two").await?);
    let public_key = public_key(&stage.group);
    let spec = DeployKeySpec {
        title: "readonly".to_owned(),
        public_key: format!("{public_key} me@here"),
        can_push: false,
    };
    let key = need("adding a key", stage.owner.create_deploy_key(&one, &spec).await)?;
    equal("the key without its comment", &key.public_key, &public_key)?;
    holds("it may not push", !key.can_push)?;
    fails(
        "adding it again",
        stage.owner.create_deploy_key(&one, &spec).await,
        Class::Conflict,
    )?;
    match stage.owner.create_deploy_key(&two, &spec).await {
        // Where keys belong to one repository each, it is another one of the same id.
        Ok(again) => {
            equal("the key in two repositories", &again, &key)?;
            need("taking it", stage.owner.delete_deploy_key(&two, again.id).await)?;
        }
        refused => fails("adding it elsewhere", refused, Class::Conflict)?,
    }
    let bad = DeployKeySpec {
        public_key: "no key".to_owned(),
        ..spec
    };
    fails(
        "adding something else",
        stage.owner.create_deploy_key(&one, &bad).await,
        Class::Invalid,
    )?;
    let enabled = need(
        "enabling it",
        stage.owner.enable_deploy_key(&two, key.id, true).await,
    )?;
    equal("the id", &enabled.id, &key.id)?;
    holds("it may push there", enabled.can_push)?;
    equal(
        "the keys of the first",
        &need("listing", stage.owner.deploy_keys(&one).await)?,
        &vec![key.clone()],
    )?;
    need("taking it", stage.owner.delete_deploy_key(&one, key.id).await)?;
    equal(
        "the keys of the first",
        &need("listing", stage.owner.deploy_keys(&one).await)?,
        &vec![],
    )?;
    equal(
        "the keys of the second",
        &need("listing", stage.owner.deploy_keys(&two).await)?,
        &vec![enabled],
    )?;
    fails(
        "taking it again",
        stage.owner.delete_deploy_key(&one, key.id).await,
        Class::NotFound,
    )?;
    need(
        "taking it there",
        stage.owner.delete_deploy_key(&two, key.id).await,
    )?;
    fails(
        "enabling what is gone",
        stage.owner.enable_deploy_key(&one, key.id, false).await,
        Class::NotFound,
    )
}

async fn hooks(stage: &Stage) -> Outcome {
    let path = stage.repository("app").await?;
    let url = "http://127.0.0.1:9/hook".to_owned();
    let secret = Secret::from("conformance-canary");
    let spec = HookSpec {
        url: url.clone(),
        events: vec![HookEvent::Push, HookEvent::TagPush],
        secret,
    };
    let hook = need("adding a hook", stage.owner.create_hook(&path, &spec).await)?;
    equal("the address", &hook.url, &url)?;
    equal("the events", &hook.events, &spec.events)?;
    let listed = need("listing", stage.owner.hooks(&path).await)?;
    equal("the hooks", &listed, &vec![hook.clone()])?;
    holds(
        "the secret does not show",
        !format!("{listed:?}{spec:?}").contains("canary"),
    )?;
    let bad = HookSpec {
        url: "ftp://127.0.0.1/".to_owned(),
        ..spec
    };
    fails(
        "a hook to elsewhere",
        stage.owner.create_hook(&path, &bad).await,
        Class::Invalid,
    )?;
    need("deleting it", stage.owner.delete_hook(&path, hook.id).await)?;
    equal(
        "after deleting",
        &need("listing", stage.owner.hooks(&path).await)?,
        &vec![],
    )?;
    fails(
        "deleting it again",
        stage.owner.delete_hook(&path, hook.id).await,
        Class::NotFound,
    )
}
