//! Following the runs of all pipeline runtimes: one watch for each cluster in which pipelines run.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use kube::api::{Api, DynamicObject, ListParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use nautes_model::name::ClusterName;
use nautes_model::{Identity, Kind, Scopes};

use super::{RunRecord, Site, resource_of, site};
use crate::engine::{RunKind, label};
use crate::platform::Platform;

/// How long nobody asks again where a cluster cannot be reached, or has no kind of runs.
const PAUSE: Duration = Duration::from_secs(15);
/// How often in a row a watch may fail before its client is made anew.
const FAILURES: u32 = 5;

/// Where the runs of one cluster belong: by the namespace, the product and the runtime that their labels name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSites {
    engine: String,
    host: Option<String>,
    runtimes: BTreeMap<(String, String, String), Identity>,
}

/// What was seen of the runs of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum RunSeen {
    /// These are all: at the begin, and after an interruption.
    All(Vec<RunRecord>),
    /// One is there, or is another.
    Put(Box<RunRecord>),
    /// One is gone: its namespace and its name.
    Gone(String, String),
    /// Nothing is seen for a while, and why; it goes on by itself.
    Interrupted(String),
}

/// Returns where pipelines run, cluster by cluster, as it is declared.
#[must_use]
pub fn run_sites(scopes: &Scopes) -> BTreeMap<ClusterName, RunSites> {
    let mut all: BTreeMap<ClusterName, RunSites> = BTreeMap::new();
    let resources = scopes.products.values().flat_map(|scope| scope.resources.iter());
    for sourced in resources.filter(|r| r.identity.kind == Kind::ProjectPipelineRuntime) {
        let runtime = &sourced.identity;
        // One that runs nowhere has no runs.
        let (Ok(site), Some(product)) = (site(scopes, runtime), &runtime.product) else {
            continue;
        };
        let Site {
            cluster,
            namespace,
            engine,
            host,
        } = site;
        let sites = all.entry(cluster).or_default();
        (sites.engine, sites.host) = (engine, host);
        let labels = (namespace, product.namespace(), runtime.name.to_string());
        sites.runtimes.insert(labels, runtime.clone());
    }
    all
}

/// Follows the runs of one cluster. It never ends by itself: an interruption is told, waited for with growing pauses, and
/// followed by everything anew.
pub fn follow_runs(
    platform: Platform,
    cluster: ClusterName,
    sites: RunSites,
) -> impl Stream<Item = RunSeen> + Send + 'static {
    stream::repeat(())
        .then(move |()| begin(platform.clone(), cluster.clone(), sites.clone()))
        .flatten()
}

/// Follows until it goes wrong for too long: a new client may know more.
async fn begin(platform: Platform, cluster: ClusterName, sites: RunSites) -> BoxStream<'static, RunSeen> {
    let wait = |why: String| {
        let told = stream::once(async move { Some(RunSeen::Interrupted(why)) });
        let pause = stream::once(async {
            #[expect(clippy::disallowed_methods, reason = "the cluster is given time")]
            tokio::time::sleep(PAUSE).await;
            None
        });
        told.chain(pause).filter_map(std::future::ready).boxed()
    };
    let limit = platform.timing().call;
    let client = match tokio::time::timeout(limit, platform.clusters().client(&cluster)).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => return wait(error.to_string()),
        Err(_) => return wait(format!("cluster {cluster} does not answer in time")),
    };
    let kinds = platform
        .engines()
        .pipeline(&sites.engine)
        .map_or(&[][..], |engine| engine.run_kinds());
    let found = tokio::time::timeout(limit, served(&client, kinds)).await;
    let Ok(Some(kind)) = found else {
        return wait(format!("cluster {cluster} has no kind of runs, or does not say"));
    };
    let api: Api<DynamicObject> = Api::all_with(client, &resource_of(kind));
    let ours = format!("{}={}", label::MANAGED_BY, label::NAUTES);
    let events = watcher(api, watcher::Config::default().labels(&ours)).default_backoff();
    events
        .scan((Vec::new(), 0), move |(listed, failures), event| {
            if *failures >= FAILURES {
                return std::future::ready(None);
            }
            *failures = if event.is_ok() { 0 } else { *failures + 1 };
            std::future::ready(Some(seen(&platform, &cluster, &sites, event, listed)))
        })
        .filter_map(std::future::ready)
        .boxed()
}

/// Finds the kind of runs that a cluster serves.
async fn served(client: &kube::Client, kinds: &[RunKind]) -> Option<RunKind> {
    for kind in kinds {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource_of(*kind));
        if api.list_metadata(&ListParams::default().limit(1)).await.is_ok() {
            return Some(*kind);
        }
    }
    None
}

fn seen(
    platform: &Platform,
    cluster: &ClusterName,
    sites: &RunSites,
    event: Result<Event<DynamicObject>, watcher::Error>,
    listed: &mut Vec<RunRecord>,
) -> Option<RunSeen> {
    let read = |object: &DynamicObject| {
        let engine = platform.engines().pipeline(&sites.engine)?;
        let runtime = sites.runtime_of(object)?;
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let place = (cluster, namespace, sites.host.as_deref());
        Some(super::record(engine, runtime, place, object))
    };
    match event {
        Ok(Event::Init) => {
            listed.clear();
            None
        }
        Ok(Event::InitApply(object)) => {
            listed.extend(read(&object));
            None
        }
        Ok(Event::InitDone) => Some(RunSeen::All(std::mem::take(listed))),
        Ok(Event::Apply(object)) => read(&object).map(|run| RunSeen::Put(Box::new(run))),
        Ok(Event::Delete(object)) => Some(RunSeen::Gone(
            object.metadata.namespace.clone()?,
            object.metadata.name.clone()?,
        )),
        // What a cluster answers stays in its log.
        Err(_) => Some(RunSeen::Interrupted(format!(
            "the runs of cluster {cluster} cannot be followed"
        ))),
    }
}

impl RunSites {
    /// Returns the runtime to which a run belongs: all of what says so has to agree.
    fn runtime_of(&self, object: &DynamicObject) -> Option<&Identity> {
        let labels = object.metadata.labels.as_ref()?;
        let of = |key: &str| labels.get(key).cloned();
        let key = (
            object.metadata.namespace.clone()?,
            of(label::BELONGS_TO)?,
            of(label::RUNTIME)?,
        );
        self.runtimes.get(&key)
    }
}
