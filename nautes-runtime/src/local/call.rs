//! What a request asks for: its verb and its target, read from method and path.

use http::{HeaderMap, Method};

use super::status::{Cause, Status};

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: Vec<(String, Vec<String>)>,
}

impl User {
    pub(crate) fn new(name: &str, groups: &[&str]) -> Self {
        let mut groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        if !groups.iter().any(|g| g == "system:authenticated") {
            groups.push("system:authenticated".to_owned());
        }
        Self {
            name: name.to_owned(),
            groups,
            ..Self::default()
        }
    }
}

/// The resource that a request names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

/// A request, before anything is looked up.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) verb: &'static str,
    /// None where the path is not that of a resource.
    pub(crate) target: Option<Target>,
    query: Vec<(String, String)>,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) agent: String,
    /// The tags of what the client has.
    pub(crate) if_none_match: String,
}

impl Call {
    /// Reads the head of a request.
    ///
    /// # Errors
    /// Bad request where the path is not readable, 405 for a method that the API does not know.
    pub(crate) fn read(method: &Method, uri: &http::Uri, headers: &HeaderMap) -> Result<Self, Status> {
        let path = uri.path().to_owned();
        let query: Vec<(String, String)> = uri
            .query()
            .map(|q| url::form_urlencoded::parse(q.as_bytes()).into_owned().collect())
            .unwrap_or_default();
        let header = |name: &str| {
            headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let listed = without_watch(&path);
        let target = target(listed.as_deref().unwrap_or(&path))?;
        let watch = listed.is_some()
            || query
                .iter()
                .any(|(k, v)| k == "watch" && (v == "true" || v == "1"));
        let named = target.as_ref().is_some_and(|t| t.name.is_some());
        let verb = match (method.as_str(), target.is_some()) {
            (_, false) => match method.as_str() {
                "GET" => "get",
                "HEAD" => "head",
                "POST" => "post",
                "PUT" => "put",
                "DELETE" => "delete",
                "PATCH" => "patch",
                _ => "options",
            },
            ("GET" | "HEAD", true) if watch && (!named || listed.is_some()) => "watch",
            ("GET" | "HEAD", true) if named => "get",
            ("GET" | "HEAD", true) => "list",
            ("POST", true) => "create",
            ("PUT", true) => "update",
            ("PATCH", true) => "patch",
            ("DELETE", true) if named => "delete",
            ("DELETE", true) => "deletecollection",
            _ => return Err(Status::method_not_allowed()),
        };
        let accept = headers
            .get_all("accept")
            .iter()
            .filter_map(|v| v.to_str().ok())
            .collect::<Vec<_>>()
            .join(",");
        Ok(Self {
            method: method.clone(),
            path,
            verb,
            target,
            query,
            accept,
            content_type: header("content-type"),
            agent: header("user-agent"),
            if_none_match: header("if-none-match"),
        })
    }

    /// The value of a query parameter, empty where it is not given.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.query
            .iter()
            .find(|(k, _)| k == name)
            .map(|(_, v)| v.as_str())
            .unwrap_or_default()
    }

    /// The media type of the body, without its parameters.
    pub(crate) fn media(&self) -> &str {
        self.content_type.split(';').next().unwrap_or_default().trim()
    }

    /// True for server-side apply.
    pub(crate) fn is_apply(&self) -> bool {
        self.verb == "patch"
            && ["application/apply-patch+yaml", "application/apply-patch+cbor"].contains(&self.media())
    }

    /// The kind of the options that a write of this verb takes.
    pub(crate) fn options(&self) -> &'static str {
        match self.verb {
            "create" => "CreateOptions",
            "update" => "UpdateOptions",
            "patch" => "PatchOptions",
            _ => "DeleteOptions",
        }
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        ["true", "1"].contains(&self.param(name))
    }

    pub(crate) fn is_dry_run(&self) -> Result<bool, Status> {
        match self.param("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => {
                let cause = Cause::not_supported("dryRun", &serde_json::json!([other]), &["All".to_owned()]);
                Err(Status::invalid("meta.k8s.io", self.options(), "", vec![cause]))
            }
        }
    }

    /// The field manager: as given, else the first word of the user agent.
    pub(crate) fn manager(&self) -> String {
        let given = self.param("fieldManager");
        if !given.is_empty() {
            return given.to_owned();
        }
        let agent = self.agent.split(['/', ' ']).next().unwrap_or_default();
        if agent.is_empty() {
            "unknown".to_owned()
        } else {
            agent.to_owned()
        }
    }

    pub(crate) fn is_write(&self) -> bool {
        !["get", "list", "watch", "head", "options"].contains(&self.verb)
    }
}

/// The path of the list that an old path of watches (`/api/v1/watch/...`) means; none for all others.
fn without_watch(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    let at = match *parts.first()? {
        "api" => 2,
        "apis" => 3,
        _ => return None,
    };
    if parts.get(at) != Some(&"watch") || parts.len() <= at + 1 {
        return None;
    }
    let kept: Vec<&str> = parts
        .iter()
        .enumerate()
        .filter(|(i, _)| *i != at)
        .map(|(_, p)| *p)
        .collect();
    Some(format!("/{}", kept.join("/")))
}

fn target(path: &str) -> Result<Option<Target>, Status> {
    let mut parts = Vec::new();
    for part in path.split('/').filter(|p| !p.is_empty()) {
        parts.push(decoded(part)?);
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Ok(None),
    };
    let owned = |s: &str| Some(s.to_owned());
    let of_namespace = |rest: &[&str]| group.is_empty() && ["status", "finalize"].contains(&rest[2]);
    let (plural, namespace, name, subresource) = match rest {
        [] => return Ok(None),
        ["namespaces", name, _] if of_namespace(rest) => ("namespaces", None, owned(name), owned(rest[2])),
        ["namespaces", ns, plural] => (*plural, owned(ns), None, None),
        ["namespaces", ns, plural, name] => (*plural, owned(ns), owned(name), None),
        ["namespaces", ns, plural, name, sub @ ..] => (*plural, owned(ns), owned(name), Some(sub.join("/"))),
        [plural] => (*plural, None, None, None),
        [plural, name] => (*plural, None, owned(name), None),
        [plural, name, sub @ ..] => (*plural, None, owned(name), Some(sub.join("/"))),
    };
    Ok(Some(Target {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        namespace,
        name,
        subresource,
    }))
}

/// Decodes the percent escapes of one path segment.
fn decoded(part: &str) -> Result<String, Status> {
    if !part.contains('%') {
        return Ok(part.to_owned());
    }
    let bad = || Status::bad_request("the path of the request is not valid");
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next().ok_or_else(bad)?, rest.next().ok_or_else(bad)?];
            let text = std::str::from_utf8(&pair).map_err(|_| bad())?;
            bytes.push(u8::from_str_radix(text, 16).map_err(|_| bad())?);
        } else {
            bytes.push(byte);
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    if text.contains(['/', '\0']) {
        Err(bad())
    } else {
        Ok(text)
    }
}
