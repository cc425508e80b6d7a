//! `nautes validate`: what it reads, what it says, and in which forms.

use std::path::Path;

use serde_json::Value;

use crate::kit::{Run, program, run};

pub(crate) const API: &str = "apiVersion: nautes.resource.nautes.io/v1alpha1";

/// A folder in which the program is run.
pub(crate) struct Desk(tempfile::TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let file = self.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
        self
    }

    /// Runs the program with any words.
    pub(crate) fn nautes(&self, words: &[&str], input: &str) -> Run {
        run(program(self.path()).current_dir(self.path()).args(words), input)
    }

    /// Runs `nautes validate`.
    pub(crate) fn run(&self, words: &[&str]) -> Run {
        self.run_with(words, "")
    }

    pub(crate) fn run_with(&self, words: &[&str], input: &str) -> Run {
        let mut command = program(self.path());
        run(
            command.current_dir(self.path()).arg("validate").args(words),
            input,
        )
    }

    pub(crate) fn git(&self, words: &[&str]) -> String {
        #[expect(clippy::disallowed_methods, reason = "what git makes is read")]
        let mut git = std::process::Command::new("git");
        git.env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .current_dir(self.path())
            .args([
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@b",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(words);
        let run = run(&mut git, "");
        assert_eq!(run.code, 0, "{words:?}: {}", run.err);
        run.out.trim().to_owned()
    }

    pub(crate) fn commit(&self) {
        if !self.path().join(".git").exists() {
            self.git(&["init", "-q"]);
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", "x"]);
    }
}

pub(crate) fn environment(name: &str, cluster: &str) -> String {
    format!(
        "{API}\nkind: Environment\nmetadata:\n  name: {name}\nspec:\n  product: shop\n  cluster: {cluster}\n  envType: test\n"
    )
}

pub(crate) fn project(name: &str) -> String {
    format!("{API}\nkind: Project\nmetadata:\n  name: {name}\nspec:\n  product: shop\n  language: rust\n")
}

/// A product with one good file, one with an unknown field, one that is no YAML and one with a warning.
fn faulty() -> Desk {
    let desk = Desk::new();
    desk.write("envs/dev.yaml", environment("dev", "worker"));
    desk.write(
        "envs/demo.yaml",
        environment("demo", "worker").replace("cluster:", "clutser:"),
    );
    desk.write("envs/torn.yaml", "kind: Environment\nspec: [\n");
    desk.write("projects/web/web.yaml", project("web"));
    desk.write("projects/other/web.yaml", project("web"));
    desk
}

pub(crate) fn json(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", run.out, run.err))
}

fn rules(run: &Run) -> Vec<String> {
    let shown = json(run);
    let all = shown["findings"].as_array().unwrap();
    all.iter()
        .map(|f| f["rule"].as_str().unwrap().to_owned())
        .collect()
}

fn golden(name: &str, text: &str) {
    golden_of("validate", name, text);
}

/// Compares with a file beside the tests; `UPDATE=1` writes it.
pub(crate) fn golden_of(folder: &str, name: &str, text: &str) {
    let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(folder)
        .join(name);
    #[expect(clippy::disallowed_methods, reason = "a test is told by the environment")]
    if std::env::var("UPDATE").is_ok_and(|v| v == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{name} is another (UPDATE=1 writes it):\n{text}");
}

#[test]
fn every_form_says_the_same() {
    let desk = faulty();
    for (format, name) in [
        ("text", "faulty.txt"),
        ("json", "faulty.json"),
        ("sarif", "faulty.sarif"),
        ("junit", "faulty.xml"),
        ("github", "faulty.github"),
        ("gitlab", "faulty.gitlab.json"),
    ] {
        let run = desk.run(&["-p", "shop", "-o", format]);
        assert_eq!(run.code, 1, "{format}: {}", run.err);
        golden(name, &run.out);
        assert!(run.err.contains("errors"), "{}", run.err);
    }
}

#[test]
fn sarif_has_what_readers_of_sarif_ask_for() {
    let log = json(&faulty().run(&["-o", "sarif"]));
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("sarif-2.1.0.json"));
    let [run] = log["runs"].as_array().unwrap().as_slice() else {
        panic!("one run");
    };
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "nautes");
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        for field in ["shortDescription", "fullDescription", "help"] {
            let text = rule[field]["text"].as_str();
            assert!(text.is_some_and(|t| t.len() > 10), "{field} of {rule}");
        }
        assert!(["error", "warning"].contains(&rule["defaultConfiguration"]["level"].as_str().unwrap()));
    }
    let results = run["results"].as_array().unwrap();
    assert!(results.len() >= 3);
    let mut prints = std::collections::BTreeSet::new();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.starts_with('/') && !uri.contains('\\'), "{uri}");
        let region = &place["region"];
        assert!(region["startLine"].as_u64().unwrap() >= 1);
        if let Some(end) = region["endColumn"].as_u64() {
            assert!(end > region["startColumn"].as_u64().unwrap());
        }
        let print = result["partialFingerprints"]["nautes/v1"].as_str().unwrap();
        assert!(prints.insert(print.to_owned()), "{print} twice");
    }
}

#[test]
fn fingerprints_stay_when_lines_move() {
    let desk = faulty();
    let prints = |run: &Run| -> Vec<String> {
        let all = json(run);
        let all = all.as_array().unwrap().iter();
        all.map(|f| f["fingerprint"].as_str().unwrap().to_owned())
            .collect()
    };
    let before = desk.run(&["-o", "gitlab"]);
    let text = std::fs::read_to_string(desk.path().join("envs/demo.yaml")).unwrap();
    desk.write("envs/demo.yaml", format!("# one\n# two\n{text}"));
    let after = desk.run(&["-o", "gitlab"]);
    assert_ne!(before.out, after.out);
    assert_eq!(prints(&before), prints(&after));
}

#[test]
fn only_errors_end_with_1_unless_warnings_are_denied() {
    let desk = Desk::new();
    let mark = format!("\u{feff}{}", project("web"));
    desk.write("projects/web/web.yaml", mark);
    assert_eq!(desk.run(&[]).code, 0);
    let denied = desk.run(&["--deny-warnings"]);
    assert_eq!(denied.code, 1, "{}{}", denied.out, denied.err);
    desk.write("projects/web/web.yaml", project("web"));
    assert_eq!(desk.run(&["--deny-warnings"]).code, 0);
}

#[test]
fn ten_thousand_findings_are_a_hundred_and_a_count() {
    let one = |i: usize| {
        format!(
            "---\n{}",
            project(&format!("p-{i}")).replace("language", "langauge")
        )
    };
    let text: String = (0..10_000).map(one).collect();
    let desk = Desk::new();
    desk.write("a.yaml", &text[..text.len() / 20])
        .write("b.yaml", text);
    let run = desk.run(&["a.yaml"]);
    assert_eq!(run.out.matches("error[").count(), 100, "{}", run.err);
    assert!(run.err.contains("more are not shown"), "{}", run.err);
    let run = desk.run(&["a.yaml", "--max-findings", "3"]);
    assert_eq!(run.out.matches("error[").count(), 3);
    let all = desk.run(&["a.yaml", "--max-findings", "0"]);
    assert!(all.out.matches("error[").count() > 500);
    assert_eq!(desk.run(&["b.yaml"]).code, 1);
}

#[test]
fn what_a_change_adds_counts_and_what_was_wrong_before_does_not() {
    let desk = faulty();
    desk.commit();
    let same = desk.run(&["--changed-since", "HEAD", "-o", "json"]);
    assert_eq!(same.code, 0, "{}{}", same.out, same.err);
    assert!(
        json(&same)["standing"].as_array().unwrap().len() >= 3,
        "{}",
        same.out
    );

    desk.write(
        "envs/dev.yaml",
        environment("dev", "worker").replace("envType: test", "envType: [x]"),
    );
    let added = desk.run(&["--changed-since", "HEAD", "-o", "json"]);
    assert_eq!(added.code, 1);
    let files: Vec<_> = json(&added)["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["file"].as_str().unwrap().to_owned())
        .collect();
    assert!(files.iter().all(|file| file == "envs/dev.yaml"), "{files:?}");

    // A broken file that is touched and stays broken is the change's own.
    desk.commit();
    desk.write("envs/torn.yaml", "kind: Environment\nspec: [1,\n");
    assert_eq!(desk.run(&["--changed-since", "HEAD"]).code, 1);
    desk.write("envs/torn.yaml", environment("torn", "worker"));
    let mended = desk.run(&["--changed-since", "HEAD"]);
    assert_eq!(mended.code, 0, "{}{}", mended.out, mended.err);

    let unknown = desk.run(&["--changed-since", "mian"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("did you mean main?"), "{}", unknown.err);
}

#[test]
fn revisions_folders_files_and_stdin_are_laid_over_each_other() {
    let desk = Desk::new();
    desk.write("envs/dev.yaml", environment("dev", "worker"));
    desk.write("projects/web/web.yaml", project("web"));
    desk.commit();
    desk.write("envs/dev.yaml", "kind: [");
    assert_eq!(desk.run(&[]).code, 1);
    assert_eq!(desk.run(&["@HEAD"]).code, 0);
    assert_eq!(desk.run(&[".@main:envs"]).code, 0);
    // A folder over a revision is the tree with my edits.
    assert_eq!(desk.run(&["@HEAD", "."]).code, 1);
    let edited = desk.run_with(&[".", "-p", "shop", "-"], &environment("dev", "other"));
    assert_eq!(edited.code, 1, "the broken file is still there");
    let over = desk.run_with(&["@HEAD", "-", "-o", "json"], &environment("dev", "other"));
    assert_eq!(over.code, 0, "{}", over.out);
    assert!(over.out.contains("1 resource is replaced"), "{}", over.out);
    assert!(
        over.out.contains("\"other\"") && !over.out.contains("\"worker\""),
        "{}",
        over.out
    );
    // Files in one layer are as `apply` takes them.
    desk.write("a.yaml", project("web"))
        .write("b.yaml", project("web"));
    assert_eq!(desk.run(&["a.yaml", "b.yaml"]).code, 1);
}

#[test]
fn a_tenant_and_its_products_are_judged_together() {
    let desk = Desk::new();
    let root = "tenant/nautes/overlays/production";
    desk.write(
        &format!("{root}/products/shop.yaml"),
        format!("{API}\nkind: Product\nmetadata:\n  name: shop\nspec:\n  name: shop-group\n"),
    );
    desk.write(
        "shop-group/default.project/envs/dev.yaml",
        environment("dev", "no-such"),
    );
    let apart = desk.run(&["shop-group/default.project", "-o", "json"]);
    assert_eq!(apart.code, 0, "{}", apart.out);
    let run = desk.run(&["-o", "json"]);
    assert_eq!(run.code, 1, "{}", run.err);
    assert!(
        rules(&run).contains(&"EnvironmentClusterMissing".to_owned()),
        "{}",
        run.out
    );
    assert_eq!(json(&run)["notChecked"].as_array().unwrap().len(), 0);
    let file = json(&run)["findings"][0]["file"].as_str().unwrap().to_owned();
    assert!(desk.path().join(&file).exists(), "{file}");
    assert!(
        run.out.contains("Environment") && !run.out.contains("ManifestProduct"),
        "{}",
        run.out
    );
}

#[test]
fn a_generated_platform_is_read_whole() {
    let desk = Desk::new();
    let made = run(
        program(desk.path())
            .current_dir(desk.path())
            .args(["generate", "300", "--out", "made"]),
        "",
    );
    assert_eq!(made.code, 0, "{}", made.err);
    let run = desk.run(&["made", "-o", "json"]);
    assert_eq!(run.code, 0, "{}", run.out);
    let shown = json(&run);
    assert!(
        shown["summary"]["resources"].as_u64().unwrap() >= 300,
        "{}",
        shown["summary"]
    );
    assert_eq!(shown["notChecked"].as_array().unwrap().len(), 0);
    assert_eq!(shown["notes"].as_array().unwrap().len(), 0, "{}", shown["notes"]);
}

#[test]
fn everything_that_cannot_be_read_is_said_at_once() {
    let desk = Desk::new();
    desk.write("envs.yaml", project("web"));
    let run = desk.run(&["env.yaml", "no@HEAD", "@HEAD", "x-*.yaml"]);
    assert_eq!(run.code, 2);
    for part in [
        "4 inputs cannot be read",
        "did you mean envs.yaml?",
        "no@HEAD: no such file or folder",
        "not in a Git repository",
        "x-*.yaml: no file is named so",
    ] {
        assert!(run.err.contains(part), "{part}\n{}", run.err);
    }
    let empty = Desk::new();
    assert_eq!(empty.run(&[]).code, 2);
}

#[cfg(unix)]
#[test]
fn bad_entries_of_a_folder_are_findings_beside_the_others() {
    let desk = faulty();
    desk.write("envs/utf.yaml", b"kind: \xff");
    desk.write("envs/large.yaml", vec![b'#'; (1 << 20) + 1]);
    std::os::unix::fs::symlink("dev.yaml", desk.path().join("envs/link.yaml")).unwrap();
    let run = desk.run(&[]);
    assert_eq!(run.code, 1);
    for part in [
        "ManifestEncoding",
        "envs/utf.yaml:1:7",
        "a symbolic link is not followed",
        "1048577 bytes, 1048576 are read",
        "did you mean cluster?",
    ] {
        assert!(run.out.contains(part), "{part}\n{}", run.out);
    }
    let loose = Desk::new();
    loose.write("a.yaml", project("web"));
    std::os::unix::fs::symlink("a.yaml", loose.path().join("b.yaml")).unwrap();
    let run = loose.run(&[]);
    assert_eq!(run.code, 0);
    assert!(run.err.contains("links are not followed: b.yaml"), "{}", run.err);
    assert_eq!(loose.run(&["b.yaml"]).code, 0);
}

#[test]
fn a_secret_is_never_shown() {
    let head = format!("{API}\nkind: Cluster\nspec:\n  name: a\n  apiServer: nonsense\n");
    for rest in [
        "  kubeconfig: |\n    token: canary-1\n    user: canary-2\n  usgae: host\n",
        "  usage: 7\n  kubeconfig: |\n  token: canary-1\n    canary-2: [\n",
        "  kubeconfig: |\n apiVersion: v1\n users:\n - user: {token: canary-1}\ncanary-2\n",
        "  kubeconfig: {a: [canary-1, canary-2}\n  usage: host\n",
        "  kubeconfig: \"canary-1\n\n   canary-2\n  b: [\n",
        "  kubeconfig: canary-1\n  kubeconfig: canary-2\n",
        "  kubeconfig:\n  - canary-1\n  - canary-2\n",
        "kubeconfig: canary-1\ntoken: canary-2\n",
    ] {
        for format in ["text", "json", "sarif", "junit", "github", "gitlab"] {
            let run = Desk::new().run_with(&["-", "-o", format], &format!("{head}{rest}"));
            assert_eq!(run.code, 1, "{rest}{}", run.out);
            let all = format!("{}{}", run.out, run.err);
            assert!(!all.contains("canary"), "{format}: {rest}\n{all}");
        }
    }
}

#[test]
fn a_text_cannot_take_over_the_terminal_or_the_log() {
    let text = format!(
        "{API}\nkind: Project\nspec:\n  name: \"a\\e[31m\\n::error::x\"\n  lang\u{1b}[2Juage: rust\n"
    );
    let run = Desk::new().run_with(&["-"], &text);
    assert_eq!(run.code, 1);
    assert!(!run.out.contains('\u{1b}'), "{:?}", run.out);
    let run = Desk::new().run_with(&["-", "-o", "github"], &text);
    assert!(run.out.lines().all(|line| line.starts_with("::")), "{}", run.out);
    assert!(!run.out.contains("\n::error::x"), "{}", run.out);
}

const LANGUAGE: &str = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Rule
metadata: {name: LanguageKnown}
spec:
  severity: error
  summary: projects are written in languages that we know
  explanation: nobody can help with others
  match: {kinds: [Project]}
  assert: self.spec.language in ['rust', 'go']
  messageExpression: \"self.spec.language + ' is not known here'\"
  field: spec.language
  hint: ask for help with another language first
  examples:
    bad: |
      apiVersion: nautes.resource.nautes.io/v1alpha1
      kind: Project
      metadata: {name: web}
      spec: {product: shop, language: cobol}
    good: |
      apiVersion: nautes.resource.nautes.io/v1alpha1
      kind: Project
      metadata: {name: web}
      spec: {product: shop, language: rust}
";

#[test]
fn rules_of_a_file_judge_and_are_tried_on_their_examples() {
    let desk = Desk::new();
    let project = format!(
        "{API}\nkind: Project\nmetadata: {{name: old}}\nspec: {{product: shop, language: fortran}}\n"
    );
    desk.write("rules.yaml", LANGUAGE)
        .write("shop/project.yaml", project);
    assert_eq!(desk.run(&["shop", "-p", "shop"]).code, 0);
    let judged = desk.run(&["shop", "-p", "shop", "--rules", "rules.yaml"]);
    assert_eq!(judged.code, 1, "{}{}", judged.out, judged.err);
    assert!(judged.out.contains("LanguageKnown"), "{}", judged.out);
    assert!(judged.out.contains("fortran is not known here"), "{}", judged.out);
    assert!(!judged.out.contains("RuleExample"), "{}", judged.out);
    // An example that does not do what it should is found even if nothing else is.
    desk.write("rules.yaml", LANGUAGE.replace("cobol", "go"));
    let tried = desk.run(&["rules.yaml", "--rules", "rules.yaml", "-o", "json"]);
    assert_eq!(tried.code, 1, "{}{}", tried.out, tried.err);
    assert!(tried.out.contains("RuleExample"), "{}", tried.out);
    for (name, text) in [
        ("none.yaml", None),
        ("large.yaml", Some(vec![b' '; (1 << 20) + 1])),
    ] {
        if let Some(text) = text {
            desk.write(name, text);
        }
        let refused = desk.run(&["shop", "--rules", name]);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{name}");
        assert!(refused.err.contains(name), "{}", refused.err);
    }
}
