//! The page at `/docs`: plain HTML without scripts, which works offline.

use std::fmt::Write as _;

use serde_json::Value;

use super::schemas::{description, kind, rows};
use super::{document, headers, needs};
use crate::routes::operation::{ERRORS, Operation, Tag};

/// Makes the page.
pub(crate) fn render(table: &[Operation]) -> String {
    let document = document(table);
    let mut page = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Nautes API</title><link rel=\"stylesheet\" href=\"/docs/style.css\"></head>\n<body>\n",
    );
    navigation(&mut page, table);
    // Writing to a text does not fail.
    let _ = write!(
        page,
        "<main>\n<h1>Nautes API <small>{}</small></h1>\n<p>Send a token of the forge as \
         <code>Authorization: Bearer &lt;token&gt;</code>. Errors are <a href=\"#Envelope\">envelopes</a>, or \
         <a href=\"#Problem\">problems</a> for those who accept <code>application/problem+json</code>. For \
         programs: <a href=\"/openapi.json\">OpenAPI 3.1</a>.</p>\n",
        env!("CARGO_PKG_VERSION")
    );
    for tag in Tag::ALL {
        let _ = write!(
            page,
            "<h2>{}</h2>\n<p>{}</p>\n",
            escaped(tag.name()),
            text(tag.description())
        );
        for operation in table.iter().filter(|o| o.tag == *tag) {
            one(&mut page, operation, &document);
        }
    }
    page.push_str("<h2 id=\"failures\">Failures</h2>\n<table><tbody>\n");
    for (status, meaning) in ERRORS {
        let _ = writeln!(page, "<tr><th>{status}</th><td>{}</td></tr>", text(meaning));
    }
    page.push_str("</tbody></table>\n<h2 id=\"headers\">Headers of answers</h2>\n<table><tbody>\n");
    for (header, of) in headers(table) {
        let _ = writeln!(
            page,
            "<tr><th><code>{}</code></th><td>{}</td><td>{}</td></tr>",
            escaped(header.name),
            escaped(&of),
            text(header.description)
        );
    }
    page.push_str("</tbody></table>\n<h2>Forms</h2>\n");
    for (name, schema) in document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
    {
        form(&mut page, name, schema, &document);
    }
    page.push_str("</main>\n</body></html>\n");
    page
}

fn navigation(page: &mut String, table: &[Operation]) {
    page.push_str("<nav aria-label=\"Operations\">\n");
    for tag in Tag::ALL {
        let _ = write!(page, "<h2>{}</h2>\n<ul>\n", escaped(tag.name()));
        for operation in table.iter().filter(|o| o.tag == *tag) {
            let _ = writeln!(
                page,
                "<li><a href=\"#{}\">{}</a></li>",
                escaped(&operation.id),
                escaped(&operation.summary)
            );
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</nav>\n");
}

fn one(page: &mut String, operation: &Operation, document: &Value) {
    let method = operation.method.as_str();
    let made = &document["paths"][&operation.path][method.to_ascii_lowercase()];
    let _ = write!(
        page,
        "<section id=\"{}\">\n<h3>{}</h3>\n<p><code class=\"{}\">{method}</code> <code>{}</code></p>\n",
        escaped(&operation.id),
        escaped(&operation.summary),
        method.to_ascii_lowercase(),
        escaped(&operation.path),
    );
    if !operation.description.is_empty() {
        let _ = writeln!(page, "<p>{}</p>", text(&operation.description));
    }
    let _ = writeln!(page, "<p>Needs {}.</p>", escaped(&needs(operation.needs)));
    if !operation.parameters.is_empty() {
        page.push_str("<table><thead><tr><th>parameter</th><th>in</th><th>type</th><th>default</th><th></th></tr></thead><tbody>\n");
        for (parameter, made) in operation
            .parameters
            .iter()
            .zip(made["parameters"].as_array().into_iter().flatten())
        {
            let default = parameter
                .default
                .map_or_else(String::new, |d| format!("<code>{}</code>", escaped(d)));
            let _ = writeln!(
                page,
                "<tr><th><code>{}</code></th><td>{}</td><td>{}</td><td>{default}</td><td>{}</td></tr>",
                escaped(parameter.name),
                parameter.place.word(),
                linked(&kind(&made["schema"]), document),
                text(parameter.description)
            );
        }
        page.push_str("</tbody></table>\n");
    }
    if let Some(body) = &operation.body {
        for (media, made) in made["requestBody"]["content"].as_object().into_iter().flatten() {
            let _ = writeln!(
                page,
                "<p>Body as <code>{}</code>: {}</p>",
                escaped(media),
                linked(&kind(&made["schema"]), document)
            );
        }
        let _ = writeln!(
            page,
            "<details><summary>Example</summary><pre>{}</pre></details>",
            escaped(&format!("{:#}", body.example))
        );
    }
    answers(page, operation, made, document);
    page.push_str("</section>\n");
}

fn answers(page: &mut String, operation: &Operation, made: &Value, document: &Value) {
    page.push_str("<table><thead><tr><th>answer</th><th>form</th><th></th></tr></thead><tbody>\n");
    for reply in &operation.replies {
        let form = reply.content.as_ref().map_or_else(String::new, |(media, _)| {
            let schema = &made["responses"][reply.status.to_string()]["content"][*media]["schema"];
            match *media {
                "application/json" => linked(&kind(schema), document),
                other => format!("<code>{}</code>", escaped(other)),
            }
        });
        let _ = writeln!(
            page,
            "<tr><th>{}</th><td>{form}</td><td>{}</td></tr>",
            reply.status,
            text(reply.description)
        );
    }
    let failures: Vec<String> = operation
        .errors()
        .iter()
        .map(|(status, _)| status.to_string())
        .collect();
    let _ = writeln!(
        page,
        "<tr><th>{}</th><td><a href=\"#Envelope\">Envelope</a></td><td><a href=\"#failures\">failures</a></td></tr>\n\
         </tbody></table>",
        failures.join(" ")
    );
}

fn form(page: &mut String, name: &str, schema: &Value, document: &Value) {
    let _ = writeln!(page, "<section id=\"{0}\">\n<h3>{0}</h3>", escaped(name));
    let _ = writeln!(page, "<p>{}</p>", text(&description(schema)));
    let fields = rows(schema);
    if fields.is_empty() {
        let _ = writeln!(page, "<p>{}</p>", linked(&kind(schema), document));
    } else {
        page.push_str("<table><thead><tr><th>field</th><th>type</th><th></th></tr></thead><tbody>\n");
        for row in fields {
            let always = if row.required {
                " <small>always</small>"
            } else {
                ""
            };
            let _ = writeln!(
                page,
                "<tr><th><code>{}</code>{always}</th><td>{}</td><td>{}</td></tr>",
                escaped(&row.name),
                linked(&row.kind, document),
                text(&row.description)
            );
        }
        page.push_str("</tbody></table>\n");
    }
    page.push_str("</section>\n");
}

/// Makes links of the names of forms.
fn linked(words: &str, document: &Value) -> String {
    let all: Vec<String> = words
        .split(' ')
        .map(|word| {
            let shown = escaped(word);
            if document["components"]["schemas"].get(word).is_some() {
                format!("<a href=\"#{shown}\">{shown}</a>")
            } else {
                shown
            }
        })
        .collect();
    all.join(" ")
}

/// Escapes text, and shows what stands between backticks as code.
fn text(text: &str) -> String {
    let mut out = String::new();
    for (i, part) in text.split('`').enumerate() {
        if i % 2 == 1 {
            let _ = write!(out, "<code>{}</code>", escaped(part));
        } else {
            out.push_str(&escaped(part));
        }
    }
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_code_is_shown_as_code() {
        assert_eq!(
            text("a `<b>` & \"c\""),
            "a <code>&lt;b&gt;</code> &amp; &quot;c&quot;"
        );
    }
}
