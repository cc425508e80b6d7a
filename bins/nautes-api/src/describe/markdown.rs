//! `docs/reference/api.md`.

use std::fmt::Write as _;

use serde_json::Value;

use super::schemas::{description, kind, rows};
use super::{document, headers, needs};
use crate::routes::operation::{ERRORS, Operation, Tag};

const HEAD: &str = "# HTTP API

<!-- Written by a test from the table of operations (UPDATE=1); do not edit. -->

A server describes itself: `GET /docs` is a page for people, `GET /openapi.json` is OpenAPI 3.1 for programs. Both, this
page, the routes and the checks of rights before them are made from one table.

[Scripting against the API](../guide/api.md) shows it at work; [settings](api-settings.md) are those of the server.

* **Token.** `Authorization: Bearer <token>`, with a token of the forge. It is used for this request only, as this user.
* **Names** in paths are percent-decoded and must be DNS labels. A slash at the end is redirected away.
* **Parameters** of the query may be written in snake_case or camelCase. One that an operation does not know is refused,
  except by the operations that the Go version has, which ignore it as that one does.
* **Errors** are `{code, reason, message, metadata, findings}`, or RFC 9457 for those who send
  `Accept: application/problem+json`. All faults of a request are listed at once.
* **Requests** may carry an id in `X-Request-Id`; the answer has it, and so have the commits.
* `HEAD` works where `GET` does; `OPTIONS` answers which methods a path has, in `Allow`, and so does 405. A redirect names
  the path in `Location`. Browsers of origins that are let in get the headers of CORS.
";

/// Makes the page.
pub(crate) fn render(table: &[Operation]) -> String {
    let document = document(table);
    let mut page = HEAD.to_owned();
    // Writing to a text does not fail.
    let _ = writeln!(page, "\n| failure | means |\n|---|---|");
    for (status, meaning) in ERRORS {
        let _ = writeln!(page, "| {status} | {meaning} |");
    }
    let _ = writeln!(page, "\n| header | of | says |\n|---|---|---|");
    for (header, of) in headers(table) {
        let _ = writeln!(page, "| `{}` | {of} | {} |", header.name, header.description);
    }
    for tag in Tag::ALL {
        let of_tag: Vec<&Operation> = table.iter().filter(|o| o.tag == *tag).collect();
        let _ = writeln!(page, "\n## {}\n\n{}\n", tag.name(), tag.description());
        let _ = writeln!(page, "| operation | | needs |\n|---|---|---|");
        for operation in &of_tag {
            let _ = writeln!(
                page,
                "| [`{} {}`](#{}) | {} | {} |",
                operation.method,
                operation.path,
                operation.id.to_ascii_lowercase(),
                operation.summary,
                needs(operation.needs)
            );
        }
        for operation in of_tag {
            one(&mut page, operation, &document);
        }
    }
    let _ = writeln!(page, "\n## Forms\n");
    for (name, schema) in document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
    {
        form(&mut page, name, schema);
    }
    page
}

fn one(page: &mut String, operation: &Operation, document: &Value) {
    let method = operation.method.as_str();
    let made = &document["paths"][&operation.path][method.to_ascii_lowercase()];
    let _ = writeln!(
        page,
        "\n### {}\n\n`{method} {}`: {}.",
        operation.id, operation.path, operation.summary
    );
    if !operation.description.is_empty() {
        let _ = writeln!(page, "\n{}", operation.description);
    }
    if !operation.parameters.is_empty() {
        let _ = writeln!(
            page,
            "\n| parameter | in | type | default | |\n|---|---|---|---|---|"
        );
    }
    for (parameter, made) in operation
        .parameters
        .iter()
        .zip(made["parameters"].as_array().into_iter().flatten())
    {
        let default = parameter.default.map(|d| format!("`{d}`")).unwrap_or_default();
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {default} | {} |",
            parameter.name,
            parameter.place.word(),
            cell(&kind(&resolved(&made["schema"], document))),
            cell(parameter.description)
        );
    }
    if let Some(body) = &operation.body {
        let content = made["requestBody"]["content"].as_object();
        let forms: Vec<String> = content
            .into_iter()
            .flatten()
            .map(|(media, made)| format!("`{media}`: {}", linked(&kind(&made["schema"]), document)))
            .collect();
        let _ = writeln!(page, "\nBody: {}. For example:\n", forms.join("; "));
        let _ = writeln!(page, "```json\n{:#}\n```", body.example);
    }
    let _ = writeln!(page, "\n| answer | form | |\n|---|---|---|");
    for reply in &operation.replies {
        let form = reply.content.as_ref().map_or_else(String::new, |(media, _)| {
            let schema = &made["responses"][reply.status.to_string()]["content"][*media]["schema"];
            match *media {
                "application/json" => linked(&kind(schema), document),
                other => format!("`{other}`"),
            }
        });
        let names: Vec<String> = operation
            .headers(reply.status)
            .iter()
            .map(|header| format!("`{}`", header.name))
            .collect();
        let with = if names.is_empty() {
            String::new()
        } else {
            format!(" With {}.", names.join(", "))
        };
        let _ = writeln!(
            page,
            "| {} | {form} | {}{with} |",
            reply.status, reply.description
        );
    }
    let failures: Vec<String> = operation
        .errors()
        .iter()
        .map(|(status, _)| status.to_string())
        .collect();
    let _ = writeln!(
        page,
        "| {} | [Envelope](#envelope) | failures |",
        failures.join(", ")
    );
}

fn form(page: &mut String, name: &str, schema: &Value) {
    let _ = writeln!(page, "### {name}\n");
    let text = description(schema);
    if !text.is_empty() {
        let _ = writeln!(page, "{text}\n");
    }
    let fields = rows(schema);
    if fields.is_empty() {
        let _ = writeln!(page, "{}\n", kind(schema));
        return;
    }
    let _ = writeln!(page, "| field | type | |\n|---|---|---|");
    for row in fields {
        let star = if row.required { " (always)" } else { "" };
        let _ = writeln!(
            page,
            "| `{}`{star} | {} | {} |",
            row.name,
            cell(&row.kind),
            cell(&row.description)
        );
    }
    page.push('\n');
}

fn resolved(schema: &Value, document: &Value) -> Value {
    let found = schema["$ref"]
        .as_str()
        .and_then(|r| document.pointer(r.trim_start_matches('#')));
    found.unwrap_or(schema).clone()
}

/// Makes links of the names of forms.
fn linked(text: &str, document: &Value) -> String {
    let words: Vec<String> = text
        .split(' ')
        .map(|word| {
            if document["components"]["schemas"].get(word).is_some() {
                format!("[{word}](#{})", word.to_ascii_lowercase())
            } else {
                word.to_owned()
            }
        })
        .collect();
    words.join(" ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
