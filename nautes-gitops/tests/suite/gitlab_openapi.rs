//! What passes between the adapter and the GitLab in this process is what GitLab describes: every request and every
//! answer is held against GitLab's own OpenAPI file, named by `NAUTES_GITLAB_OPENAPI`.

use std::collections::BTreeSet;

use nautes_gitops::conformance;
use nautes_gitops::host::extended::{AccessTokenSpec, CommitState, CommitStatus, ProtectedBranch};
use nautes_gitops::host::gitlab::fake::Exchange;
use nautes_gitops::{AccessLevel, Mirror};
use serde_json::Value;

use super::gitlab::World;
use super::gitlab_api::demo;
use super::kit::path;

/// Routes that GitLab documents elsewhere and leaves out of the file.
const UNDESCRIBED: [(&str, &str); 1] = [("GET", "/user")];
/// Parameters that GitLab documents elsewhere: of pages on every listing, and of deleting at once.
const PARAMETERS: [&str; 6] = [
    "page",
    "per_page",
    "pagination",
    "cursor",
    "permanently_remove",
    "full_path",
];
/// Statuses of success that differ from the file, as GitLab answers them.
const STATUSES: [(&str, &str, u16); 2] = [
    ("DELETE", "/api/v4/groups/{id}", 202),
    ("POST", "/api/v4/projects/{id}/statuses/{sha}", 201),
];
/// Fields that the file describes as text because it gives no type, and that are numbers.
const NUMBERS: [&str; 6] = [
    "id",
    "parent_id",
    "project_id",
    "access_level",
    "default_branch_protection",
    "user_id",
];

struct Description {
    root: Value,
}

impl Description {
    #[allow(
        clippy::disallowed_methods,
        reason = "tests take their data files from the environment"
    )]
    fn load() -> Option<Self> {
        let file = std::env::var("NAUTES_GITLAB_OPENAPI").ok()?;
        let text = std::fs::read_to_string(file).unwrap();
        Some(Self {
            root: serde_yaml::from_str(&text).unwrap(),
        })
    }

    fn definition<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(name) => &self.root["definitions"][name.rsplit('/').next().unwrap()],
            None => schema,
        }
    }

    /// Returns the route with the most words in common.
    fn route(&self, exchange: &Exchange) -> Option<(&str, &Value)> {
        let method = exchange.method.to_ascii_lowercase();
        let path = format!("/api/v4{}", exchange.path);
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

    /// Says what of an exchange is not as it is described, and returns the route.
    fn check(&self, exchange: &Exchange, wrong: &mut Vec<String>) -> String {
        let name = format!("{} {}", exchange.method, exchange.path);
        let Some((template, operation)) = self.route(exchange) else {
            let known = UNDESCRIBED.contains(&(&exchange.method, &exchange.path));
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
                None if PARAMETERS.contains(&key.as_str()) => {}
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
        let known = STATUSES.contains(&(&exchange.method, template, exchange.status));
        if exact.is_none() && !known {
            wrong.push(format!("{name}: status {status} is not described"));
        }
        let described = exact.or_else(|| responses.as_object().and_then(|all| all.values().next()));
        let Some(schema) = described.and_then(|response| response.get("schema")) else {
            return;
        };
        // Of the users that are found the file describes one.
        match (&exchange.answer, template) {
            (Value::Array(users), "/api/v4/users") => {
                users
                    .iter()
                    .for_each(|user| self.value(name, schema, user, wrong));
            }
            (answer, _) => self.value(name, schema, answer, wrong),
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
            (Some("object") | None, Value::Object(values)) => {
                for (key, value) in values {
                    match schema["properties"].get(key) {
                        Some(schema) => self.value(&format!("{name}.{key}"), schema, value, wrong),
                        None => wrong.push(format!("{name}: there is no field {key}")),
                    }
                }
            }
            (Some("string"), Value::String(_)) | (Some("integer" | "number"), Value::Number(_)) => {}
            (Some("boolean"), Value::Bool(_)) => {}
            (Some("string"), Value::Number(_)) if NUMBERS.contains(&field) => {}
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

/// Does everything that the rules of every forge do not.
async fn beyond(world: &World) {
    let session = demo(world).await;
    let (app, extended) = (path("demo/app"), session.extended().unwrap());
    extended.credential().await.unwrap();
    extended.version().await.unwrap();
    let spec = AccessTokenSpec {
        name: "events".to_owned(),
        scopes: vec!["read_repository".to_owned()],
        level: AccessLevel::Reporter,
        expires: "2999-01-01".parse().unwrap(),
    };
    let (token, _) = extended.create_access_token(&app, &spec).await.unwrap();
    extended.access_tokens(&app).await.unwrap();
    extended.revoke_access_token(&app, token.id).await.unwrap();
    let branch = ProtectedBranch {
        name: "release/*".to_owned(),
        push: AccessLevel::Maintainer,
        merge: AccessLevel::Developer,
        force: false,
    };
    extended.protect_branch(&app, &branch).await.unwrap();
    extended.unprotect_branch(&app, &branch.name).await.unwrap();
    let mirror = Mirror::open_or_create(world.dir.path().join("m.git"))
        .await
        .unwrap();
    let commit = super::gitlab_git::commit(&mirror, None, "first").await;
    session.push(&app, &mirror, "main", None, commit).await.unwrap();
    let status = CommitStatus {
        name: "nautes".to_owned(),
        state: CommitState::Success,
        description: "deployed".to_owned(),
        url: Some("https://example.com/1".to_owned()),
        branch: Some("main".to_owned()),
    };
    extended.set_commit_status(&app, commit, &status).await.unwrap();
    extended.commit_statuses(&app, commit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
async fn every_request_and_answer_is_as_gitlab_describes_it() {
    let Some(description) = Description::load() else {
        eprintln!("skipped: NAUTES_GITLAB_OPENAPI is not set");
        return;
    };
    let world = World::new().await;
    world.fake.set_page_size(2);
    beyond(&world).await;
    for case in conformance::cases() {
        // Those that take many at once ask nothing new.
        if !case.name.starts_with("of ") && !case.name.starts_with("strangers") {
            case.run(&world.subject()).await.unwrap();
        }
    }
    world.fake.set_delayed_deletion(true);
    let session = nautes_gitops::GitHost::session(&world.gitlab, &world.tokens[0])
        .await
        .unwrap();
    session.delete_repository(&path("demo/app")).await.unwrap();
    let (mut wrong, mut routes) = (Vec::new(), BTreeSet::new());
    for exchange in world.fake.exchanges() {
        routes.insert(description.check(&exchange, &mut wrong));
    }
    wrong.sort();
    wrong.dedup();
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    // All that the adapter knows to ask.
    assert_eq!(routes.len(), 40, "{routes:#?}");
}
