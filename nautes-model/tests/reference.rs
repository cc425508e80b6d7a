//! Reference pages that are made from the types: custom resource definitions, and the fields of each kind.
//! `UPDATE=1` writes them anew.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads files, is told by the environment, and may fail"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use nautes_model::kind::KINDS;
use nautes_model::manifest::{self, Context, Form};
use nautes_model::name::ProductName;
use nautes_model::{Kind, crd, yaml};
use serde_json::Value;

const END: &str = "<!-- end of fields -->";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Compares a file with what it should be, or writes it.
fn is_kept(path: &Path, text: &str) {
    if std::env::var("UPDATE").is_ok_and(|v| v == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == text,
        "{} is not what the types say (UPDATE=1 writes it)",
        path.display()
    );
}

fn pages() -> Vec<(PathBuf, String)> {
    let mut pages: Vec<_> = std::fs::read_dir(docs().join("kinds"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect();
    pages.sort();
    pages
}

/// The kind of a page, from its title.
fn kind(page: &str) -> Kind {
    Kind::from_name(page.lines().next().unwrap().trim_start_matches("# ")).unwrap()
}

#[test]
fn the_custom_resource_definitions_are_those_of_the_types() {
    for definition in crd::definitions() {
        let name = format!("reference/crds/{}.yaml", definition.spec.names.plural);
        is_kept(&docs().join(name), &yaml::to_text(&definition).unwrap());
    }
    let kept = std::fs::read_dir(docs().join("reference/crds")).unwrap().count();
    assert_eq!(kept, crd::definitions().len());
}

#[test]
fn every_page_lists_the_fields_of_its_kind() {
    for (path, page) in pages() {
        let kind = kind(&page);
        let begin = format!("<!-- fields: {kind} (written by a test with UPDATE=1) -->\n");
        let (head, rest) = page.split_once(&begin).unwrap();
        let (_, tail) = rest.split_once(END).unwrap();
        let mut table = "| field | type | required | meaning |\n|---|---|---|---|\n".to_owned();
        fields(&mut table, "", &crd::schema(kind)["properties"]["spec"]);
        is_kept(&path, &format!("{head}{begin}{table}{END}{tail}"));
    }
}

#[test]
fn every_kind_has_a_page() {
    let mut of_pages: Vec<Kind> = pages().iter().map(|(_, page)| kind(page)).collect();
    of_pages.sort();
    let all: Vec<Kind> = KINDS.iter().map(|info| info.kind).collect();
    assert_eq!(of_pages, all);
}

#[test]
fn the_page_of_the_rules_of_definitions_lists_them() {
    let mut page = "# Rules that an API server enforces

What one object alone decides stands in the custom resource definitions as well (`x-kubernetes-validations`), under the
id of the rule that says the same offline: see [the rules](rules.md). An API server refuses an object that breaks one,
so no request can skip them. `whole`: both refuse the same objects; `part`: offline more is found.

| rule | kind | field | how much | what a refusal says |
|---|---|---|---|---|
"
    .to_owned();
    for rule in crd::rules() {
        let extent = match rule.extent {
            crd::Extent::Whole => "whole",
            crd::Extent::Part => "part",
        };
        let field = format!("{}{}", rule.at, rule.field);
        writeln!(
            page,
            "| [{}](rules.md#{}) | {} | `{}` | {extent} | {} |",
            rule.id,
            rule.id.to_lowercase(),
            rule.kind,
            field.trim_start_matches('.'),
            rule.message
        )
        .unwrap();
    }
    is_kept(&docs().join("reference/definitions.md"), &page);
}

#[test]
fn the_example_of_every_page_is_read_without_a_finding() {
    let product: ProductName = "shop".parse().unwrap();
    for (path, page) in pages() {
        let example = page
            .split("```yaml\n")
            .nth(1)
            .unwrap()
            .split("```")
            .next()
            .unwrap();
        let context = Context::new("example.yaml", Form::Git);
        let kind = kind(&page);
        let parsed = manifest::parse(
            example,
            &context.product(kind.is_of_product().then_some(&product)),
        );
        assert_eq!(parsed.findings, [], "{}", path.display());
        assert_eq!(parsed.resources[0].identity.kind, kind, "{}", path.display());
    }
}

fn fields(table: &mut String, prefix: &str, schema: &Value) {
    let mut slot = None;
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{name}");
        let must = if required.contains(&&**name) { "yes" } else { "" };
        let meaning = field["description"]
            .as_str()
            .unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        writeln!(
            table,
            "| `{path}` | {} | {must} | {} |",
            type_of(field),
            meaning.replace('|', "\\|")
        )
        .unwrap();
        // Every component has the same fields: they are listed once, below the last slot.
        if prefix == "componentsList." {
            slot = Some(field);
            continue;
        }
        let inner = if field["items"].is_object() {
            &field["items"]
        } else {
            field
        };
        let mark = if field["items"].is_object() { "[]" } else { "" };
        fields(table, &format!("{path}{mark}."), inner);
        if field["additionalProperties"].is_object() {
            let values = &field["additionalProperties"];
            let (values, mark) = if values["items"].is_object() {
                (&values["items"], "[]")
            } else {
                (values, "")
            };
            fields(table, &format!("{path}.*{mark}."), values);
        }
    }
    if let Some(slot) = slot {
        fields(table, "componentsList.*.", slot);
    }
}

fn type_of(field: &Value) -> String {
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<String> = values
            .iter()
            .filter_map(Value::as_str)
            .map(|v| format!("`{v}`"))
            .collect();
        return values.join(", ");
    }
    if field["items"].is_object() {
        return format!("list of {}", type_of(&field["items"]));
    }
    if field["additionalProperties"].is_object() {
        return format!("map of {}", type_of(&field["additionalProperties"]));
    }
    field["type"].as_str().unwrap_or("any").to_owned()
}
