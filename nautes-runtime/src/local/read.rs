//! Get and list.

mod pieces;

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::{
    autoscalers,
    continuation::Continue,
    events,
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
    let mut known = false;
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
        known = true;
        match words.find_map(|w| w.strip_prefix("as=")) {
            None => return Ok(Form::Whole),
            Some("Table") => return Ok(Form::Table),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return Ok(Form::Metadata),
            Some(_) => {}
        }
    }
    if !known {
        let message = "406: Not Acceptable\nAvailable representations: application/json, application/yaml, \
                       application/vnd.kubernetes.protobuf";
        return Err(Status::told(406, "NotAcceptable", message.to_owned(), None));
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
    Ok(match form_of(scope)? {
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
    let wanted = version(scope.call.param("resourceVersion")).map_err(|why| Status::new(500, "", why))?;
    let now = scope.server.state().store.revision();
    if wanted > now {
        return Err(too_large(wanted, now));
    }
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

/// Refuses options of lists that say nothing together.
fn check_options(scope: &Scope<'_>) -> Result<(), Status> {
    let param = |name| scope.call.param(name);
    let (matching, version) = (param("resourceVersionMatch"), param("resourceVersion"));
    let mut causes = Vec::new();
    let mut forbid = |field: &str, why: &str| causes.push(Cause::forbidden(field, why));
    if !matching.is_empty() && version.is_empty() {
        let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
        forbid("resourceVersionMatch", why);
    }
    if !matching.is_empty() && !param("continue").is_empty() {
        let why = "resourceVersionMatch is forbidden when continue is provided";
        forbid("resourceVersionMatch", why);
    }
    if matching == "Exact" && version == "0" {
        let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
        forbid("resourceVersionMatch", why);
    }
    if !param("sendInitialEvents").is_empty() {
        forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
    }
    if !["", "Exact", "NotOlderThan"].contains(&matching) {
        let known = ["Exact", "NotOlderThan", ""].map(str::to_owned);
        let matching = Value::from(matching);
        causes.push(Cause::not_supported("resourceVersionMatch", &matching, &known));
    }
    refuse(causes)
}

/// Refuses options of watches that say nothing together.
pub(crate) fn check_watch_options(scope: &Scope<'_>) -> Result<(), Status> {
    let param = |name| scope.call.param(name);
    let (matching, initial) = (param("resourceVersionMatch"), param("sendInitialEvents"));
    let mut causes = Vec::new();
    let mut forbid = |why: &str| causes.push(Cause::forbidden("resourceVersionMatch", why));
    if !initial.is_empty() && matching != "NotOlderThan" {
        forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if initial.is_empty() && !matching.is_empty() {
        forbid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    }
    if !param("continue").is_empty() {
        forbid("resourceVersionMatch is forbidden when continue is provided");
    }
    if !["", "NotOlderThan"].contains(&matching) {
        let (matching, known) = (Value::from(matching), ["NotOlderThan".to_owned()]);
        causes.push(Cause::not_supported("resourceVersionMatch", &matching, &known));
    }
    refuse(causes)
}

fn refuse(causes: Vec<Cause>) -> Result<(), Status> {
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

/// The form of an answer, with what is said of it.
fn form_of(scope: &Scope<'_>) -> Result<Form, Status> {
    let (form, with) = (form(&scope.call.accept)?, scope.call.param("includeObject"));
    if form == Form::Table && !["", "Metadata", "Object", "None"].contains(&with) {
        return Err(Status::bad_request(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: {with:?}: must be 'Metadata', \
             'Object', 'None', or empty"
        )));
    }
    Ok(form)
}

pub(crate) fn list(scope: &Scope<'_>) -> Result<Response<Body>, Status> {
    let selector = selector(scope)?;
    let form = form_of(scope)?;
    let limit =
        usize::try_from(number(scope.call.param("limit"), "strconv.ParseInt: ")?).unwrap_or(usize::MAX);
    let wanted = version(scope.call.param("resourceVersion"))
        .map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))?;
    check_options(scope)?;
    // A page of a revision is of exactly that one, so that the next page can be.
    let exact = match scope.call.param("resourceVersionMatch") {
        "" => limit > 0 && wanted > 0,
        matching => matching == "Exact",
    };
    let resume = match scope.call.param("continue") {
        "" => None,
        _ if wanted > 0 => {
            let why = "specifying resource version is not allowed when using continue";
            return Err(Status::bad_request(why));
        }
        text => Some(Continue::read(text, scope)?),
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
        let pinned = match &resume {
            Some(resume) => resume.revision,
            None => exact.then_some(wanted),
        };
        revision = pinned.unwrap_or(now);
        let (storage, namespace) = (&*scope.kind.storage, scope.target.namespace.as_deref());
        let selected = |place: &Place, kept: &Kept| {
            resume.as_ref().is_none_or(|r| r.is_before(place))
                && selector.only_name().is_none_or(|n| n == place.1)
                && keeps(&selector, kept, &scope.kind)
        };
        // Of the present nothing is copied but what is answered.
        let past;
        let (found, left) = if revision == now {
            let start = resume.as_ref().map(|r| r.place.clone()).unwrap_or_default();
            page(state.store.all_kept(storage, namespace, start), limit, selected)
        } else {
            past = match (state.store.list_at(storage, namespace, revision), &resume) {
                (Some(past), _) => past,
                (None, Some(resume)) => return Ok(respond(410, &resume.too_old(scope), &[])),
                (None, None) => return Err(too_old(revision, state.store.oldest())),
            };
            page(past.iter(), limit, selected)
        };
        if left > 0
            && let Some(((namespace, name), _)) = found.last()
        {
            let place = Continue::after(revision, namespace, name);
            more = Some((place.write(scope), left));
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

fn too_old(wanted: u64, oldest: u64) -> Status {
    let message = format!("The resourceVersion for the provided list is too old: {wanted} ({oldest}).");
    Status::gone(message)
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
    let message = format!("Too large resource version: {wanted}, current: {now}");
    Status::told(504, "Timeout", message, Some(json!({"retryAfterSeconds": 1}))).causes(vec![
        super::status::Cause::new("ResourceVersionTooLarge", "", "Too large resource version"),
    ])
}
