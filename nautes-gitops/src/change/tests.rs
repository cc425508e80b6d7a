use nautes_model::manifest::{Context, Form, parse};

use super::*;
use crate::oid::Oid;
use crate::repo::SnapshotFile;
use crate::tree::{HeldRules, Paths, TreeReader};

const HEAD: &str = "apiVersion: nautes.resource.nautes.io/v1alpha1\n";

fn of() -> RepoRef {
    RepoRef::Product("demo".parse().unwrap())
}

fn environment(name: &str, cluster: &str) -> String {
    format!(
        "{HEAD}kind: Environment\nmetadata:\n  name: {name}\nspec:\n  cluster: {cluster}\n  envType: test\n  product: demo\n"
    )
}

fn project(name: &str) -> String {
    format!("{HEAD}kind: Project\nmetadata:\n  name: {name}\nspec:\n  language: rust\n  product: demo\n")
}

fn resource(text: &str) -> Resource {
    let parsed = parse(text, &Context::new("x.yaml", Form::Git).product(of().product()));
    assert_eq!(parsed.findings, []);
    parsed.resources.into_iter().next().unwrap().resource
}

fn id(kind: nautes_model::Kind, name: &str) -> Identity {
    of().identity(kind, name.parse().unwrap())
}

fn tree(files: &[(&str, &str)]) -> Snapshot {
    let mut tree = Snapshot::empty();
    for (path, text) in files {
        let bytes = text.as_bytes().to_vec();
        let id = Oid::from(git2::Oid::hash_object(git2::ObjectType::Blob, &bytes).unwrap());
        tree.files.insert((*path).to_owned(), SnapshotFile { id, bytes });
    }
    tree
}

/// Applies a change to files and returns what it does to them.
fn apply(files: &[(&str, &str)], change: &ChangeSet) -> Result<Vec<(String, Option<String>)>, ChangeError> {
    let tree = tree(files);
    let reading = TreeReader::new(of()).assemble(&tree, &Paths::new(), &HeldRules::new());
    let edits = change.edits(&of(), &tree, &reading)?;
    let text = |content: Option<Vec<u8>>| content.map(|bytes| String::from_utf8(bytes).unwrap());
    Ok(edits
        .files
        .into_iter()
        .map(|(path, content)| (path, text(content)))
        .collect())
}

fn upsert(texts: &[String]) -> ChangeSet {
    ChangeSet {
        upserts: texts.iter().map(|text| resource(text)).collect(),
        ..ChangeSet::default()
    }
}

fn removal(identities: &[Identity]) -> ChangeSet {
    ChangeSet {
        removals: identities.iter().cloned().collect(),
        ..ChangeSet::default()
    }
}

use nautes_model::Kind::{Environment, Project};

#[test]
fn new_resources_go_to_their_places() {
    let change = upsert(&[project("web"), environment("dev", "c1")]);
    let edits = apply(&[], &change).unwrap();
    let paths: Vec<_> = edits.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["envs/dev.yaml", "projects/web/web.yaml"]);
    assert_eq!(edits[0].1.as_deref(), Some(environment("dev", "c1").as_str()));
}

#[test]
fn what_means_the_same_keeps_its_bytes() {
    let commented = format!(
        "# ours\n{HEAD}kind: Environment\nspec: {{product: demo, envType: test, cluster: c1}} # x\nmetadata: {{name: dev}}\n"
    );
    let change = upsert(&[environment("dev", "c1")]);
    assert_eq!(
        apply(&[("envs/other-name.yaml", &commented)], &change).unwrap(),
        []
    );
}

#[test]
fn a_change_stays_in_its_file_and_spares_the_neighbours() {
    let neighbour = format!("# keep me\n{}# and me\n", environment("test", "c1"));
    let file = format!("# top\n{}---\n{neighbour}", environment("dev", "c1"));
    let edits = apply(&[("envs/all.yaml", &file)], &upsert(&[environment("dev", "c2")])).unwrap();
    let expected = format!("# top\n{}---\n{neighbour}", environment("dev", "c2"));
    assert_eq!(edits, [("envs/all.yaml".to_owned(), Some(expected))]);

    let edits = apply(&[("envs/all.yaml", &file)], &removal(&[id(Environment, "dev")])).unwrap();
    assert_eq!(
        edits,
        [(
            "envs/all.yaml".to_owned(),
            Some(format!("# top\n---\n{neighbour}"))
        )]
    );

    let both = removal(&[id(Environment, "dev"), id(Environment, "test")]);
    assert_eq!(
        apply(&[("envs/all.yaml", &file)], &both).unwrap(),
        [("envs/all.yaml".to_owned(), None)]
    );
}

#[test]
fn one_file_takes_several_changes_at_once() {
    let file = format!(
        "{}---\n{}---\n{}",
        environment("a", "c"),
        environment("b", "c"),
        environment("c", "c")
    );
    let change = ChangeSet {
        removals: [id(Environment, "b")].into(),
        ..upsert(&[environment("a", "x"), environment("c", "z")])
    };
    let edits = apply(&[("envs/all.yaml", &file)], &change).unwrap();
    let expected = format!("{}---\n---\n{}", environment("a", "x"), environment("c", "z"));
    assert_eq!(edits, [("envs/all.yaml".to_owned(), Some(expected))]);
}

#[test]
fn a_runtime_with_the_name_of_its_project_stands_beside_it() {
    let runtime = |text: &str| path_for(&resource(text), |_| false);
    assert_eq!(runtime(&project("web")).as_deref(), Some("projects/web/web.yaml"));
    let binding = format!(
        "{HEAD}kind: CodeRepoBinding\nmetadata:\n  name: app\nspec:\n  codeRepo: app\n  product: demo\n  permissions: readonly\n"
    );
    assert_eq!(
        runtime(&binding).as_deref(),
        Some("code-repos/app/app-coderepobinding.yaml")
    );
}

#[test]
fn a_taken_place_is_left_alone() {
    let edits = apply(
        &[("envs/dev.yaml", &environment("prod", "c1"))],
        &upsert(&[environment("dev", "c1")]),
    )
    .unwrap();
    assert_eq!(edits[0].0, "envs/dev-environment.yaml");
    let files = [
        ("envs/dev.yaml", environment("a", "c")),
        ("envs/dev-environment.yaml", environment("b", "c")),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    assert!(matches!(
        apply(&files, &upsert(&[environment("dev", "c1")])),
        Err(ChangeError::Taken { .. })
    ));
}

#[test]
fn what_is_declared_twice_goes_twice() {
    let text = environment("dev", "c1");
    let files = [("envs/a.yaml", text.as_str()), ("envs/b.yaml", text.as_str())];
    let edits = apply(&files, &removal(&[id(Environment, "dev")])).unwrap();
    assert_eq!(
        edits,
        [("envs/a.yaml".to_owned(), None), ("envs/b.yaml".to_owned(), None)]
    );
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    assert_eq!(
        apply(
            &[("envs/dev.yaml", &environment("dev", "c1"))],
            &removal(&[id(Environment, "x")])
        )
        .unwrap(),
        []
    );
}

#[test]
fn a_broken_file_is_not_overwritten_with_its_neighbours() {
    let before: Paths = [(
        "envs/all.yaml".to_owned(),
        vec![id(Environment, "a"), id(Environment, "b")],
    )]
    .into();
    let alone: Paths = [("envs/all.yaml".to_owned(), vec![id(Environment, "a")])].into();
    let tree = tree(&[("envs/all.yaml", "kind: [")]);
    let reader = TreeReader::new(of());
    let change = upsert(&[environment("a", "c1")]);
    let error = change
        .edits(&of(), &tree, &reader.assemble(&tree, &before, &HeldRules::new()))
        .unwrap_err();
    assert!(matches!(error, ChangeError::InBrokenFile { .. }) && error.hint().is_some());
    let edits = change
        .edits(&of(), &tree, &reader.assemble(&tree, &alone, &HeldRules::new()))
        .unwrap();
    assert!(edits.files["envs/all.yaml"].is_some());
    let edits = removal(&[id(Environment, "a")])
        .edits(&of(), &tree, &reader.assemble(&tree, &alone, &HeldRules::new()))
        .unwrap();
    assert_eq!(edits.files["envs/all.yaml"], None);
}

#[test]
fn requests_that_contradict_themselves_are_refused() {
    let twice = upsert(&[environment("a", "c1"), environment("a", "c2")]);
    assert!(matches!(apply(&[], &twice), Err(ChangeError::Twice { .. })));
    let both = ChangeSet {
        removals: [id(Environment, "a")].into(),
        ..upsert(&[environment("a", "c1")])
    };
    assert!(matches!(apply(&[], &both), Err(ChangeError::Twice { .. })));
    let foreign = Identity::product(Project, "other".parse().unwrap(), "x".parse().unwrap());
    assert!(matches!(
        apply(&[], &removal(&[foreign])),
        Err(ChangeError::WrongRepository { .. })
    ));
}

#[test]
fn a_message_lists_what_happens() {
    let mut edits = Edits::default();
    edits
        .created
        .extend((0..60).map(|n| id(Environment, &format!("e{n}"))));
    let text = edits.message("");
    assert!(
        text.starts_with("create 60\n\ncreate Environment/demo/e0\n"),
        "{text}"
    );
    assert!(text.ends_with("and 10 more\n"), "{text}");
    assert!(edits.message("Mine\nand more").starts_with("Mine\n\n"));
}

mod properties {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Where each of six environments is (a file, or nowhere) and what its cluster is.
    type State = Vec<Option<(usize, usize)>>;

    fn text_of(name: usize, cluster: usize) -> String {
        environment(&format!("e{name}"), &format!("cluster-{cluster}"))
    }

    fn files_of(state: &State) -> Vec<(String, String)> {
        let mut files: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (name, at) in state.iter().enumerate() {
            if let Some((file, cluster)) = at {
                let document = format!("# about e{name}\n{}", text_of(name, *cluster));
                files.entry(*file).or_default().push(document);
            }
        }
        files
            .into_iter()
            .map(|(file, documents)| (format!("envs/file-{file}.yaml"), documents.join("---\n")))
            .collect()
    }

    fn edited(tree: &Snapshot, edits: &Edits) -> Snapshot {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        files.extend(
            tree.files
                .iter()
                .map(|(path, file)| (path.clone(), text(&file.bytes))),
        );
        for (path, content) in &edits.files {
            match content {
                Some(bytes) => files.insert(path.clone(), text(bytes)),
                None => files.remove(path),
            };
        }
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        super::tree(&files)
    }

    fn declared(reading: &Reading) -> BTreeMap<String, String> {
        let resources = reading.scope.resources().iter();
        resources
            .map(|r| (r.identity.name.to_string(), render(&r.resource).unwrap()))
            .collect()
    }

    proptest! {
        #[test]
        fn a_change_does_what_it_says_and_nothing_else(
            state in prop::collection::vec(prop::option::of((0usize..3, 0usize..3)), 6),
            wanted in prop::collection::vec(prop::option::of(prop::option::of(0usize..3)), 6),
        ) {
            let files = files_of(&state);
            let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
            let before = super::tree(&files);
            let reader = TreeReader::new(of());
            let mut change = ChangeSet::default();
            let mut expected = BTreeMap::new();
            for (name, (was, want)) in state.iter().zip(&wanted).enumerate() {
                let present = was.map(|(_, cluster)| cluster);
                let after = match want {
                    None => present,
                    Some(None) => {
                        change.removals.insert(id(Environment, &format!("e{name}")));
                        None
                    }
                    Some(Some(cluster)) => {
                        change.upserts.push(resource(&text_of(name, *cluster)));
                        Some(*cluster)
                    }
                };
                if let Some(cluster) = after {
                    expected.insert(format!("e{name}"), text_of(name, cluster));
                }
            }
            let edits = change.edits(&of(), &before, &reader.assemble(&before, &Paths::new(), &HeldRules::new())).unwrap();
            let after = edited(&before, &edits);
            let reading = reader.assemble(&after, &Paths::new(), &HeldRules::new());
            prop_assert_eq!(declared(&reading), expected);
            prop_assert!(reading.scope.broken().is_empty());
            // What the change is not about keeps its bytes, comments included.
            let all: String = after.files.values().map(|file| String::from_utf8_lossy(&file.bytes)).collect();
            for (name, (was, want)) in state.iter().zip(&wanted).enumerate() {
                if let (Some((_, cluster)), None) = (was, want) {
                    let document = format!("# about e{name}\n{}", text_of(name, *cluster));
                    prop_assert!(all.contains(&document));
                }
            }
            // Once more changes nothing.
            prop_assert!(change.edits(&of(), &after, &reading).unwrap().is_empty());
        }
    }
}
