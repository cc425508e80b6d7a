//! The rules of the definitions (CEL), as an API server evaluates them, and the offline rules of the same ids say
//! the same.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kube_cel::{CompiledSchema, ErrorKind, Validator};
use nautes_model::crd::{self, Extent};
use nautes_model::kind::KINDS;
use nautes_model::manifest::{Context, Form, parse_json};
use nautes_model::{Kind, Scopes, Severity, Sourced};
use nautes_validate::{RuleSet, check, generate};
use proptest::prelude::*;
use proptest::sample::select;
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::support::{changed, scopes};

/// The compiled rules of every kind.
struct Server {
    schemas: BTreeMap<Kind, CompiledSchema>,
    validator: Validator,
    /// What was said of an object before: most cases share most of theirs.
    said: RefCell<BTreeMap<String, BTreeSet<String>>>,
}

impl Server {
    fn new() -> Self {
        let compile = |kind| kube_cel::compile_schema(crd::schema(kind));
        let schemas: BTreeMap<_, _> = KINDS.iter().map(|info| (info.kind, compile(info.kind))).collect();
        for (kind, schema) in &schemas {
            assert!(!schema.has_errors(), "{kind}: {:?}", schema.compilation_errors());
        }
        Self {
            schemas,
            validator: Validator::new(),
            said: RefCell::default(),
        }
    }

    /// The ids of the rules that an object breaks.
    fn refuses(&self, resource: &Sourced) -> BTreeSet<String> {
        let object = resource.resource.to_json().unwrap();
        let text = object.to_string();
        if let Some(said) = self.said.borrow().get(&text) {
            return said.clone();
        }
        let schema = &self.schemas[&resource.identity.kind];
        let errors = self.validator.validate_compiled(schema, &object, None).err();
        let errors = errors.map(|e| e.into_vec()).unwrap_or_default();
        let said: BTreeSet<String> = errors
            .into_iter()
            .map(|error| {
                assert_eq!(error.kind, ErrorKind::ValidationFailure, "{error}: {object:#}");
                error.message.split_once(": ").unwrap().0.to_owned()
            })
            .collect();
        self.said.borrow_mut().insert(text, said.clone());
        said
    }

    /// Says in which way the two disagree about a resource.
    fn disagreement(&self, resource: &Sourced, offline: &BTreeSet<String>) -> Option<String> {
        let kind = resource.identity.kind;
        let refused = self.refuses(resource);
        let rows = || crd::rules().iter().filter(|row| row.kind == kind);
        rows()
            .map(|row| row.id)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .find_map(|id| {
                let whole = rows()
                    .filter(|row| row.id == id)
                    .all(|row| row.extent == Extent::Whole);
                match (refused.contains(id), offline.contains(id)) {
                    (true, false) => Some(format!("{id} is refused by the definition of {kind} only")),
                    (false, true) if whole => Some(format!("{id} is refused of {kind} offline only")),
                    _ => None,
                }
            })
    }
}

/// The ids of the rules that a resource breaks offline.
fn offline(found: &nautes_validate::Report, resource: &Sourced) -> BTreeSet<String> {
    let of_it = |f: &&nautes_model::Finding| {
        f.severity == Severity::Error && f.resource.as_ref() == Some(&resource.identity)
    };
    found
        .findings
        .iter()
        .filter(of_it)
        .map(|f| f.rule.clone())
        .collect()
}

#[test]
fn every_rule_of_a_definition_is_an_offline_rule_and_only_those_cannot_be_skipped() {
    let rules = RuleSet::standard();
    for row in crd::rules() {
        assert!(rules.get(row.id).is_some(), "{}", row.id);
    }
    for rule in rules.iter() {
        assert_eq!(
            rules.is_skippable(rule.id()),
            !crd::enforces(rule.id()),
            "{}",
            rule.id()
        );
    }
    assert!(!rules.is_skippable("ManifestFieldValue"));
}

#[test]
fn they_agree_on_every_case() {
    let server = Server::new();
    let mut broken = BTreeSet::new();
    for (file, scopes) in cases() {
        let report = check(&scopes, &RuleSet::standard());
        for resource in scopes.iter() {
            let disagreement = server.disagreement(resource, &offline(&report, resource));
            assert_eq!(disagreement, None, "{file}: {}", resource.identity);
            let kind = resource.identity.kind;
            broken.extend(server.refuses(resource).into_iter().map(|id| (kind, id)));
        }
    }
    let ids: BTreeSet<_> = crd::rules().iter().map(|row| row.id.to_owned()).collect();
    let seen: BTreeSet<_> = broken.into_iter().map(|(_, id)| id).collect();
    assert_eq!(seen, ids, "rules of definitions that no case breaks");
}

/// The states that the cases and examples of rules describe, with the files.
fn cases() -> Vec<(String, Scopes)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = |path: &Path| -> Vec<_> {
        let all = std::fs::read_dir(path).unwrap();
        all.map(|e| e.unwrap().path()).collect()
    };
    let mut all = Vec::new();
    for rule in entries(&folder).iter().filter(|p| p.is_dir()) {
        let name = rule.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("Manifest") {
            continue;
        }
        let is_yaml = |p: &std::path::PathBuf| p.extension().is_some_and(|e| e == "yaml");
        for file in entries(rule).into_iter().filter(is_yaml) {
            let text = std::fs::read_to_string(&file).unwrap();
            let scopes = match text.split_once("# after\n") {
                Some((before, after)) => changed(scopes("case.yaml", before), "case.yaml", after),
                None => scopes("case.yaml", &text),
            };
            all.push((file.display().to_string(), scopes));
        }
    }
    all
}

/// Rules that are decided on one object and are not in the definitions, and why.
const NOT_IN_DEFINITIONS: &[(&str, &str)] = &[
    (
        "AccountReserved",
        "an installation says which accounts it reserves",
    ),
    (
        "BindingRepoForeign",
        "the product of a binding is that of its namespace, which a definition cannot look at",
    ),
    (
        "ClusterComponentSlot",
        "a tenant can add slots of a component by its catalogue",
    ),
    (
        "ClusterNameReserved",
        "an installation says which names it reserves",
    ),
    ("HookUnknown", "a tenant can add hooks by its catalogue"),
    ("HookVars", "a tenant can add hooks by its catalogue"),
    (
        "ReferenceForeign",
        "what stands before the `/` may also be the path of a group, which the tenant knows",
    ),
];

#[test]
fn what_one_object_decides_is_in_the_definitions() {
    let rules = RuleSet::standard();
    let server = Server::new();
    let mut alone_decides: BTreeMap<String, bool> = BTreeMap::new();
    let mut not_refused: BTreeMap<String, String> = BTreeMap::new();
    for (file, scopes) in cases() {
        let report = check(&scopes, &rules);
        for resource in scopes.iter() {
            let alone = scopes_of(resource);
            let alone = offline(&check(&alone, &rules), resource);
            let together = offline(&report, resource);
            for id in alone.union(&together) {
                let same = alone.contains(id) && together.contains(id);
                *alone_decides.entry(id.clone()).or_insert(true) &= same;
                if !server.refuses(resource).contains(id) {
                    not_refused
                        .entry(id.clone())
                        .or_insert_with(|| format!("{} of {file}", resource.identity));
                }
            }
        }
    }
    let decided = alone_decides
        .into_iter()
        .filter(|(_, alone)| *alone)
        .map(|(id, _)| id);
    let decided: BTreeSet<String> = decided.filter(|id| rules.get(id).is_some()).collect();
    let missing: BTreeMap<&String, &String> = decided
        .iter()
        .filter(|id| NOT_IN_DEFINITIONS.iter().all(|(known, _)| known != id))
        .filter(|id| !crd::enforces(id))
        .map(|id| (id, &not_refused[id]))
        .collect();
    assert!(
        missing.is_empty(),
        "decided on one object, but not in its definition: {missing:#?}"
    );
    for (id, why) in NOT_IN_DEFINITIONS {
        assert!(
            decided.contains(*id) && !crd::enforces(id) && !why.is_empty(),
            "{id} needs no exception"
        );
    }
}

/// A platform with one resource and nothing else.
fn scopes_of(resource: &Sourced) -> Scopes {
    let mut alone = Scopes::default();
    alone.insert(resource.clone());
    alone
}

#[test]
fn the_definitions_refuse_nothing_of_a_sound_platform() {
    let server = Server::new();
    for resource in generate::platform(300, 7).unwrap() {
        assert_eq!(
            server.refuses(&resource),
            BTreeSet::new(),
            "{}",
            resource.identity
        );
    }
}

/// Texts that some rule cares for, good and bad.
const WORDS: &[&str] = &[
    "",
    "a",
    "b",
    "c",
    "main",
    "A",
    "-a",
    "a-",
    "a.b",
    "a..b",
    "product-a",
    "a/b",
    "../a",
    "a/../b",
    "/a",
    "a\\..",
    "ArgoCD",
    "product-b",
    "coderepo",
    "*",
    "A.b",
    "rbac.io/v1",
    "PipelineLabel",
    " https://a",
    "..",
    "...",
    "a..",
    "a b",
    "a\u{85}b",
    "a\nb",
    "é",
    "repo-7",
    "repo-x",
    "https://a.b",
    "HTTP://a",
    "ftp://a",
    "https://u@a.b/c",
    "git@a:b/c.git",
    "git@a:",
    "@a:b",
    "ssh://a/b",
    "https://a?b",
    "push_events",
    "issues_events",
    "confidential_note_events",
    "no_events",
    "10m",
    "1h30m",
    "0s",
    "1d",
    "0 3 * * *",
    "Europe/Paris",
    "UTC",
    "a/",
    "2030-12-24",
    "0",
    "80",
    "65536",
    "30000",
    "+1",
    "Namespace",
    "commitID",
    "/spec/a",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// A value that fits a schema, but for what stands twice.
fn fitting(schema: &'static Value) -> BoxedStrategy<Value> {
    match schema["type"].as_str().unwrap() {
        "object" if schema["properties"].is_object() => {
            let mut all = Just(Map::new()).boxed();
            for (key, inner) in schema["properties"].as_object().unwrap() {
                let must = schema["required"]
                    .as_array()
                    .is_some_and(|r| r.iter().any(|k| k == key));
                let value = if must {
                    fitting(inner).prop_map(Some).boxed()
                } else {
                    proptest::option::weighted(0.6, fitting(inner)).boxed()
                };
                all = (all, value)
                    .prop_map(move |(mut map, value)| {
                        map.extend(value.map(|v| (key.clone(), v)));
                        map
                    })
                    .boxed();
            }
            all.prop_map(Value::Object).boxed()
        }
        "object" => {
            proptest::collection::btree_map(text(&json!({})), fitting(&schema["additionalProperties"]), 0..3)
                .prop_map(|map| map.into_iter().collect::<Map<_, _>>().into())
                .boxed()
        }
        "array" => proptest::collection::vec(fitting(&schema["items"]), 0..4)
            .prop_map(Value::Array)
            .boxed(),
        "string" => match schema["enum"].as_array() {
            Some(choices) => select(choices.clone()).boxed(),
            None => text(schema).prop_map(Value::String).boxed(),
        },
        "boolean" => any::<bool>().prop_map(Value::Bool).boxed(),
        _ => Just(json!(1)).boxed(),
    }
}

fn text(schema: &Value) -> BoxedStrategy<String> {
    let bound = |key: &str, or| {
        schema[key]
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(or)
    };
    let (min, max) = (bound("minLength", 0), bound("maxLength", usize::MAX));
    let pattern = schema["pattern"].as_str().map(|p| Regex::new(p).unwrap());
    let fits = |word: &&&str| {
        (min..=max).contains(&word.chars().count()) && pattern.as_ref().is_none_or(|p| p.is_match(word))
    };
    select(
        WORDS
            .iter()
            .filter(fits)
            .map(|w| (*w).to_owned())
            .collect::<Vec<_>>(),
    )
    .boxed()
}

/// What the reader makes of an object; most that it refuses is refused for what stands twice.
fn read(kind: Kind, name: &str, mut spec: Value) -> Option<Scopes> {
    if kind.is_of_product() && kind != Kind::CodeRepoBinding && spec.get("product").is_some() {
        spec["product"] = json!("demo");
    }
    let object = json!({
        "apiVersion": nautes_model::kind::API_VERSION, "kind": kind.name(),
        "metadata": { "name": name }, "spec": spec,
    });
    let product = "demo".parse().unwrap();
    let context = Context::new("f", Form::Git).product(kind.is_of_product().then_some(&product));
    let mut scopes = Scopes::default();
    for resource in parse_json(object, &context).resources {
        scopes.insert(resource);
    }
    (scopes.iter().count() > 0).then_some(scopes)
}

/// Kinds that have rules.
fn kinds() -> Vec<Kind> {
    crd::rules()
        .iter()
        .map(|row| row.kind)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_global_rejects: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn they_agree_on_any_object(
        objects in select(kinds()).prop_flat_map(|kind| {
            let spec = &crd::schema(kind)["properties"]["spec"];
            (Just(kind), proptest::collection::vec((select(vec!["a", "main", "repo-7"]), fitting(spec)), 60))
        })
    ) {
        let server = Server::new();
        let (kind, objects) = objects;
        let mut read_ones = 0;
        for scopes in objects.into_iter().filter_map(|(name, spec)| read(kind, name, spec)) {
            read_ones += 1;
            let report = check(&scopes, &RuleSet::standard());
            for resource in scopes.iter() {
                let disagreement = server.disagreement(resource, &offline(&report, resource));
                prop_assert_eq!(disagreement, None, "{:#}", resource.resource.to_json().unwrap());
            }
        }
        prop_assert!(read_ones > 5, "only {} of {} could be read", read_ones, kind);
    }
}
