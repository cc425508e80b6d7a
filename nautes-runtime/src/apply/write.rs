//! Bringing one object to what it shall be.

use kube::api::{Patch, PatchParams};
use nautes_model::Class;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::call::{CallError, call};
use super::desired::Wanted;
use super::discovery::{Served, Settled};
use super::fields;
use super::live::{Live, api};
use super::mark;
use super::pass::Pass;
use super::report::{Outcome, Strategy};

/// Applies the object if it is absent or differs.
pub(crate) async fn write(pass: &Pass<'_>, wanted: &Wanted, served: &Served, live: Option<&Live>) -> Outcome {
    let digest = match wanted.digest(pass.target.store).await {
        Ok(digest) => digest,
        Err(outcome) => return outcome,
    };
    if let Some(live) = live
        && is_as_wanted(pass, wanted, live, &digest)
    {
        return Outcome::Unchanged {
            uid: live.uid.clone(),
        };
    }
    if pass.how != Strategy::Apply {
        return Outcome::WouldWrite;
    }
    let uid = live.map(|live| live.uid.as_str());
    let object = match wanted.complete(pass.target.store, &digest, uid).await {
        Ok(object) => object,
        Err(outcome) => return outcome,
    };
    // What exists is ours, so a field that somebody else took is taken back; what does not exist yet is nobody's,
    // and whoever makes it between our look and our write keeps it.
    let mut params = PatchParams::apply(mark::MANAGER).validation_strict();
    params.force = live.is_some();
    let api = api(&pass.target.client, served, wanted.id.namespace.as_deref());
    pass.wrote(1);
    let patch = Patch::Apply(&object);
    let ask = call(api.patch_metadata(&wanted.id.name, &params, &patch));
    let answer = if wanted.is_secret() {
        // API servers quote what they refuse, and the client logs what they say.
        ask.with_subscriber(NoSubscriber::default()).await
    } else {
        ask.await
    };
    match answer {
        Ok(written) => {
            let now = Live::new(written.metadata);
            settle(pass, wanted, &now, &digest);
            Outcome::Written { uid: now.uid }
        }
        Err(error) => refusal(wanted, &error),
    }
}

fn is_as_wanted(pass: &Pass<'_>, wanted: &Wanted, live: &Live, digest: &str) -> bool {
    if live.digest.as_deref() != Some(digest) || !live.is_marked(pass.unit) {
        return false;
    }
    let Some(owned) = &live.owned else {
        return false;
    };
    fields::covers(owned, &wanted.object)
        || pass
            .target
            .cache
            .is_settled(&wanted.id, &settled(live, owned, digest))
}

/// Remembers when the server did not keep everything, so that it is not asked again and again.
fn settle(pass: &Pass<'_>, wanted: &Wanted, now: &Live, digest: &str) {
    let state = match &now.owned {
        Some(owned) if !fields::covers(owned, &wanted.object) => Some(settled(now, owned, digest)),
        Some(_) | None => None,
    };
    if state.is_some() {
        tracing::debug!(object = %wanted.key, "the server did not keep every field");
    }
    pass.target.cache.settle(&wanted.id, state);
}

fn settled(live: &Live, owned: &serde_json::Value, digest: &str) -> Settled {
    Settled {
        uid: live.uid.clone(),
        digest: digest.to_owned(),
        owned: mark::digest(owned, &std::collections::BTreeMap::new()),
    }
}

fn refusal(wanted: &Wanted, error: &CallError) -> Outcome {
    let message = if wanted.is_secret() {
        error.without_message()
    } else {
        error.to_string()
    };
    match error.class() {
        Class::Conflict => Outcome::Conflict(message),
        // The namespace, or the kind, went away after the look.
        Class::NotFound => Outcome::waiting(message),
        class @ (Class::Invalid | Class::Waiting | Class::Denied | Class::Unreachable | Class::Bug) => {
            Outcome::Failed { class, message }
        }
    }
}
