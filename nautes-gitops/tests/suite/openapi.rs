//! What passes between an adapter and a forge for tests, held against the description of the forge's API.

use std::collections::BTreeSet;

use nautes_gitops::host::gitlab::fake::Exchange;
use serde_json::Value;

/// The description of an API (OpenAPI 2), and in what the forge is known to differ from it.
pub(crate) struct Description {
    /// The description.
    pub(crate) root: Value,
    /// What the paths of the description begin with.
    pub(crate) base: &'static str,
    /// Routes that are documented elsewhere.
    pub(crate) undescribed: &'static [(&'static str, &'static str)],
    /// Parameters that are documented elsewhere.
    pub(crate) parameters: &'static [&'static str],
    /// Statuses of success that differ.
    pub(crate) statuses: &'static [(&'static str, &'static str, u16)],
    /// Fields that are described as text because no type is given, and that are numbers.
    pub(crate) numbers: &'static [&'static str],
    /// Routes of which one entry of the answer is described instead of all.
    pub(crate) singles: &'static [&'static str],
}

impl Description {
    fn definition<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(name) => &self.root["definitions"][name.rsplit('/').next().unwrap()],
            None => schema,
        }
    }

    /// Returns the route with the most words in common.
    fn route(&self, exchange: &Exchange) -> Option<(&str, &Value)> {
        let method = exchange.method.to_ascii_lowercase();
        let path = format!("{}{}", self.base, exchange.path);
        let words: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<&str> = template.split('/').collect();
            let all = parts.len() == words.len()
                && parts
                    .iter()
                    .zip(&words)
                    .all(|(part, word)| part.starts_with('{') || part == word);
            all.then(|| parts.iter().filter(|part| !part.starts_with('{')).count())
        };
        let routes = self.root["paths"].as_object().unwrap().iter();
        routes
            .filter_map(|(template, methods)| Some((fits(template)?, template, methods.get(&method)?)))
            .max_by_key(|(common, ..)| *common)
            .map(|(_, template, operation)| (template.as_str(), operation))
    }

    /// Asserts that exchanges are as they are described, and returns their routes.
    pub(crate) fn check_all(&self, exchanges: &[Exchange]) -> BTreeSet<String> {
        let (mut wrong, mut routes) = (Vec::new(), BTreeSet::new());
        for exchange in exchanges {
            routes.insert(self.check(exchange, &mut wrong));
        }
        wrong.sort();
        wrong.dedup();
        assert!(
            wrong.is_empty(),
            "{} differences:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        routes
    }

    /// Says what of an exchange is not as it is described, and returns the route.
    fn check(&self, exchange: &Exchange, wrong: &mut Vec<String>) -> String {
        let name = format!("{} {}", exchange.method, exchange.path);
        let Some((template, operation)) = self.route(exchange) else {
            let known = self
                .undescribed
                .contains(&(exchange.method.as_str(), exchange.path.as_str()));
            if !known {
                wrong.push(format!("{name}: there is no such route"));
            }
            return name;
        };
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for (key, value) in &exchange.query {
            let described = parameters
                .iter()
                .find(|p| p["in"] == "query" && p["name"] == key.as_str());
            match described {
                Some(parameter) => self.text(&format!("{name}?{key}"), parameter, value, wrong),
                None if self.parameters.contains(&key.as_str()) => {}
                None => wrong.push(format!("{name}: there is no parameter {key}")),
            }
        }
        let body = parameters
            .iter()
            .find(|p| p["in"] == "body")
            .map(|p| self.definition(&p["schema"]));
        match (body, &exchange.request) {
            (_, Value::Null) => {}
            (None, _) => wrong.push(format!("{name}: it takes no body")),
            (Some(schema), request) => {
                for field in schema["required"].as_array().into_iter().flatten() {
                    if request.get(field.as_str().unwrap()).is_none() {
                        wrong.push(format!("{name}: the body lacks {field}"));
                    }
                }
                self.value(&format!("{name} body"), schema, request, wrong);
            }
        }
        if (200..300).contains(&exchange.status) {
            self.answer(&name, template, operation, exchange, wrong);
        } else if exchange.answer.get("message").is_none() && exchange.answer.get("error").is_none() {
            wrong.push(format!("{name}: a refusal says why in message or error"));
        }
        format!("{} {template}", exchange.method)
    }

    fn answer(
        &self,
        name: &str,
        template: &str,
        operation: &Value,
        exchange: &Exchange,
        wrong: &mut Vec<String>,
    ) {
        let status = exchange.status.to_string();
        let responses = &operation["responses"];
        let exact = responses.get(&status);
        let known = self
            .statuses
            .contains(&(exchange.method.as_str(), template, exchange.status));
        if exact.is_none() && !known {
            wrong.push(format!("{name}: status {status} is not described"));
        }
        let described = exact.or_else(|| responses.as_object().and_then(|all| all.values().next()));
        let Some(schema) = described.and_then(|response| response.get("schema")) else {
            return;
        };
        match &exchange.answer {
            Value::Array(entries) if self.singles.contains(&template) => {
                entries
                    .iter()
                    .for_each(|entry| self.value(name, schema, entry, wrong));
            }
            answer => self.value(name, schema, answer, wrong),
        }
    }

    fn text(&self, name: &str, parameter: &Value, value: &str, wrong: &mut Vec<String>) {
        let good = match parameter["type"].as_str() {
            Some("boolean") => matches!(value, "true" | "false"),
            Some("integer") => value.parse::<i64>().is_ok(),
            _ => true,
        };
        let listed = parameter["enum"]
            .as_array()
            .is_none_or(|all| all.iter().any(|known| *known == value));
        if !good || !listed {
            wrong.push(format!("{name}: {value:?} is no value of it"));
        }
    }

    fn value(&self, name: &str, schema: &Value, value: &Value, wrong: &mut Vec<String>) {
        let schema = self.definition(schema);
        let field = name.rsplit('.').next().unwrap_or(name);
        match (schema["type"].as_str(), value) {
            (_, Value::Null) => {}
            (Some("array"), Value::Array(values)) => {
                values
                    .iter()
                    .for_each(|value| self.value(name, &schema["items"], value, wrong));
            }
            // An object of which nothing more is said.
            (Some("object"), Value::Object(_))
                if schema
                    .get("properties")
                    .or(schema.get("additionalProperties"))
                    .is_none() => {}
            (Some("object") | None, Value::Object(values)) => {
                for (key, value) in values {
                    let known = schema["properties"].get(key);
                    match known.or_else(|| schema.get("additionalProperties")) {
                        Some(schema) => self.value(&format!("{name}.{key}"), schema, value, wrong),
                        None => wrong.push(format!("{name}: there is no field {key}")),
                    }
                }
            }
            // GitLab writes down the types of Ruby in places.
            (Some("string" | "symbol"), Value::String(_))
            | (Some("integer" | "number"), Value::Number(_)) => {}
            (Some("boolean"), Value::Bool(_)) => {}
            (Some("string"), Value::Number(_)) if self.numbers.contains(&field) => {}
            (None, _) => {}
            (kind, value) => wrong.push(format!("{name}: {value} is no {}", kind.unwrap_or("value"))),
        }
        if let Some(listed) = schema["enum"].as_array()
            && !value.is_null()
            && !listed.contains(value)
        {
            wrong.push(format!("{name}: {value} is none of {listed:?}"));
        }
    }
}
