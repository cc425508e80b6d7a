//! Following the projection: one watch for each kind over the whole tenant cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt as _};
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt as _, watcher::Error};
use nautes_model::Kind;
use nautes_model::kind::KINDS;

use super::objects::{LiveObject, resource_of};

/// Where an object of a kind stands in the tenant cluster: its namespace and its name.
pub type At = (String, String);

/// What was seen of the objects of a kind.
#[derive(Clone, Debug)]
pub enum Seen {
    /// These are all: at the begin, and after an interruption.
    All(Kind, BTreeMap<At, Arc<LiveObject>>),
    /// One is there, or is another.
    Put(Kind, At, Arc<LiveObject>),
    /// One is gone.
    Gone(Kind, At),
    /// The watch was interrupted, and goes on by itself.
    Interrupted(Kind, String),
}

/// Follows the objects of every kind, in all namespaces. It never ends by itself: an interruption is told, waited for
/// with growing pauses, and followed by everything anew.
pub fn follow(client: &kube::Client) -> impl Stream<Item = Seen> + Send + 'static {
    let all: Vec<_> = KINDS
        .iter()
        .map(|info| of_kind(client, info.kind).boxed())
        .collect();
    stream::select_all(all)
}

fn of_kind(client: &kube::Client, kind: Kind) -> impl Stream<Item = Seen> + Send + 'static {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource_of(kind));
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let mut listed = BTreeMap::new();
    events.filter_map(move |event| {
        let seen = seen(kind, event, &mut listed);
        async move { seen }
    })
}

fn seen(
    kind: Kind,
    event: Result<Event<DynamicObject>, Error>,
    listed: &mut BTreeMap<At, Arc<LiveObject>>,
) -> Option<Seen> {
    let read = |object: &DynamicObject| Some((at(object)?, Arc::new(LiveObject::read(kind, object))));
    match event {
        Ok(Event::Init) => {
            listed.clear();
            None
        }
        Ok(Event::InitApply(object)) => {
            listed.extend(read(&object));
            None
        }
        Ok(Event::InitDone) => Some(Seen::All(kind, std::mem::take(listed))),
        Ok(Event::Apply(object)) => read(&object).map(|(at, live)| Seen::Put(kind, at, live)),
        Ok(Event::Delete(object)) => at(&object).map(|at| Seen::Gone(kind, at)),
        Err(error) => Some(Seen::Interrupted(kind, error.to_string())),
    }
}

fn at(object: &DynamicObject) -> Option<At> {
    Some((object.metadata.namespace.clone()?, object.metadata.name.clone()?))
}
