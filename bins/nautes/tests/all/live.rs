//! What the server explains and compares: the rules of the organisation, and revisions of a product.

use nautes::local::demo::stage::Stage;
use nautes::settings::Environment;
use serde_json::Value;

use crate::kit::{ONE_PLATFORM, example, program, run};

const RULE: &str = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Rule
metadata:
  name: AcmeLanguage
spec:
  severity: warning
  summary: projects are written in rust
  explanation: we can repair nothing else
  match:
    kinds: [Project]
  assert: self.spec.language == 'rust'
  message: another language than ours
  field: spec.language
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

#[tokio::test(flavor = "multi_thread")]
async fn the_server_explains_its_own_rules_and_compares_revisions() {
    let _one = ONE_PLATFORM.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let instance = crate::kit::platform(dir.path().join("platform")).await;
    let stage = Stage::of(instance.data(), instance.remembered(), &Environment::read())
        .await
        .unwrap();
    let server = instance.url("api").unwrap();
    let done = |words: &[&str], input: &str| {
        let mut command = program(dir.path());
        command
            .args(words)
            .env("NAUTES_SERVER", &server)
            .env("NAUTES_TOKEN", &instance.remembered().users["alice"]);
        tokio::task::block_in_place(|| run(&mut command, input))
    };

    let tree = stage.admin.git.clone_of("nautes/management").await.unwrap();
    tree.write("nautes/overlays/production/rules/acme.yaml", RULE)
        .unwrap();
    tree.push("main", "a rule of ours").await.unwrap();
    let here = done(&["explain", "AcmeLanguage"], "");
    assert_eq!(here.code, 4, "{here:?}");
    assert!(
        here.err.contains("nautes explain --live AcmeLanguage"),
        "{}",
        here.err
    );
    for words in [
        &["explain", "--live", "acmelanguage"][..],
        &["explain", "AcmeLanguage", "--server", &server],
    ] {
        let there = done(words, "");
        assert_eq!(there.code, 0, "{there:?}");
        for part in [
            "RULE:      AcmeLanguage\nSEVERITY:  warning",
            "We can repair nothing else.",
            "language: cobol",
            "language: rust",
        ] {
            assert!(there.out.contains(part), "{part}: {}", there.out);
        }
    }
    let near = done(&["explain", "--live", "AcmeLanguag"], "");
    assert_eq!(near.code, 4, "{near:?}");
    assert!(near.err.contains("did you mean AcmeLanguage?"), "{}", near.err);

    // Where both know a thing, they say the same of it.
    for words in [
        &["environment"][..],
        &["dr.spec.destination", "-r"],
        &["cluster.spec.workerType", "-o", "json"],
        &["ppr", "-o", "json", "-r"],
        &["codeRepoProvider"],
        &["EnvironmentMissing"],
        &["environmentmissing", "-o", "yaml"],
        &["CodeRepoMissing"],
    ] {
        let own = done(&[&["explain"], words].concat(), "");
        let told = done(&[&["explain", "--live"], words].concat(), "");
        assert_eq!((own.code, told.code), (0, 0), "{words:?}: {told:?}");
        assert_eq!(own.out, told.out, "{words:?}");
    }
    let own = done(&["explain"], "");
    let told = done(&["explain", "--live"], "");
    let more: Vec<&str> = told.out.lines().filter(|line| !own.out.contains(line)).collect();
    assert_eq!(
        more,
        ["AcmeLanguage                      projects are written in rust"]
    );
    let missing = done(&["explain", "--live", "env.spec.enviroment"], "");
    assert_eq!(missing.code, 4, "{missing:?}");
    assert!(
        missing.err.contains("environment.spec has no field"),
        "{}",
        missing.err
    );

    // Revisions.
    let hello = std::fs::read_to_string(example("hello.yaml")).unwrap();
    let first = done(&["apply", "-i", "-f", "-", "-o", "json"], &hello);
    assert_eq!(first.code, 0, "{first:?}");
    let project = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\nmetadata: {name: api}\nspec: \
                   {product: hello, language: rust}\n";
    let second = done(&["apply", "-f", "-", "-o", "json"], project);
    let commit = |said: &str| {
        let said: Value = serde_json::from_str(said).unwrap();
        let all = said["repositories"].as_array().unwrap();
        let of_product = all.iter().find(|r| r["repository"] == "hello/default.project");
        of_product.unwrap()["commit"].as_str().unwrap().to_owned()
    };
    let (first, second) = (commit(&first.out), commit(&second.out));
    for to in [&["--to", &second][..], &["--to", "main"], &[]] {
        let words = [&["plan", "hello", "--live", "--from", &first], to].concat();
        let plan = done(&words, "");
        assert_eq!(plan.code, 1, "{plan:?}");
        assert!(
            plan.out.contains(&format!("(hello {})", &first[..12]))
                && plan.out.contains(&format!("(hello {})", &second[..12])),
            "{}",
            plan.out
        );
        assert!(plan.out.contains("+ Project/hello/api"), "{}", plan.out);
    }
    let file = dir.path().join("plan.json").display().to_string();
    let back = [
        "plan", "-p", "hello", "--live", "--from", &second, "--to", &first, "-o", "json", "--out", &file,
    ];
    let back = done(&back, "");
    assert_eq!(back.code, 1, "{back:?}");
    let told: Value = serde_json::from_str(&back.out).unwrap();
    assert_eq!(told["resources"][0]["action"], "remove", "{told:#}");
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(kept, told);
    let same = done(&["plan", "hello", "--live", "--from", "main"], "");
    assert_eq!((same.code, same.err.trim()), (0, "nothing to do"), "{same:?}");
    let nowhere = done(&["plan", "hello", "--live", "--from", "no-such-branch"], "");
    assert_eq!(nowhere.code, 4, "{nowhere:?}");
    assert!(nowhere.err.contains("nautes audit hello"), "{}", nowhere.err);
    for wrong in [
        &["plan", "--live", "--from", "main"][..],
        &["plan", "hello", "--live", "--from", "main", "--from", "v1"],
    ] {
        let wrong = done(wrong, "");
        assert_eq!(wrong.code, 2, "{wrong:?}");
    }
    instance.stop().await.unwrap();
}
