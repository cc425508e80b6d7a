//! Get and list.

mod pieces;

use std::{borrow::Cow, sync::Arc};

use base64::{Engine as _, engine::GeneralPurpose};
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::{
    autoscalers, events,
    kinds::{ResourceType, Version},
    schema,
    selector::Selector,
    server::{Body, Scope, plain, respond, warn},
    status::{Cause, Status},
    store::{Kept, Place},
    table,
};

/// The form that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Table,
    Metadata,
}

/// The first form of the `Accept` header that the server has.
///
/// # Errors
/// 406 where there is none.
pub(crate) fn form(accept: &str) -> Result<Form, Status> {
    if accept.trim().is_empty() {
        return Ok(Form::Whole);
    }
    for part in accept.split(',') {
        let mut words = part.split(';').map(str::trim);
        let media = words.next().unwrap_or_default();
        if ![
            "application/json",
            "*/*",
            "application/*",
            "application/json;stream=watch",
        ]
        .contains(&media)
        {
            continue;
        }
        match words.find_map(|w| w.strip_prefix("as=")) {
            None => return Ok(Form::Whole),
            Some("Table") => return Ok(Form::Table),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return Ok(Form::Metadata),
            Some(_) => {}
        }
    }
    Err(Status::new(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/yaml, \
         application/vnd.kubernetes.protobuf",
    ))
}

/// An object as a version of its kind shows it; the stored one where that is what it shows.
fn face<'a>(object: &'a Value, kind: &ResourceType, version: &Version) -> Cow<'a, Value> {
    if let Some(face) = faced(object, kind, version) {
        return Cow::Owned(with_type(face, kind, version));
    }
    let text = |key| super::json::text(object, &[key]);
    if text("kind") == kind.kind && text("apiVersion") == kind.api_version(&version.name) {
        Cow::Borrowed(object)
    } else {
        Cow::Owned(shown(object, kind, version))
    }
}

/// The text of an object, where that is what a version of its kind shows.
pub(crate) fn text_of<'a>(kept: &'a Kept, kind: &ResourceType, version: &Version) -> Option<&'a [u8]> {
    if events::are(kind) || autoscalers::is_old_face(kind, &version.name) {
        return None;
    }
    kept.text_of(&kind.api_version(&version.name), &kind.kind)
}

/// An object as a version of its kind shows it.
pub(crate) fn shown(object: &Value, kind: &ResourceType, version: &Version) -> Value {
    let mut object = faced(object, kind, version).unwrap_or_else(|| object.clone());
    let api_version = kind.api_version(&version.name);
    if kind.custom && super::json::text(&object, &["apiVersion"]) != api_version {
        // What another version has is not in this one.
        let _ = schema::prune(&mut object, version.schema.view());
        schema::fill_defaults(&mut object, version.schema.view());
    }
    with_type(object, kind, version)
}

fn with_type(mut object: Value, kind: &ResourceType, version: &Version) -> Value {
    object["apiVersion"] = kind.api_version(&version.name).into();
    object["kind"] = kind.kind.clone().into();
    object
}

/// An object that is kept in another form than this version shows; none where the form is the same.
pub(crate) fn faced(object: &Value, kind: &ResourceType, version: &Version) -> Option<Value> {
    events::shown(object, kind).or_else(|| autoscalers::shown(object, kind, &version.name))
}

/// An object as an item of a list: the items of built-in kinds do not say their kind.
pub(crate) fn item(object: &Value, kind: &ResourceType, version: &Version) -> Value {
    let mut item = shown(object, kind, version);
    if let Some(map) = item.as_object_mut().filter(|_| !kind.custom) {
        map.remove("apiVersion");
        map.remove("kind");
    }
    item
}

/// The metadata of an object as an object of its own.
pub(crate) fn metadata_only(object: &Value) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": object.get("metadata").cloned().unwrap_or_default(),
    })
}

/// The answer for one object, in the form that the client asks for.
pub(crate) fn answer(
    scope: &Scope<'_>,
    code: u16,
    object: &Value,
    warnings: &[String],
) -> Result<Response<Body>, Status> {
    let object = face(object, &scope.kind, &scope.version);
    Ok(match form(&scope.call.accept)? {
        Form::Whole => respond(code, &object, warnings),
        Form::Metadata => respond(code, &metadata_only(&object), warnings),
        Form::Table => {
            let metadata = json!({"resourceVersion": super::json::resource_version(&object)});
            let table = table::of(&[object], &scope.kind, &scope.version, scope.call, &metadata);
            respond(code, &table, warnings)
        }
    })
}

pub(crate) fn find(scope: &Scope<'_>) -> Result<Arc<Value>, Status> {
    let state = scope.server.state();
    let found = state
        .store
        .get(&scope.kind.storage, scope.namespace(), scope.name());
    found.ok_or_else(|| Status::not_found(&scope.kind, scope.name()))
}

pub(crate) fn get(scope: &Scope<'_>) -> Result<Response<Body>, Status> {
    let found = {
        let state = scope.server.state();
        let kept = state
            .store
            .kept(&scope.kind.storage, scope.namespace(), scope.name());
        kept.cloned()
            .ok_or_else(|| Status::not_found(&scope.kind, scope.name()))?
    };
    let warnings = warnings(scope);
    if form(&scope.call.accept)? == Form::Whole
        && let Some(text) = text_of(&found, &scope.kind, &scope.version)
    {
        let mut response = plain(200, "application/json", Bytes::copy_from_slice(text));
        warn(&mut response, &warnings);
        return Ok(response);
    }
    answer(scope, 200, &found.open(), &warnings)
}

pub(crate) fn warnings(scope: &Scope<'_>) -> Vec<String> {
    scope
        .version
        .deprecated
        .iter()
        .map(|text| {
            if text.is_empty() {
                let kind = &scope.kind;
                let other = kind.versions.iter().find(|v| v.deprecated.is_none());
                let instead = other.map(|v| format!("; use {} {}", kind.api_version(&v.name), kind.kind));
                format!(
                    "{} {} is deprecated{}",
                    scope.api_version(),
                    kind.kind,
                    instead.unwrap_or_default()
                )
            } else {
                text.clone()
            }
        })
        .collect()
}

/// What is read as a continue token, and then found to be none, is told apart from what cannot be read.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    base64::engine::general_purpose::NO_PAD.with_decode_allow_trailing_bits(true),
);

/// Where a list goes on: the revision it was begun at and the last object it gave.
struct Continue {
    revision: u64,
    namespace: String,
    name: String,
}

impl Continue {
    fn read(text: &str) -> Result<Self, Status> {
        let not_valid = |why: &str| {
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(": {why}")
            };
            Status::bad_request(format!("invalid continue token: continue key is not valid{why}"))
        };
        let bad = || not_valid("");
        let bytes = LENIENT.decode(text).map_err(|_| bad())?;
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|e| not_valid(&super::json::syntax_error(&bytes, &e)))?;
        let text = |key: &str| {
            value
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(bad)
        };
        let revision = value.get("rv").and_then(Value::as_u64).ok_or_else(bad)?;
        Ok(Self {
            revision,
            namespace: text("ns")?,
            name: text("n")?,
        })
    }

    fn write(&self) -> String {
        let value = json!({"rv": self.revision, "ns": self.namespace, "n": self.name}).to_string();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value)
    }
}

fn number(text: &str, what: &str) -> Result<u64, Status> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse()
        .map_err(|_| Status::bad_request(format!("{what}parsing {text:?}: invalid syntax")))
}

/// A revision that a request names, 0 where it names none.
pub(crate) fn version(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        format!(
            "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
        )
    })
}

/// The selector of a list or watch; a name in the path narrows it as well.
pub(crate) fn selector(scope: &Scope<'_>) -> Result<Selector, Status> {
    let mut fields = scope.call.param("fieldSelector").to_owned();
    if let Some(name) = &scope.target.name {
        fields = format!("metadata.name={name}");
    }
    Selector::parse(
        scope.call.param("labelSelector"),
        &fields,
        &scope.kind,
        &scope.version,
    )
}

/// Refuses options that say nothing together.
fn check_options(scope: &Scope<'_>) -> Result<(), Status> {
    let matching = scope.call.param("resourceVersionMatch");
    let mut causes = Vec::new();
    if !matching.is_empty() && scope.call.param("resourceVersion").is_empty() {
        let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
        causes.push(Cause::forbidden("resourceVersionMatch", why));
    }
    if !scope.call.param("sendInitialEvents").is_empty() {
        let why = "sendInitialEvents is forbidden for list";
        causes.push(Cause::forbidden("sendInitialEvents", why));
    }
    if !["", "Exact", "NotOlderThan"].contains(&matching) {
        let known = ["Exact", "NotOlderThan", ""].map(str::to_owned);
        causes.push(Cause::not_supported(
            "resourceVersionMatch",
            &Value::from(matching),
            &known,
        ));
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Status::invalid("meta.k8s.io", "ListOptions", "", causes))
}

/// The first of the selected objects, up to a limit (0 is none), and how many more there are.
fn page<'a>(
    all: impl Iterator<Item = (&'a Place, &'a Kept)>,
    limit: usize,
    selected: impl Fn(&Place, &Kept) -> bool,
) -> (Vec<(&'a Place, Kept)>, usize) {
    let mut all = all.filter(|(place, kept)| selected(place, kept));
    let most = if limit > 0 { limit } else { usize::MAX };
    let items = all
        .by_ref()
        .take(most)
        .map(|(place, kept)| (place, kept.clone()))
        .collect();
    (items, all.count())
}

pub(crate) fn list(scope: &Scope<'_>) -> Result<Response<Body>, Status> {
    let selector = selector(scope)?;
    let form = form(&scope.call.accept)?;
    let limit =
        usize::try_from(number(scope.call.param("limit"), "strconv.ParseInt: ")?).unwrap_or(usize::MAX);
    let wanted = version(scope.call.param("resourceVersion"))
        .map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))?;
    let exact = scope.call.param("resourceVersionMatch") == "Exact";
    check_options(scope)?;
    let resume = match scope.call.param("continue") {
        "" => None,
        text => Some(Continue::read(text)?),
    };
    let items: Vec<Kept>;
    let mut more = None;
    let revision;
    {
        let state = scope.server.state();
        let now = state.store.revision();
        if wanted > now {
            return Err(too_large(wanted, now));
        }
        let pinned = resume.as_ref().map(|r| r.revision).or(exact.then_some(wanted));
        revision = pinned.unwrap_or(now);
        let after = resume.map(|r| (r.namespace, r.name));
        let (storage, namespace) = (&*scope.kind.storage, scope.target.namespace.as_deref());
        let selected = |place: &Place, kept: &Kept| {
            after.as_ref().is_none_or(|a| place > a)
                && selector.only_name().is_none_or(|n| n == place.1)
                && keeps(&selector, kept, &scope.kind)
        };
        // Of the present nothing is copied but what is answered.
        let past;
        let (found, left) = if revision == now {
            let start = after.clone().unwrap_or_default();
            page(state.store.all_kept(storage, namespace, start), limit, selected)
        } else {
            past = state
                .store
                .list_at(storage, namespace, revision)
                .ok_or_else(|| too_old(scope, revision, state.store.oldest()))?;
            page(past.iter(), limit, selected)
        };
        if left > 0
            && let Some(((namespace, name), _)) = found.last()
        {
            let place = Continue {
                revision,
                namespace: namespace.clone(),
                name: name.clone(),
            };
            more = Some((place.write(), left));
        }
        items = found.into_iter().map(|(_, kept)| kept).collect();
    }
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let Some((token, left)) = more {
        metadata["continue"] = token.into();
        if selector.is_empty() {
            metadata["remainingItemCount"] = left.into();
        }
    }
    if form != Form::Table {
        return Ok(pieces::respond(scope, form, &metadata, items, &warnings(scope)));
    }
    let items: Vec<Arc<Value>> = items.iter().map(Kept::open).collect();
    let items: Vec<Cow<'_, Value>> = items
        .iter()
        .map(|o| face(o, &scope.kind, &scope.version))
        .collect();
    let table = table::of(&items, &scope.kind, &scope.version, scope.call, &metadata);
    Ok(respond(200, &table, &warnings(scope)))
}

fn too_old(scope: &Scope<'_>, wanted: u64, oldest: u64) -> Status {
    if scope.call.param("continue").is_empty() {
        return Status::gone(format!(
            "The resourceVersion for the provided list is too old: {wanted} ({oldest})."
        ));
    }
    Status::gone(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list \
         without the continue parameter.",
    )
}

/// Whether a stored object is selected, as its kind shows it.
pub(crate) fn matches(selector: &Selector, object: &Value, kind: &ResourceType) -> bool {
    selector.is_empty()
        || match events::shown(object, kind) {
            Some(shown) => selector.matches(&shown),
            None => selector.matches(object),
        }
}

/// Whether an object is selected; it is opened only if that is asked.
pub(crate) fn keeps(selector: &Selector, kept: &Kept, kind: &ResourceType) -> bool {
    selector.is_empty() || matches(selector, &kept.open(), kind)
}

pub(crate) fn too_large(wanted: u64, now: u64) -> Status {
    Status::new(
        504,
        "Timeout",
        format!("Too large resource version: {wanted}, current: {now}"),
    )
    .causes(vec![super::status::Cause::new(
        "ResourceVersionTooLarge",
        "",
        "Too large resource version",
    )])
}
