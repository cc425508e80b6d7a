//! Plays cases on a server.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kube::client::Body;
use serde_json::{Value, json};

use super::{
    Error, Subject,
    case::{Case, Step},
    transcript::Transcript,
};

/// How long a step is asked again: the controllers of a busy server take their time.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than the second that API servers tell times by.
const A_SECOND: Duration = Duration::from_millis(1100);

/// Plays a case in a namespace of its own and answers with what was said.
pub(crate) async fn play(subject: &Subject, case: &Case) -> Result<String, Error> {
    let id = format!("c{:010x}", rand::random::<u64>() & 0xff_ffff_ffff);
    let namespace = format!("ns-{id}");
    let mut stage = Stage {
        subject,
        values: BTreeMap::from([("NS".to_owned(), namespace.clone()), ("ID".to_owned(), id)]),
        named: BTreeMap::new(),
        inside: format!("/namespaces/{namespace}/"),
        made: Vec::new(),
        held: BTreeSet::new(),
    };
    let first = Step {
        call: "POST /api/v1/namespaces".to_owned(),
        body: Some(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})),
        quiet: true,
        ..Step::default()
    };
    let mut transcript = Transcript::new(&stage.values);
    let played = async {
        for step in [&first].into_iter().chain(&case.given) {
            let answer = stage.step(step).await?;
            stage.succeeded(step, &answer)?;
        }
        for step in &case.steps {
            let answer = stage.step(step).await?;
            if step.quiet {
                stage.succeeded(step, &answer)?;
            } else {
                transcript.add(step, &answer, &stage.named);
            }
        }
        Ok(())
    }
    .await;
    stage.clear().await;
    played.map(|()| transcript.end())
}

/// Where a case is played, and what it has left there.
struct Stage<'a> {
    subject: &'a Subject,
    /// What names in the steps stand for.
    values: BTreeMap<String, String>,
    /// Names of the identities and revisions that were saved.
    named: BTreeMap<String, String>,
    /// Part of the paths of everything in the namespace of the case.
    inside: String,
    /// Paths of what was made outside of that namespace.
    made: Vec<String>,
    /// Paths of what does not go before its finalizers do.
    held: BTreeSet<String>,
}

/// Lets a second pass: the times of objects are told in seconds.
#[allow(clippy::disallowed_methods, reason = "the time itself is what was asked for")]
async fn a_second() {
    tokio::time::sleep(A_SECOND).await;
}

impl Stage<'_> {
    async fn step(&mut self, step: &Step) -> Result<Answer, Error> {
        let (method, path) = step.call.split_once(' ').ok_or_else(|| Error::Step {
            call: step.call.clone(),
            source: None,
        })?;
        let path = self.fill(path);
        let body = step.body.as_ref().map(ToString::to_string);
        let body = self.fill(&body.or_else(|| step.text.clone()).unwrap_or_default());
        let asked = Step {
            user: step.user.as_ref().map(|user| self.fill(user)),
            groups: step.groups.iter().map(|group| self.fill(group)).collect(),
            ..step.clone()
        };
        if step.later {
            a_second().await;
        }
        let answer = ask(self.subject, &asked, method, &path, &body).await?;
        for (name, pointer) in &step.save {
            let value = answer.body.pointer(pointer).cloned().unwrap_or_default();
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let of_an_object = !answer.body["kind"].as_str().unwrap_or_default().ends_with("List");
            if of_an_object && (pointer.ends_with("/resourceVersion") || pointer.ends_with("/uid")) {
                self.named
                    .entry(value.clone())
                    .or_insert_with(|| format!("${name}"));
            }
            let _ = self.values.insert(name.clone(), value);
        }
        self.notice(method, &path, &answer);
        Ok(answer)
    }

    fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // Backwards: of two names the longer one comes first.
        for (name, value) in self.values.iter().rev() {
            text = text.replace(&format!("${name}"), value);
        }
        text
    }

    fn succeeded(&self, step: &Step, answer: &Answer) -> Result<(), Error> {
        if (200..300).contains(&answer.code) {
            return Ok(());
        }
        Err(Error::Refused {
            call: self.fill(&step.call),
            code: answer.code,
            said: answer.body.to_string(),
        })
    }

    /// Remembers what has to be cleared away.
    fn notice(&mut self, method: &str, path: &str, answer: &Answer) {
        let text = |pointer: &str| answer.body.pointer(pointer).and_then(Value::as_str);
        let (Some(name), Some(_)) = (text("/metadata/name"), text("/metadata/uid")) else {
            return;
        };
        let path = path.split('?').next().unwrap_or_default();
        let object = match method {
            "POST" => format!("{path}/{name}"),
            _ => path
                .trim_end_matches("/status")
                .trim_end_matches("/scale")
                .to_owned(),
        };
        let finalizers = answer
            .body
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array);
        let in_a_namespace = object
            .split_once("/namespaces/")
            .is_some_and(|(_, rest)| rest.contains('/'));
        if in_a_namespace && finalizers.is_some_and(|list| !list.is_empty()) {
            self.held.insert(object.clone());
        }
        if answer.code == 201 && !object.contains(&self.inside) {
            self.made.push(object);
        }
    }

    /// Deletes all that the case has made, whatever came of it and whatever holds it.
    async fn clear(&self) {
        let (delete, release) = (
            Step::default(),
            Step {
                media: Some("merge".to_owned()),
                ..Step::default()
            },
        );
        let nothing = json!({"metadata": {"finalizers": null}}).to_string();
        for path in self.made.iter().rev() {
            let _ = send(self.subject, "DELETE", path, &delete, String::new()).await;
        }
        for path in &self.held {
            let _ = send(self.subject, "PATCH", path, &release, nothing.clone()).await;
        }
    }
}

/// What a server said.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) warnings: Vec<String>,
    pub(crate) body: Value,
}

impl Step {
    fn satisfied(&self, answer: &Answer) -> bool {
        self.until.iter().all(|(place, wanted)| match place.as_str() {
            "code" => *wanted == json!(answer.code),
            pointer => answer.body.pointer(pointer).unwrap_or(&Value::Null) == wanted,
        })
    }
}

async fn ask(subject: &Subject, step: &Step, method: &str, path: &str, body: &str) -> Result<Answer, Error> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut interval = tokio::time::interval(Duration::from_millis(50));
    loop {
        interval.tick().await;
        let answer = send(subject, method, path, step, body.to_owned()).await?;
        // A server that puts a definition into force says for a moment that it is shutting down, and has done nothing.
        let is_away = answer.code == 503;
        if step.satisfied(&answer) && !is_away || tokio::time::Instant::now() > deadline {
            return Ok(answer);
        }
    }
}

async fn send(
    subject: &Subject,
    method: &str,
    path: &str,
    step: &Step,
    body: String,
) -> Result<Answer, Error> {
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
    let call = || format!("{method} {path}");
    let request = request
        .body(Body::from(body.into_bytes()))
        .map_err(|error| Error::Step {
            call: call(),
            source: Some(error),
        })?;
    let lost = |error| Error::Ask {
        call: call(),
        source: Box::new(error),
    };
    let response = subject.client.send(request).await.map_err(lost)?;
    let code = response.status().as_u16();
    let warnings = response
        .headers()
        .get_all("warning")
        .iter()
        .map(|w| String::from_utf8_lossy(w.as_bytes()).into_owned())
        .collect();
    let bytes = response.into_body().collect_bytes().await.map_err(lost)?;
    Ok(Answer {
        code,
        warnings,
        body: read(
            &bytes,
            code == 200 && (path.contains("watch=1") || path.contains("/watch/")),
        ),
    })
}

/// A body as one value: the events of a watch as a list, text as text.
fn read(bytes: &[u8], watch: bool) -> Value {
    if let Ok(value) = serde_json::from_slice(bytes)
        && !watch
    {
        return value;
    }
    let lines: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(bytes).into_iter().collect();
    lines.map_or_else(
        |_| String::from_utf8_lossy(bytes).into_owned().into(),
        Value::from,
    )
}
