//! Plays cases on a server.

use std::{collections::BTreeMap, time::Duration};

use kube::{Client, client::Body};
use nautes_runtime::local::LocalCluster;
use serde_json::{Value, json};

use crate::{
    case::{Case, Step},
    real::Real,
    transcript::Transcript,
};

/// A server, and what is known about it.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) real: bool,
    pub(crate) controllers: bool,
}

impl Subject {
    pub(crate) fn local(name: &str, cluster: &LocalCluster) -> Self {
        Self {
            name: name.to_owned(),
            client: cluster.client(),
            real: false,
            controllers: true,
        }
    }

    pub(crate) async fn real(server: &Real) -> Self {
        Self {
            name: "real".to_owned(),
            client: server.client_without_retries(),
            real: true,
            controllers: server.has_controllers().await,
        }
    }
}

/// Plays a case in a namespace of its own and answers with what was said.
pub(crate) async fn play(subject: &Subject, case: &Case) -> String {
    let id = format!("c{:06x}", rand::random::<u32>() & 0xff_ffff);
    let mut values = BTreeMap::from([("NS".to_owned(), format!("ns-{id}")), ("ID".to_owned(), id)]);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": values["NS"]}});
    let made = send(
        subject,
        "POST",
        "/api/v1/namespaces",
        &Step::plain(),
        namespace.to_string(),
    )
    .await;
    assert_eq!(made.code, 201, "{:?}", made.body);
    let mut transcript = Transcript::new(&values);
    for step in &case.steps {
        let (method, path) = step.call.split_once(' ').unwrap();
        let path = fill(path, &values);
        let body = step.body.as_ref().map(ToString::to_string);
        let body = fill(&body.or_else(|| step.text.clone()).unwrap_or_default(), &values);
        let answer = ask(subject, step, method, &path, &body).await;
        for (name, pointer) in &step.save {
            let value = answer.body.pointer(pointer).cloned().unwrap_or_default();
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let _ = values.insert(name.clone(), value);
        }
        if !step.quiet {
            transcript.add(step, &answer);
        }
    }
    for path in &case.cleanup {
        let _ = send(
            subject,
            "DELETE",
            &fill(path, &values),
            &Step::plain(),
            String::new(),
        )
        .await;
    }
    let path = fill("/api/v1/namespaces/$NS", &values);
    let _ = send(subject, "DELETE", &path, &Step::plain(), String::new()).await;
    transcript.end()
}

fn fill(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("${name}"), value);
    }
    text
}

/// What a server said.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) warnings: Vec<String>,
    pub(crate) body: Value,
}

impl Step {
    fn plain() -> Self {
        serde_json::from_value(json!({"call": ""})).unwrap()
    }

    fn satisfied(&self, answer: &Answer) -> bool {
        self.until.iter().all(|(place, wanted)| match place.as_str() {
            "code" => *wanted == json!(answer.code),
            pointer => answer.body.pointer(pointer).unwrap_or(&Value::Null) == wanted,
        })
    }
}

async fn ask(subject: &Subject, step: &Step, method: &str, path: &str, body: &str) -> Answer {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let mut interval = tokio::time::interval(Duration::from_millis(50));
    loop {
        interval.tick().await;
        let answer = send(subject, method, path, step, body.to_owned()).await;
        if step.satisfied(&answer) || tokio::time::Instant::now() > deadline {
            return answer;
        }
    }
}

async fn send(subject: &Subject, method: &str, path: &str, step: &Step, body: String) -> Answer {
    let media = match step.media.as_deref().unwrap_or("json") {
        "json" => "application/json",
        "apply" => "application/apply-patch+yaml",
        "merge" => "application/merge-patch+json",
        "strategic" => "application/strategic-merge-patch+json",
        "patch" => "application/json-patch+json",
        other => other,
    };
    let accept = match step.accept.as_deref() {
        None => "application/json",
        Some("table") => "application/json;as=Table;g=meta.k8s.io;v=v1",
        Some("metadata") => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        Some(other) => other,
    };
    let mut request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("accept", accept)
        .header("user-agent", "conformance/1.0");
    if !body.is_empty() {
        request = request.header("content-type", media);
    }
    if let Some(user) = &step.user {
        request = request.header("impersonate-user", user);
    }
    for group in &step.groups {
        request = request.header("impersonate-group", group);
    }
    let request = request.body(Body::from(body.into_bytes())).unwrap();
    let response = subject.client.send(request).await.unwrap();
    let code = response.status().as_u16();
    let warnings = response
        .headers()
        .get_all("warning")
        .iter()
        .map(|w| w.to_str().unwrap().to_owned())
        .collect();
    let bytes = response.into_body().collect_bytes().await.unwrap();
    Answer {
        code,
        warnings,
        body: read(&bytes),
    }
}

/// A body as one value: the events of a watch as a list, text as text.
fn read(bytes: &[u8]) -> Value {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return value;
    }
    let lines: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(bytes).into_iter().collect();
    lines.map_or_else(
        |_| String::from_utf8_lossy(bytes).into_owned().into(),
        Value::from,
    )
}
