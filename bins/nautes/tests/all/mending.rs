//! `nautes validate --fix` and `--diff`: what can be mended is, and everything else stays.

use crate::validate::{API, Desk, environment, json, project};

/// A product whose files have what can be mended, and what cannot.
fn mendable() -> Desk {
    let desk = Desk::new();
    let typo = environment("dev", "worker").replace("envType: test", "envTyp: test # the first one");
    desk.write("envs/dev.yaml", typo);
    desk.write("envs/demo.yaml", environment("demo", "other"));
    desk.write("projects/web/web.yaml", project("web"));
    let runtime = "kind: DeploymentRuntime\nmetadata:\n  name: web\nspec:\n  product: shop\n  projectsRef: [web]\n  manifestSource:\n    codeRepo: 'deplyo'\n    targetRevision: main\n    path: .\n  destination:\n    environment: demo\n";
    desk.write(
        "runtimes/web.yaml",
        format!("{API}\r\n{}", runtime.replace('\n', "\r\n")),
    );
    let repo = "kind: CodeRepo\nmetadata:\n  name: deploy\nspec:\n  product: shop\n  project: web\n  codeRepoProvider: ''\n  deploymentRuntime: true\n";
    desk.write("code-repos/deploy/deploy.yaml", format!("{API}\n{repo}"));
    desk
}

fn text(desk: &Desk, path: &str) -> String {
    std::fs::read_to_string(desk.path().join(path)).unwrap()
}

#[test]
fn what_can_be_mended_is_shown_and_mended() {
    let desk = mendable();
    let before = desk.run(&["-p", "shop"]);
    assert!(before.err.contains("--fix mends 1 of them"), "{}", before.err);
    let shown = desk.run(&["-p", "shop", "--diff"]);
    assert_eq!(shown.code, 1);
    for line in [
        "--- a/envs/dev.yaml",
        "-  envTyp: test # the first one",
        "+  envType: test # the first one",
    ] {
        assert!(shown.out.contains(line), "{line}:\n{}", shown.out);
    }
    assert!(
        text(&desk, "envs/dev.yaml").contains("envTyp:"),
        "nothing is written"
    );
    assert!(!shown.out.contains("codeRepo"), "not while a file cannot be read");
    let mended = desk.run(&["-p", "shop", "--fix"]);
    assert_eq!(mended.code, 1, "{}", mended.err);
    assert!(mended.out.contains("CodeRepoMissing"), "{}", mended.out);
    assert!(mended.err.contains("--fix mends 1 more"), "{}", mended.err);
    assert!(
        mended
            .err
            .contains("mended: envs/dev.yaml:8: Environment/shop/dev: rename spec.envTyp to envType"),
        "{}",
        mended.err
    );
    assert_eq!(
        text(&desk, "envs/dev.yaml"),
        environment("dev", "worker").replace("test\n", "test # the first one\n")
    );
    let again = desk.run(&["-p", "shop", "--fix"]);
    assert_eq!((again.code, again.out.as_str()), (0, ""), "{}", again.err);
    let runtime = text(&desk, "runtimes/web.yaml");
    assert!(runtime.contains("codeRepo: 'deploy'\r\n"), "{runtime:?}");
    assert_eq!(desk.run(&["-p", "shop", "--diff"]).out, "");
}

#[test]
fn a_patch_of_the_difference_is_what_fix_does() {
    let (patched, mended) = (mendable(), mendable());
    let patch = patched.run(&["-p", "shop", "--diff"]).out;
    patched.write("fix.patch", patch);
    patched.git(&["init", "-q"]);
    patched.git(&["apply", "fix.patch"]);
    mended.run(&["-p", "shop", "--fix"]);
    for path in ["envs/dev.yaml", "runtimes/web.yaml"] {
        assert_eq!(text(&patched, path), text(&mended, path));
    }
}

#[test]
fn only_files_on_disk_are_mended_and_only_all_of_them() {
    let desk = mendable();
    desk.git(&["init", "-q"]);
    desk.commit();
    let stdin = desk.run_with(&["-", "--fix"], "kind: Environment\n");
    assert_eq!(stdin.code, 2);
    assert!(
        stdin.err.contains("standard input cannot be written"),
        "{}",
        stdin.err
    );
    let revision = desk.run(&[".@HEAD", "-p", "shop", "--fix"]);
    assert_eq!(revision.code, 2, "{}", revision.err);
    assert!(
        revision.err.contains("a revision cannot be written"),
        "{}",
        revision.err
    );
    let shown = desk.run(&[".@HEAD", "-p", "shop", "--diff"]);
    assert!(
        shown.out.contains("+  envType: test # the first one"),
        "{}",
        shown.out
    );
    let kind = format!(
        "{API}\nkind: Enviroment\nmetadata:\n  name: a\nspec:\n  product: shop\n  cluster: b\n  envType: c\n"
    );
    let shown = desk.run_with(&["-", "--diff"], &kind);
    assert!(
        shown.out.contains("+kind: Environment"),
        "{}\n{}",
        shown.out,
        shown.err
    );
    let at = desk.git(&["status", "--porcelain"]);
    assert_eq!(at, "", "nothing was written");
}

#[test]
fn a_permission_that_is_missing_is_declared_beside_the_repository() {
    let desk = mendable();
    desk.write("projects/other/other.yaml", project("other"));
    let repo = text(&desk, "code-repos/deploy/deploy.yaml");
    desk.write(
        "code-repos/deploy/deploy.yaml",
        repo.replace("project: web", "project: other"),
    );
    desk.run(&["-p", "shop", "--fix"]);
    desk.run(&["-p", "shop", "--fix"]);
    let again = desk.run(&["-p", "shop", "--fix"]);
    assert_eq!(again.code, 0, "{}\n{}", again.out, again.err);
    let mended = text(&desk, "code-repos/deploy/deploy.yaml");
    assert!(
        mended.contains("---\napiVersion: nautes.resource.nautes.io/v1alpha1\nkind: CodeRepoBinding\n"),
        "{mended}"
    );
    assert!(mended.contains("  name: deploy-for-web\n") && mended.contains("permissions: readonly"));
}

#[test]
fn sarif_has_fixes_as_replacements() {
    let log = json(&mendable().run(&["-p", "shop", "-o", "sarif"]));
    let results = log["runs"][0]["results"].as_array().unwrap();
    let fix = results
        .iter()
        .find(|r| r["ruleId"] == "ManifestFieldUnknown")
        .map(|r| &r["fixes"][0])
        .unwrap();
    assert_eq!(
        fix["artifactChanges"][0],
        serde_json::json!({
            "artifactLocation": { "uri": "envs/dev.yaml" },
            "replacements": [{
                "deletedRegion": { "startLine": 8, "startColumn": 3, "endLine": 8, "endColumn": 9 },
                "insertedContent": { "text": "envType" },
            }],
        })
    );
    let text = fix["description"]["text"].as_str().unwrap();
    assert_eq!(text, "Environment/shop/dev: rename spec.envTyp to envType");
}
