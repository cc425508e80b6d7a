//! Configurations of admission webhooks: their defaults, and what is wrong with them.

use serde_json::{Value, json};
use url::Url;

use crate::local::{cel, json, kinds::ResourceType, names, status::Cause};

pub(super) fn fill(object: &mut Value, kind: &ResourceType) {
    let mutating = kind.plural.starts_with("mutating");
    let hooks = json::object_mut(object)
        .get_mut("webhooks")
        .and_then(Value::as_array_mut);
    for hook in hooks.into_iter().flatten().map(json::object_mut) {
        json::default_to(hook, "failurePolicy", "Fail");
        json::default_to(hook, "matchPolicy", "Equivalent");
        json::default_to(hook, "timeoutSeconds", 10);
        json::default_to(hook, "namespaceSelector", json!({}));
        json::default_to(hook, "objectSelector", json!({}));
        if mutating {
            json::default_to(hook, "reinvocationPolicy", "Never");
        }
        let service = hook
            .get_mut("clientConfig")
            .and_then(|c| c.get_mut("service"))
            .filter(|s| s.is_object());
        if let Some(service) = service {
            json::default_to(json::object_mut(service), "port", 443);
        }
        let rules = hook.get_mut("rules").and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten() {
            json::default_to(json::object_mut(rule), "scope", "*");
        }
    }
}

pub(super) fn causes(object: &Value, causes: &mut Vec<Cause>) {
    let hooks = json::list(object, &["webhooks"]);
    for (index, hook) in hooks.iter().enumerate() {
        let at = format!("webhooks[{index}]");
        let name = json::text(hook, &["name"]);
        if hooks[..index].iter().any(|h| json::text(h, &["name"]) == name) {
            causes.push(Cause::duplicate(format!("{at}.name"), &Value::from(name)));
        }
        name_causes(name, &format!("{at}.name"), causes);
        versions(hook, &format!("{at}.admissionReviewVersions"), causes);
        for (rule, found) in json::list(hook, &["rules"]).iter().enumerate() {
            rule_causes(found, &format!("{at}.rules[{rule}]"), causes);
        }
        words(hook, &at, causes);
        let seconds = hook.get("timeoutSeconds").and_then(Value::as_i64);
        if let Some(seconds) = seconds.filter(|s| !(1..=30).contains(s)) {
            let detail = "the timeout value must be between 1 and 30 seconds";
            causes.push(Cause::invalid(
                format!("{at}.timeoutSeconds"),
                &json!(seconds),
                detail,
            ));
        }
        for field in ["namespaceSelector", "objectSelector"] {
            selector_causes(hook.get(field), &format!("{at}.{field}"), causes);
        }
        client_causes(&hook["clientConfig"], &format!("{at}.clientConfig"), causes);
        condition_causes(hook, &format!("{at}.matchConditions"), causes);
    }
}

fn name_causes(name: &str, at: &str, causes: &mut Vec<Cause>) {
    if name.is_empty() {
        causes.push(Cause::required(at, ""));
    } else if let Some(why) = names::dns_subdomain(name) {
        causes.push(Cause::invalid(at, &Value::from(name), why));
    } else if name.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        causes.push(Cause::invalid(at, &Value::from(name), detail));
    }
}

fn versions(hook: &Value, at: &str, causes: &mut Vec<Cause>) {
    let found = json::texts(hook, &["admissionReviewVersions"]);
    if found.is_empty() {
        causes.push(Cause::required(at, "must specify one of v1, v1beta1"));
        return;
    }
    for (index, version) in found.iter().enumerate() {
        if found[..index].contains(version) {
            let at = format!("{at}[{index}]");
            causes.push(Cause::invalid(at, &Value::from(*version), "duplicate version"));
        }
    }
    if !found.iter().any(|v| ["v1", "v1beta1"].contains(v)) {
        let detail = "must include at least one of v1, v1beta1";
        causes.push(Cause::invalid(at, &json!(found), detail));
    }
}

/// The fields that hold one of some words.
fn words(hook: &Value, at: &str, causes: &mut Vec<Cause>) {
    let effects = json::text(hook, &["sideEffects"]);
    if effects.is_empty() {
        let detail = "must specify one of None, NoneOnDryRun";
        causes.push(Cause::required(format!("{at}.sideEffects"), detail));
    }
    for (field, allowed) in [
        ("sideEffects", ["None", "NoneOnDryRun"]),
        ("failurePolicy", ["Fail", "Ignore"]),
        ("matchPolicy", ["Equivalent", "Exact"]),
        ("reinvocationPolicy", ["IfNeeded", "Never"]),
    ] {
        let found = json::text(hook, &[field]);
        if !found.is_empty() && !allowed.contains(&found) {
            let allowed = allowed.map(str::to_owned);
            causes.push(Cause::not_supported(
                format!("{at}.{field}"),
                &Value::from(found),
                &allowed,
            ));
        }
    }
}

fn rule_causes(rule: &Value, at: &str, causes: &mut Vec<Cause>) {
    for (field, what) in [
        ("apiGroups", "API groups"),
        ("apiVersions", "API versions"),
        ("operations", "operations"),
        ("resources", "resources"),
    ] {
        let found = json::texts(rule, &[field]);
        let at = format!("{at}.{field}");
        if found.is_empty() {
            causes.push(Cause::required(at, ""));
            continue;
        }
        for (index, item) in found.iter().enumerate() {
            if item.is_empty() && field != "apiGroups" {
                causes.push(Cause::required(format!("{at}[{index}]"), ""));
            }
        }
        let plain = |r: &&str| !r.contains('/');
        let alone = if field == "resources" {
            !found.contains(&"*") || found.iter().filter(|r| plain(r)).count() == 1
        } else {
            !found.contains(&"*") || found.len() == 1
        };
        if !alone {
            let tail = if field == "resources" {
                " without subresources"
            } else {
                ""
            };
            let detail = format!("if '*' is present, must not specify other {what}{tail}");
            causes.push(Cause::invalid(&at, &json!(found), detail));
        }
        if field == "operations" {
            let allowed = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
            for (index, word) in found.iter().enumerate().filter(|(_, w)| !allowed.contains(w)) {
                let at = format!("{at}[{index}]");
                causes.push(Cause::not_supported(
                    at,
                    &Value::from(*word),
                    &allowed.map(str::to_owned),
                ));
            }
        }
    }
    let allowed = ["*", "Cluster", "Namespaced"];
    let scope = json::text(rule, &["scope"]);
    if !scope.is_empty() && !allowed.contains(&scope) {
        let at = format!("{at}.scope");
        causes.push(Cause::not_supported(
            at,
            &Value::from(scope),
            &allowed.map(str::to_owned),
        ));
    }
}

fn selector_causes(selector: Option<&Value>, at: &str, causes: &mut Vec<Cause>) {
    let Some(selector) = selector else {
        return;
    };
    for (index, term) in json::list(selector, &["matchExpressions"]).iter().enumerate() {
        let at = format!("{at}.matchExpressions[{index}]");
        let empty = json::list(term, &["values"]).is_empty();
        match json::text(term, &["operator"]) {
            "In" | "NotIn" if empty => causes.push(Cause::required(
                format!("{at}.values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            )),
            "Exists" | "DoesNotExist" if !empty => causes.push(Cause::forbidden(
                format!("{at}.values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => causes.push(Cause::invalid(
                format!("{at}.operator"),
                &Value::from(other),
                "not a valid selector operator",
            )),
        }
        let key = json::text(term, &["key"]);
        if let Some(why) = names::qualified_name(key) {
            causes.push(Cause::invalid(format!("{at}.key"), &Value::from(key), why));
        }
    }
}

fn client_causes(config: &Value, at: &str, causes: &mut Vec<Cause>) {
    let url = config.get("url").and_then(Value::as_str);
    let service = config.get("service").filter(|s| s.is_object());
    match (url, service) {
        (Some(url), None) => url_causes(url, &format!("{at}.url"), causes),
        (None, Some(service)) => service_causes(service, &format!("{at}.service"), causes),
        _ => causes.push(Cause::required(at, "exactly one of url or service is required")),
    }
}

fn url_causes(text: &str, at: &str, causes: &mut Vec<Cause>) {
    const FORM: &str = "; desired format: https://host[/path]";
    let mut say = |value: &str, detail: String| {
        causes.push(Cause::invalid(at, &Value::from(value), detail));
    };
    let hostless = text
        .strip_prefix("https://")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if hostless {
        return say("", format!("host must be specified{FORM}"));
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return say(text, format!("url must be a valid URL: {error}{FORM}")),
    };
    if url.scheme() != "https" {
        say(
            url.scheme(),
            format!("'https' is the only allowed URL scheme{FORM}"),
        );
    }
    if !url.username().is_empty() {
        say(
            url.username(),
            "user information is not permitted in the URL".to_owned(),
        );
    }
    if let Some(fragment) = url.fragment().filter(|f| !f.is_empty()) {
        say(fragment, "fragments are not permitted in the URL".to_owned());
    }
    if let Some(query) = url.query().filter(|q| !q.is_empty()) {
        say(query, "query parameters are not permitted in the URL".to_owned());
    }
}

fn service_causes(service: &Value, at: &str, causes: &mut Vec<Cause>) {
    for field in ["name", "namespace"] {
        if json::text(service, &[field]).is_empty() {
            causes.push(Cause::required(format!("{at}.{field}"), ""));
        }
    }
    let port = service.get("port").and_then(Value::as_i64).unwrap_or(443);
    if !(1..=65_535).contains(&port) {
        let detail = "port is not valid: must be between 1 and 65535, inclusive";
        causes.push(Cause::invalid(format!("{at}.port"), &json!(port), detail));
    }
    let path = json::text(service, &["path"]);
    if path.is_empty() {
        return;
    }
    let at = format!("{at}.path");
    let mut say = |detail: String| causes.push(Cause::invalid(&at, &Value::from(path), detail));
    if !path.starts_with('/') {
        say("must start with a '/'".to_owned());
    }
    let inner = path.get(1..).unwrap_or_default().trim_end_matches('/');
    for (index, segment) in inner.split('/').enumerate() {
        if segment.is_empty() {
            say(format!("segment[{index}] may not be empty"));
        } else if let Some(why) = names::dns_subdomain(segment) {
            say(format!("segment[{index}]: {why}"));
        }
    }
}

fn condition_causes(hook: &Value, at: &str, causes: &mut Vec<Cause>) {
    let conditions = json::list(hook, &["matchConditions"]);
    for (index, condition) in conditions.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let (name, expression) = (
            json::text(condition, &["name"]),
            json::text(condition, &["expression"]),
        );
        if expression.trim().is_empty() {
            causes.push(Cause::required(format!("{at}.expression"), ""));
        } else if let Err(error) = kube_cel::cel::Program::compile(expression) {
            let detail = cel::uncompiled(error);
            causes.push(Cause::invalid(
                format!("{at}.expression"),
                &Value::from(expression),
                detail,
            ));
        }
        if name.is_empty() {
            causes.push(Cause::required(format!("{at}.name"), ""));
        } else if let Some(why) = names::qualified_name(name) {
            causes.push(Cause::invalid(format!("{at}.name"), &Value::from(name), why));
        } else if conditions[..index]
            .iter()
            .any(|c| json::text(c, &["name"]) == name)
        {
            causes.push(Cause::duplicate(format!("{at}.name"), &Value::from(name)));
        }
    }
}
