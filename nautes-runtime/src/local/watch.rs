//! Watches: readers of the history that wake when it grows.
//!
//! A watch keeps a revision, not a queue: a slow client costs nothing. It is told `410 Gone` once the
//! history no longer reaches back to where it is; and one that leaves events unread for too long is cut off, to
//! begin anew from what it knows.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::Stream;
use http::Response;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    kinds::{ResourceType, Version},
    patience::PATIENCE,
    read::{self, Form},
    selector::Selector,
    server::{Body, Scope, Server, plain},
    status::Status,
    store::{Change, Kept, Place},
    table,
};

const BOOKMARK_EVERY: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(3_600);
const BATCH: usize = 500;

struct Watch {
    server: Arc<Server>,
    kind: Arc<ResourceType>,
    version: Arc<Version>,
    namespace: Option<String>,
    selector: Selector,
    form: Form,
    /// True once a table has told its columns.
    columns: bool,
    call: super::call::Call,
    at: u64,
    bookmarks: bool,
    ready: VecDeque<Bytes>,
    /// When the client took the last event.
    taken: Instant,
    next_bookmark: Instant,
    end: Instant,
    done: bool,
}

/// Answers with a stream of changes.
pub(crate) fn serve(server: Arc<Server>, scope: &Scope<'_>) -> Result<Response<Body>, Status> {
    let call = scope.call;
    let selector = read::selector(scope)?;
    let form = read::form(&call.accept)?;
    let from = read::version(call.param("resourceVersion")).map_err(|why| Status::new(500, "", why))?;
    let initial = call.flag("sendInitialEvents");
    read::check_watch_options(scope)?;
    let timeout = call
        .param("timeoutSeconds")
        .parse::<u64>()
        .ok()
        .filter(|t| *t > 0)
        .map(Duration::from_secs);
    let now = Instant::now();
    let mut watch = Watch {
        server,
        kind: scope.kind.clone(),
        version: scope.version.clone(),
        namespace: scope.target.namespace.clone(),
        selector,
        form,
        columns: false,
        call: call.clone(),
        at: from,
        bookmarks: call.flag("allowWatchBookmarks"),
        ready: VecDeque::new(),
        taken: now,
        next_bookmark: now + BOOKMARK_EVERY,
        end: now + timeout.unwrap_or(LONGEST).min(LONGEST),
        done: false,
    };
    watch.start(from, initial, call.param("sendInitialEvents") == "false");
    let body = StreamBody::new(stream(watch));
    let mut response = plain(200, "application/json", Bytes::new());
    *response.body_mut() = body.boxed_unsync();
    Ok(response)
}

type Frame = Result<http_body::Frame<Bytes>, Box<dyn std::error::Error + Send + Sync>>;

fn stream(watch: Watch) -> impl Stream<Item = Frame> + Send {
    futures::stream::unfold(watch, |mut watch| async move {
        let bytes = watch.next().await?;
        Some((Ok(http_body::Frame::data(bytes)), watch))
    })
}

impl Watch {
    /// Gives what there is already, where the request asks for that, and sets the place to go on from.
    fn start(&mut self, from: u64, initial: bool, without: bool) {
        let server = self.server.clone();
        let state = server.state();
        let store = &state.store;
        if from > store.revision() {
            self.fail(&read::too_large(from, store.revision()));
            return;
        }
        let whole = initial || (from == 0 && !without);
        if !whole {
            self.at = if from == 0 { store.revision() } else { from };
            return;
        }
        // What is shown must be kept already: objects beyond that arrive as changes.
        self.at = store.revision();
        let all: Vec<Kept> = store
            .all_kept(&self.kind.storage, self.namespace.as_deref(), Place::default())
            .filter(|(_, kept)| read::keeps(&self.selector, kept, &self.kind))
            .map(|(_, kept)| kept.clone())
            .collect();
        drop(state);
        for kept in &all {
            self.push_kept("ADDED", kept);
        }
        if initial && self.bookmarks {
            self.bookmark(true);
        }
    }

    /// Tells of an object by its text, where that is what the watch shows.
    fn push_kept(&mut self, ty: &str, kept: &Kept) {
        if self.form == Form::Whole
            && let Some(text) = read::text_of(kept, &self.kind, &self.version)
        {
            let parts = [b"{\"type\":\"", ty.as_bytes(), b"\",\"object\":", text, b"}\n"];
            self.ready.push_back(parts.concat().into());
        } else {
            self.push(ty, &kept.open());
        }
    }

    fn push(&mut self, ty: &str, object: &Value) {
        let object = read::shown(object, &self.kind, &self.version);
        let object = match self.form {
            Form::Whole => object,
            Form::Metadata => read::metadata_only(&object),
            Form::Table => {
                let metadata = json!({"resourceVersion": super::json::resource_version(&object)});
                let mut table = table::of(&[object], &self.kind, &self.version, &self.call, &metadata);
                if std::mem::replace(&mut self.columns, true) {
                    table["columnDefinitions"] = Value::Null;
                }
                table
            }
        };
        self.line(&json!({"type": ty, "object": object}));
    }

    fn line(&mut self, event: &Value) {
        let mut text = event.to_string();
        text.push('\n');
        self.ready.push_back(text.into());
    }

    fn fail(&mut self, status: &Status) {
        self.line(&json!({"type": "ERROR", "object": status.to_json()}));
        self.done = true;
    }

    fn bookmark(&mut self, end_of_initial: bool) {
        let mut metadata = json!({"resourceVersion": self.at.to_string(), "creationTimestamp": null});
        if end_of_initial {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = match self.form {
            Form::Metadata => {
                json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata})
            }
            Form::Table => {
                json!({"apiVersion": "meta.k8s.io/v1", "kind": "Table", "metadata": metadata,
                       "columnDefinitions": null, "rows": []})
            }
            Form::Whole => json!({
                "apiVersion": self.kind.api_version(&self.version.name), "kind": self.kind.kind, "metadata": metadata,
            }),
        };
        self.line(&json!({"type": "BOOKMARK", "object": object}));
    }

    async fn next(&mut self) -> Option<Bytes> {
        let mut progress = self.server.progress.clone();
        let mut late = self.taken.elapsed() > PATIENCE;
        loop {
            if late && !self.ready.is_empty() {
                self.done = true;
                self.ready.clear();
            }
            if let Some(line) = self.ready.pop_front() {
                self.taken = Instant::now();
                return Some(line);
            }
            if self.done {
                return None;
            }
            let kept = progress.borrow_and_update().revision;
            self.read_on(kept);
            if late && self.at >= kept && self.ready.is_empty() {
                // Nothing was there for it.
                late = false;
            }
            if !self.ready.is_empty() || self.done {
                continue;
            }
            if self.at < kept {
                continue;
            }
            let wake = self.next_bookmark.min(self.end);
            let stopped = self.server.stopped.clone();
            tokio::select! {
                changed = progress.changed() => {
                    if changed.is_err() {
                        self.done = true;
                    }
                }
                () = stopped.cancelled() => self.done = true,
                () = tokio::time::sleep_until(wake) => {
                    let now = Instant::now();
                    if now >= self.end {
                        self.done = true;
                    } else {
                        self.next_bookmark = now + BOOKMARK_EVERY;
                        if self.bookmarks {
                            self.bookmark(false);
                        }
                    }
                }
            }
        }
    }

    /// Turns the changes up to a revision into events.
    fn read_on(&mut self, kept: u64) {
        if self.at >= kept {
            return;
        }
        let changes = {
            let state = self.server.state();
            if state.registry.get(&self.kind.group, &self.kind.plural).is_none() {
                self.done = true;
            }
            match state.store.changes(self.at, kept, BATCH) {
                Some(changes) => Ok(changes),
                None => Err(state.store.oldest()),
            }
        };
        match changes {
            Err(oldest) => {
                let message = format!("too old resource version: {} ({oldest})", self.at);
                self.fail(&Status::gone(message));
            }
            Ok(changes) => {
                let whole = changes.len() < BATCH;
                for change in &changes {
                    self.at = change.revision;
                    self.show(change);
                }
                if whole {
                    self.at = kept;
                }
            }
        }
    }

    fn show(&mut self, change: &Change) {
        let here = *change.storage == *self.kind.storage
            && self.namespace.as_ref().is_none_or(|n| *n == change.namespace);
        if !here {
            return;
        }
        let was = change
            .before
            .as_ref()
            .is_some_and(|o| read::keeps(&self.selector, o, &self.kind));
        let is = !change.deleted && read::keeps(&self.selector, &change.after, &self.kind);
        match (was, is) {
            (false, true) => self.push_kept("ADDED", &change.after),
            (true, true) => self.push_kept("MODIFIED", &change.after),
            (true, false) if change.deleted => self.push_kept("DELETED", &change.after),
            (true, false) => {
                // The last selected state, at the revision that ended it.
                let before = change.before.as_ref().map(Kept::open);
                let mut last = before.map(Arc::unwrap_or_clone).unwrap_or_default();
                super::json::meta_mut(&mut last)
                    .insert("resourceVersion".to_owned(), change.revision.to_string().into());
                self.push("DELETED", &last);
            }
            (false, false) => {}
        }
    }
}
