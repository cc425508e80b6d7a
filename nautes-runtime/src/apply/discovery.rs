//! What a cluster serves, and what is remembered of it between passes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use kube::Client;
use kube::core::ApiResource;

use super::call::{CallError, call, call_opt};
use super::entry::Id;
use crate::object::ObjectKey;

/// A kind as a cluster serves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Served {
    /// How it is addressed.
    pub(crate) resource: ApiResource,
    /// Whether its objects live in namespaces.
    pub(crate) namespaced: bool,
}

/// What is known about whether a kind is served.
#[derive(Clone, Debug)]
pub(crate) enum KindState {
    /// It is.
    Served(Served),
    /// The cluster answered, and does not serve it in the version asked for.
    Missing,
    /// The cluster did not answer; the text says what happened.
    Unknown(String),
}

/// What is remembered of one cluster between passes: what it serves, and which objects are as good as they get.
///
/// A value belongs to one cluster. Losing it costs some requests and nothing else.
#[derive(Debug, Default)]
pub struct Cache {
    kinds: Mutex<HashMap<(String, String), HashMap<String, Served>>>,
    settled: Mutex<HashMap<Id, Settled>>,
}

/// What an object was after it had been applied, when the server did not keep everything that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) uid: String,
    pub(crate) digest: String,
    /// The digest of the fields that the server says we own.
    pub(crate) owned: String,
}

impl Cache {
    /// Makes an empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn known(&self, group: &str, version: &str, kind: &str) -> Option<Served> {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds
            .get(&(group.to_owned(), version.to_owned()))
            .and_then(|kinds| kinds.get(kind))
            .cloned()
    }

    fn learn(&self, group: &str, version: &str, served: HashMap<String, Served>) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.insert((group.to_owned(), version.to_owned()), served);
    }

    pub(crate) fn is_settled(&self, id: &Id, state: &Settled) -> bool {
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        settled.get(id) == Some(state)
    }

    pub(crate) fn settle(&self, id: &Id, state: Option<Settled>) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        match state {
            Some(state) => settled.insert(id.clone(), state),
            None => settled.remove(id),
        };
    }
}

/// Looks kinds up, asking the cluster at most once for each group and version.
#[derive(Debug)]
pub(crate) struct Discovery<'a> {
    cache: &'a Cache,
    client: Shy,
    asked: BTreeSet<(String, String)>,
    failed: BTreeMap<(String, String), String>,
}

/// A client that can be shown: `kube::Client` has no `Debug`.
pub(crate) struct Shy(pub(crate) Client);

impl std::fmt::Debug for Shy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl<'a> Discovery<'a> {
    pub(crate) const fn new(cache: &'a Cache, client: Client) -> Self {
        Self {
            cache,
            client: Shy(client),
            asked: BTreeSet::new(),
            failed: BTreeMap::new(),
        }
    }

    /// Forgets what was not found, to ask again: a wave may have brought definitions.
    pub(crate) fn ask_again(&mut self) {
        self.asked.clear();
        self.failed.clear();
    }

    /// Finds how a kind is served.
    pub(crate) async fn kind(&mut self, key: &ObjectKey) -> KindState {
        if let Some(served) = self.cache.known(&key.group, &key.version, &key.kind) {
            return KindState::Served(served);
        }
        let version = (key.group.clone(), key.version.clone());
        if self.asked.insert(version.clone()) {
            match resources(&self.client.0, &key.group, &key.version).await {
                Ok(served) => self.cache.learn(&key.group, &key.version, served),
                Err(error) => {
                    self.failed.insert(version.clone(), error.to_string());
                }
            }
        }
        match (
            self.failed.get(&version),
            self.cache.known(&key.group, &key.version, &key.kind),
        ) {
            (_, Some(served)) => KindState::Served(served),
            (Some(why), None) => KindState::Unknown(why.clone()),
            (None, None) => KindState::Missing,
        }
    }

    /// Finds how a kind is served in any version: for objects that were applied in a version that is gone.
    pub(crate) async fn any_version(&mut self, key: &ObjectKey) -> KindState {
        match self.kind(key).await {
            KindState::Missing if !key.group.is_empty() => {}
            found @ (KindState::Served(_) | KindState::Missing | KindState::Unknown(_)) => return found,
        }
        let groups = match call(self.client.0.list_api_groups()).await {
            Ok(groups) => groups.groups,
            Err(error) => return KindState::Unknown(error.to_string()),
        };
        let versions = groups
            .into_iter()
            .filter(|group| group.name == key.group)
            .flat_map(|group| group.versions);
        for version in versions {
            let mut other = key.clone();
            other.version = version.version;
            match self.kind(&other).await {
                KindState::Missing => {}
                found @ (KindState::Served(_) | KindState::Unknown(_)) => return found,
            }
        }
        KindState::Missing
    }
}

/// Lists the kinds of one group and version; none if the cluster does not serve it.
async fn resources(
    client: &Client,
    group: &str,
    version: &str,
) -> Result<HashMap<String, Served>, CallError> {
    let list = if group.is_empty() {
        call_opt(client.list_core_api_resources(version)).await?
    } else {
        call_opt(client.list_api_group_resources(&format!("{group}/{version}"))).await?
    };
    let resources = list.map(|list| list.resources).unwrap_or_default();
    Ok(resources
        .into_iter()
        .filter(|resource| !resource.name.contains('/'))
        .map(|found| {
            let resource = ApiResource {
                group: group.to_owned(),
                version: version.to_owned(),
                api_version: if group.is_empty() {
                    version.to_owned()
                } else {
                    format!("{group}/{version}")
                },
                kind: found.kind.clone(),
                plural: found.name,
            };
            let served = Served {
                resource,
                namespaced: found.namespaced,
            };
            (found.kind, served)
        })
        .collect())
}
