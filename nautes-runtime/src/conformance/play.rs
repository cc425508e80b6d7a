//! Plays cases on a server.

use std::{collections::BTreeMap, time::Duration};

use kube::client::Body;
use serde_json::{Value, json};

use super::{
    Error, Subject,
    case::{Case, Step},
    transcript::Transcript,
};

/// Plays a case in a namespace of its own and answers with what was said.
pub(crate) async fn play(subject: &Subject, case: &Case) -> Result<String, Error> {
    let id = format!("c{:06x}", rand::random::<u32>() & 0xff_ffff);
    let mut values = BTreeMap::from([("NS".to_owned(), format!("ns-{id}")), ("ID".to_owned(), id)]);
    let plain = Step::default();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": values["NS"]}});
    let made = send(
        subject,
        "POST",
        "/api/v1/namespaces",
        &plain,
        namespace.to_string(),
    )
    .await?;
    if made.code != 201 {
        return Err(Error::Namespace {
            case: case.name.clone(),
            said: made.body.to_string(),
        });
    }
    let mut transcript = Transcript::new(&values);
    let played = steps(subject, case, &mut values, &mut transcript).await;
    // What the case has made goes, whatever came of it.
    for path in case
        .cleanup
        .iter()
        .map(String::as_str)
        .chain(["/api/v1/namespaces/$NS"])
    {
        let _ = send(subject, "DELETE", &fill(path, &values), &plain, String::new()).await;
    }
    played.map(|()| transcript.end())
}

async fn steps(
    subject: &Subject,
    case: &Case,
    values: &mut BTreeMap<String, String>,
    transcript: &mut Transcript,
) -> Result<(), Error> {
    for step in &case.steps {
        let (method, path) = step.call.split_once(' ').ok_or_else(|| Error::Step {
            call: step.call.clone(),
            source: None,
        })?;
        let path = fill(path, values);
        let body = step.body.as_ref().map(ToString::to_string);
        let body = fill(&body.or_else(|| step.text.clone()).unwrap_or_default(), values);
        let answer = ask(subject, step, method, &path, &body).await?;
        for (name, pointer) in &step.save {
            let value = answer.body.pointer(pointer).cloned().unwrap_or_default();
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let _ = values.insert(name.clone(), value);
        }
        if !step.quiet {
            transcript.add(step, &answer);
        }
    }
    Ok(())
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
    fn satisfied(&self, answer: &Answer) -> bool {
        self.until.iter().all(|(place, wanted)| match place.as_str() {
            "code" => *wanted == json!(answer.code),
            pointer => answer.body.pointer(pointer).unwrap_or(&Value::Null) == wanted,
        })
    }
}

async fn ask(subject: &Subject, step: &Step, method: &str, path: &str, body: &str) -> Result<Answer, Error> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let mut interval = tokio::time::interval(Duration::from_millis(50));
    loop {
        interval.tick().await;
        let answer = send(subject, method, path, step, body.to_owned()).await?;
        if step.satisfied(&answer) || tokio::time::Instant::now() > deadline {
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
        body: read(&bytes),
    })
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
