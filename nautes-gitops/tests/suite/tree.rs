//! From revisions to scopes.

use std::collections::BTreeMap;

use nautes_gitops::repo::{CommitSpec, Limits, Signature};
use nautes_gitops::{Mirror, Oid, Paths, Reading, RepoRef, TreeReader};
use nautes_model::Kind;
use tempfile::TempDir;

use super::kit::environment_text;

struct Tree {
    _dir: TempDir,
    mirror: Mirror,
    tip: Option<Oid>,
}

impl Tree {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let mirror = Mirror::open_or_create(dir.path().join("m")).await.unwrap();
        Self {
            _dir: dir,
            mirror,
            tip: None,
        }
    }

    async fn commit(&mut self, edits: &[(&str, Option<&str>)]) -> Oid {
        let who = Signature {
            name: "a".into(),
            email: "a@b".into(),
            seconds: 0,
        };
        let edits: BTreeMap<_, _> = edits
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.map(|text| text.as_bytes().to_vec())))
            .collect();
        let spec = CommitSpec {
            parent: self.tip,
            edits,
            author: who.clone(),
            committer: who,
            message: "x".to_owned(),
            trailers: vec![],
        };
        self.tip = self.mirror.commit(spec).await.unwrap();
        self.tip.unwrap()
    }

    async fn commit_bytes(&mut self, path: &str, bytes: &[u8]) {
        let who = Signature {
            name: "a".into(),
            email: "a@b".into(),
            seconds: 0,
        };
        let spec = CommitSpec {
            parent: self.tip,
            edits: [(path.to_owned(), Some(bytes.to_vec()))].into(),
            author: who.clone(),
            committer: who,
            message: "x".to_owned(),
            trailers: vec![],
        };
        self.tip = self.mirror.commit(spec).await.unwrap();
    }

    async fn read(&self, before: &Paths) -> Reading {
        TreeReader::new(product())
            .read(&self.mirror, self.tip.unwrap(), before)
            .await
            .unwrap()
    }
}

fn product() -> RepoRef {
    RepoRef::Product("demo".parse().unwrap())
}

fn names(reading: &Reading) -> Vec<String> {
    reading
        .scope
        .resources()
        .iter()
        .map(|resource| resource.identity.to_string())
        .collect()
}

/// What is held: path, and identities.
fn held(reading: &Reading) -> Vec<(String, Vec<String>)> {
    let text = |ids: &[nautes_model::Identity]| ids.iter().map(ToString::to_string).collect();
    reading
        .scope
        .broken()
        .iter()
        .map(|broken| (broken.path.clone(), text(&broken.identities)))
        .collect()
}

fn holding(path: &str, ids: &[&str]) -> (String, Vec<String>) {
    (path.to_owned(), ids.iter().map(|id| (*id).to_owned()).collect())
}

#[tokio::test]
async fn good_files_become_resources_and_others_are_ignored() {
    let mut tree = Tree::new().await;
    tree.commit(&[
        ("envs/dev.yaml", Some(&environment_text("dev"))),
        (
            "envs/more.yaml",
            Some(&format!(
                "{}---\n{}",
                environment_text("a"),
                environment_text("b")
            )),
        ),
        ("envs/.gitkeep", Some("")),
        ("README.md", Some("envs: [")),
        ("templates/envs/x.yaml", Some("envs: [")),
        ("production/kustomization.yaml", Some("[")),
    ])
    .await;
    let reading = tree.read(&Paths::new()).await;
    assert_eq!(
        names(&reading),
        ["Environment/demo/a", "Environment/demo/b", "Environment/demo/dev"]
    );
    assert_eq!(
        (reading.findings.as_slice(), reading.scope.broken()),
        (&[][..], &[][..])
    );
    assert!(reading.complete);
    assert_eq!(reading.revision, tree.tip);
    assert_eq!(reading.paths["envs/more.yaml"].len(), 2);
}

#[tokio::test]
async fn a_broken_file_holds_what_it_declared_with_and_without_memory() {
    let mut tree = Tree::new().await;
    tree.commit(&[
        ("envs/dev.yaml", Some(&environment_text("dev"))),
        ("envs/b.yaml", Some(&environment_text("b"))),
    ])
    .await;
    let before = tree.read(&Paths::new()).await;
    for broken in ["kind: [", "", "\u{0}", "kind: Environment", "a: 1\na: 2"] {
        tree.commit(&[("envs/dev.yaml", Some(broken))]).await;
        for record in [&before.paths, &Paths::new()] {
            let reading = tree.read(record).await;
            assert_eq!(names(&reading), ["Environment/demo/b"], "{broken:?}");
            assert_eq!(
                held(&reading),
                [holding("envs/dev.yaml", &["Environment/demo/dev"])],
                "{broken:?}"
            );
            assert!(!reading.findings.is_empty());
        }
    }
    // The record of a broken reading remembers on.
    let reading = tree.read(&before.paths).await;
    assert_eq!(held(&tree.read(&reading.paths).await), held(&reading));
    // Gone is gone.
    tree.commit(&[("envs/dev.yaml", None)]).await;
    assert_eq!(held(&tree.read(&reading.paths).await), []);
}

#[tokio::test]
async fn a_file_that_is_half_broken_keeps_its_good_half() {
    let mut tree = Tree::new().await;
    let (a, b) = (environment_text("a"), environment_text("b"));
    tree.commit(&[("envs/all.yaml", Some(&format!("{a}---\n{b}")))])
        .await;
    let wrong = b.replace("envType: test", "envTyp: test");
    tree.commit(&[("envs/all.yaml", Some(&format!("{a}---\n{wrong}")))])
        .await;
    let reading = tree.read(&Paths::new()).await;
    assert_eq!(names(&reading), ["Environment/demo/a"]);
    assert_eq!(
        held(&reading),
        [holding("envs/all.yaml", &["Environment/demo/b"])]
    );
    // Declared elsewhere, it is held no more.
    tree.commit(&[("envs/b.yaml", Some(&b))]).await;
    let reading = tree.read(&reading.paths).await;
    assert_eq!(names(&reading), ["Environment/demo/a", "Environment/demo/b"]);
    assert_eq!(held(&reading), [holding("envs/all.yaml", &[])]);
}

#[tokio::test]
async fn what_stands_in_the_place_of_a_folder_holds_all_of_it() {
    let mut tree = Tree::new().await;
    tree.commit(&[
        ("envs/a.yaml", Some(&environment_text("a"))),
        ("envs/b.yaml", Some(&environment_text("b"))),
    ])
    .await;
    let before = tree.read(&Paths::new()).await;
    tree.commit(&[("envs/a.yaml", None), ("envs/b.yaml", None)]).await;
    tree.commit(&[("envs", Some("not a folder"))]).await;
    for record in [&before.paths, &Paths::new()] {
        let reading = tree.read(record).await;
        assert_eq!(
            held(&reading),
            [holding("envs", &["Environment/demo/a", "Environment/demo/b"])]
        );
    }
}

#[tokio::test]
async fn what_does_not_belong_is_named_with_the_way_out() {
    let mut tree = Tree::new().await;
    tree.commit(&[
        ("envs/sub/dev.yaml", Some(&environment_text("dev"))),
        ("runtimes/dev.yaml", Some(&environment_text("dev2"))),
        (
            "envs/foreign.yaml",
            Some(&environment_text("x").replace("product: demo", "product: other")),
        ),
    ])
    .await;
    let reading = tree.read(&Paths::new()).await;
    assert_eq!(names(&reading), [] as [&str; 0]);
    let rules: Vec<_> = reading
        .findings
        .iter()
        .map(|f| (&*f.file, f.rule.as_str(), f.hint.is_some()))
        .collect();
    assert_eq!(rules[0].0, "envs/foreign.yaml");
    assert_eq!(
        rules[1..],
        [
            ("envs/sub/dev.yaml", "TreeMisplaced", true),
            ("runtimes/dev.yaml", "TreeKind", true)
        ]
    );
}

#[tokio::test]
async fn a_tree_that_is_not_read_to_its_end_holds_the_rest() {
    let mut tree = Tree::new().await;
    let texts: Vec<(String, String)> = (0..20)
        .map(|n| {
            (
                format!("envs/e{n:02}.yaml"),
                environment_text(&format!("e{n:02}")),
            )
        })
        .collect();
    let edits: Vec<_> = texts
        .iter()
        .map(|(path, text)| (path.as_str(), Some(text.as_str())))
        .collect();
    tree.commit(&edits).await;
    let before = tree.read(&Paths::new()).await;
    let reader = TreeReader::new(product()).limits(Limits {
        entries: 10,
        ..Limits::default()
    });
    let reading = reader
        .read(&tree.mirror, tree.tip.unwrap(), &before.paths)
        .await
        .unwrap();
    assert!(!reading.complete);
    let read = names(&reading).len();
    let held: usize = reading
        .scope
        .broken()
        .iter()
        .map(|broken| broken.identities.len())
        .sum();
    assert!(read < 20);
    assert_eq!(read + held, 20);
    // Nor does it forget when it happens again.
    let again = reader
        .read(&tree.mirror, tree.tip.unwrap(), &reading.paths)
        .await
        .unwrap();
    assert_eq!(again.scope.broken(), reading.scope.broken());
    let whole = tree.read(&again.paths).await;
    assert_eq!((names(&whole).len(), whole.scope.broken()), (20, &[][..]));
}

#[tokio::test]
async fn an_older_version_within_the_history_is_found_past_broken_ones() {
    let mut tree = Tree::new().await;
    tree.commit(&[("envs/dev.yaml", Some(&environment_text("old")))])
        .await;
    tree.commit(&[("envs/dev.yaml", Some(&environment_text("dev")))])
        .await;
    for number in 0..5 {
        tree.commit(&[("envs/dev.yaml", Some(&format!("broken: [{number}")))])
            .await;
    }
    assert_eq!(
        held(&tree.read(&Paths::new()).await),
        [holding("envs/dev.yaml", &["Environment/demo/dev"])]
    );
}

#[tokio::test]
async fn the_tenant_is_read_from_its_folder() {
    let mut tree = Tree::new().await;
    let provider = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: ProductProvider\nmetadata:\n  name: p\n\
                    spec:\n  name: gitlab\n  type: coderepo\n";
    tree.commit(&[
        (
            "nautes/overlays/production/product-provider/p.yaml",
            Some(provider),
        ),
        ("nautes/overlays/production/kustomization.yaml", Some("[")),
        ("nautes/base/broken.yaml", Some("[")),
        ("nautes/overlays/production/clusters/c.yaml", Some("[")),
    ])
    .await;
    let reader = TreeReader::new(RepoRef::Tenant);
    let reading = reader
        .read(&tree.mirror, tree.tip.unwrap(), &Paths::new())
        .await
        .unwrap();
    assert_eq!(reading.scope.broken().len(), 1, "{:?}", reading.findings);
    let kinds: Vec<_> = reading
        .scope
        .resources()
        .iter()
        .map(|r| r.identity.kind)
        .collect();
    assert_eq!(kinds, [Kind::ProductProvider]);
}

async fn tenant(tree: &Tree) -> Reading {
    TreeReader::new(RepoRef::Tenant)
        .read(&tree.mirror, tree.tip.unwrap(), &Paths::new())
        .await
        .unwrap()
}

const ADDED: &str = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Catalogue
spec:
  components:
    - {name: kong, slots: [gateway]}
";

#[tokio::test]
async fn what_a_tenant_adds_to_the_catalogue_is_read_with_it() {
    let mut tree = Tree::new().await;
    tree.commit(&[
        ("nautes/catalogue.yaml", Some(ADDED)),
        ("nautes/other.yaml", Some("x: 1")),
    ])
    .await;
    let reading = tenant(&tree).await;
    assert_eq!(reading.findings, []);
    let catalogue = reading.scope.tenant().unwrap().catalogue.unwrap();
    assert_eq!(catalogue.components[0].name, "kong");
    assert!(!catalogue.incomplete);
}

#[tokio::test]
async fn a_catalogue_that_cannot_be_read_is_unknown_and_not_empty() {
    let mut tree = Tree::new().await;
    tree.commit(&[("nautes/catalogue.yaml", Some("kind: [\n"))]).await;
    let reading = tenant(&tree).await;
    assert_eq!(reading.findings.len(), 1);
    assert!(reading.scope.tenant().unwrap().catalogue.unwrap().incomplete);
    tree.commit(&[("nautes/catalogue.yaml", None)]).await;
    assert_eq!(tenant(&tree).await.scope.tenant().unwrap().catalogue, None);
}

#[tokio::test]
async fn a_catalogue_among_the_files_of_a_product_is_told_where_to_go() {
    let mut tree = Tree::new().await;
    tree.commit(&[("envs/catalogue.yaml", Some(ADDED))]).await;
    let reading = tree.read(&Paths::new()).await;
    assert_eq!(reading.findings.len(), 1);
    let hint = reading.findings[0].hint.as_deref().unwrap();
    assert_eq!(hint, "move it to nautes/catalogue.yaml of the tenant repository");
}

const RULES: &str = "nautes/overlays/production/rules/own.yaml";

fn rule(name: &str) -> String {
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Rule
metadata: {{name: {name}}}
spec: {{summary: it is so, match: {{kinds: [Environment]}}, assert: 'true'}}
"
    )
}

/// The texts of the files of rules, and what is held of each.
fn rules(reading: Reading) -> Vec<(String, Option<String>)> {
    let rules = reading.scope.tenant().unwrap().rules;
    let text =
        |rules: nautes_model::scope::RuleFile| (rules.text.to_string(), rules.held.map(|h| h.to_string()));
    rules.into_iter().map(text).collect()
}

#[tokio::test]
async fn the_last_good_version_of_rules_is_held_until_they_can_be_read_again() {
    let mut tree = Tree::new().await;
    let (first, second) = (rule("First"), rule("Second"));
    tree.commit(&[(RULES, Some(&first))]).await;
    assert_eq!(rules(tenant(&tree).await), [(first.clone(), None)]);
    // Every reader of these tests begins without memory, as after a restart.
    for broken in ["kind: Rule\nspec: [", "", &second.replace("'true'", "'nothing('")] {
        tree.commit(&[(RULES, Some(broken))]).await;
        assert_eq!(
            rules(tenant(&tree).await),
            [(broken.to_owned(), Some(first.clone()))]
        );
    }
    tree.commit(&[(RULES, Some(&second))]).await;
    assert_eq!(rules(tenant(&tree).await), [(second.clone(), None)]);
    // Not a text, and what lies in the place of the file, hold it too.
    tree.tip = None;
    tree.commit(&[(RULES, Some(&first))]).await;
    tree.commit_bytes(RULES, b"kind: \xff\xfe").await;
    let reading = tenant(&tree).await;
    assert_eq!(reading.findings.len(), 1);
    assert_eq!(rules(reading), [(String::new(), Some(first.clone()))]);
    tree.commit(&[(RULES, None)]).await;
    assert_eq!(rules(tenant(&tree).await), []);
}

#[tokio::test]
async fn rules_that_never_were_good_are_held_by_nothing() {
    let mut tree = Tree::new().await;
    tree.commit(&[(RULES, Some("kind: Rule"))]).await;
    assert_eq!(rules(tenant(&tree).await), [("kind: Rule".to_owned(), None)]);
}
