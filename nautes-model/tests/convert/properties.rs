//! What holds for every text that is converted.

use nautes_model::manifest::{self, Context, Form};
use nautes_model::resource::Resource;
use nautes_model::{Kind, yaml};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::strategies;

/// Checks the promises of the converter on one text.
pub(crate) fn holds(text: &str, context: &Context<'_>, must_convert: bool) {
    let converted = manifest::convert(text, context);
    if must_convert {
        assert_eq!(converted.findings, [], "{text}");
    }
    if !converted.findings.is_empty() {
        assert_eq!(converted.text, text);
        return;
    }
    if converted.changes.is_empty() {
        assert_eq!(converted.text, text);
    }
    let again = manifest::convert(&converted.text, context);
    assert_eq!(again.text, converted.text, "{text}");
    assert_eq!((again.changes.len(), again.findings.len()), (0, 0), "{text}");
    let read = |text: &str| -> Vec<_> {
        let parsed = manifest::parse(
            text,
            &Context {
                form: Form::Request,
                ..*context
            },
        );
        parsed
            .resources
            .into_iter()
            .map(|r| (r.identity, r.resource, r.secrets))
            .collect()
    };
    assert_eq!(read(text), read(&converted.text), "{text}\n{}", converted.text);
    let comments = |text: &str| {
        let mut all: Vec<String> = text
            .lines()
            .filter_map(|l| l.find('#').map(|i| l[i..].trim_end().to_owned()))
            .collect();
        all.sort();
        all
    };
    assert_eq!(
        comments(text),
        comments(&converted.text),
        "{text}\n{}",
        converted.text
    );
}

/// Turns a resource into an older form of the same: choices say how old.
fn older(resource: &Resource, choices: &[bool]) -> Value {
    let mut json = resource.to_json().unwrap();
    let kind = resource.kind();
    let mut choice = choices.iter().copied().cycle();
    let mut yes = || choice.next().unwrap_or_default();
    let own_name = matches!(kind, Kind::Product | Kind::ProductProvider);
    if yes() && !own_name {
        json["spec"]["name"] = json["metadata"]["name"].take();
        json["metadata"].as_object_mut().unwrap().remove("name");
    }
    if yes() && kind == Kind::CodeRepoBinding {
        json["spec"]["productName"] = json!("demo");
    } else if yes()
        && json["spec"]["product"].is_string()
        && kind.is_of_product()
        && kind != Kind::CodeRepoBinding
    {
        let product = json["spec"].as_object_mut().unwrap().remove("product").unwrap();
        json["spec"]["productName"] = product;
    }
    let spec = json["spec"].as_object_mut().unwrap();
    let mut rename = |from: &str, to: &str| {
        if yes()
            && let Some(value) = spec.remove(from)
        {
            spec.insert(to.to_owned(), value);
        }
    };
    match kind {
        Kind::DeploymentRuntime => rename("manifestSource", "manifestsource"),
        Kind::CodeRepoBinding => rename("codeRepo", "coderepo"),
        Kind::CodeRepo => rename("pipelineRuntime", "projectPipelineRuntime"),
        Kind::Cluster => {
            rename("apiServer", "api_server");
            rename("clusterType", "cluster_type");
            rename("primaryDomain", "primary_domain");
            let list = spec.get("componentsList").cloned().unwrap_or_default();
            let free = |slot: &str| list[slot].is_null();
            if free("deployment") {
                spec.insert("argocdHost".to_owned(), json!("argocd.example.com"));
            }
            if free("gateway") {
                spec.insert(
                    "traefik".to_owned(),
                    json!({ "httpNodePort": 30080, "https_node_port": "30443" }),
                );
            }
        }
        Kind::ProjectPipelineRuntime => {
            rename("eventSources", "event_sources");
            rename("pipelineTriggers", "pipeline_triggers");
        }
        _ => {}
    }
    json
}

/// Writes a document, in lines or in braces, with comments between and behind the lines.
fn written(json: &Value, braces: bool, comments: &[u8]) -> String {
    if braces {
        return format!("{json:#}\n");
    }
    let text = yaml::to_text(json).unwrap();
    // Comments inside of texts of several lines would be no comments.
    if text.contains(": |") || text.contains(": >") || text.contains("- |") || text.contains("- >") {
        return text;
    }
    let mut out = String::new();
    for (index, line) in text.lines().enumerate() {
        let kind = comments.get(index % comments.len().max(1)).copied().unwrap_or(0);
        let indent = &line[..line.len() - line.trim_start().len()];
        match kind {
            1 => out += &format!("{indent}# above {index}\n{line}\n"),
            2 => out += &format!("{line}  # after {index}\n"),
            3 => out += &format!("\n# left {index}\n\n{line}\n"),
            _ => out += &format!("{line}\n"),
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn older_forms_become_the_current_one_and_say_the_same(
        resources in vec((strategies::resource(), vec(any::<bool>(), 1..12), any::<bool>()), 1..4),
        comments in vec(0_u8..4, 1..20),
        line_end in select(vec!["\n", "\r\n"]),
    ) {
        let product = "demo".parse().unwrap();
        let texts: Vec<String> = resources
            .iter()
            .map(|(resource, choices, braces)| written(&older(resource, choices), *braces, &comments))
            .collect();
        let text = texts.join("---\n").replace('\n', line_end);
        holds(&text, &Context::new("f", Form::Request).product(Some(&product)), false);
    }

    #[test]
    fn what_is_current_stays_byte_for_byte(resource in strategies::resource(), comments in vec(0_u8..4, 1..20)) {
        let product = "demo".parse().unwrap();
        let text = written(&resource.to_json().unwrap(), false, &comments);
        let converted = manifest::convert(&text, &Context::new("f", Form::Request).product(Some(&product)));
        prop_assert_eq!(converted.text, text);
        prop_assert_eq!(converted.changes, []);
    }
}
