//! `nautes doctor`, on forges in this process, a real secret store, and clusters of this process. Nothing is written there.

#[path = "doctor/tls.rs"]
mod tls;
#[path = "doctor/world.rs"]
mod world;

use nautes_gitops::AccessLevel;
use nautes_gitops::host::extended::ProtectedBranch;
use nautes_gitops::host::gitlab::fake::{Injection, Weather};
use serde_json::Value;

use super::kit::{self, Run, nautes, program, run};
use super::validate::golden_of;
use world::World;

/// The ids of the findings of a report in JSON, with how bad they are.
fn findings(run: &Run) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}{}", run.out, run.err));
    let all = report["findings"].as_array().unwrap();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    all.iter()
        .map(|finding| (text(finding, "check"), text(finding, "severity")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_installation_has_no_findings_and_nothing_is_written() {
    let Some(world) = World::new().await else {
        return;
    };
    let mark = world.mark().await;
    let run = world.doctor(&["--all"]).await;
    world.golden("good.txt", &run);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let json = world.doctor(&["-o", "json"]).await;
    assert_eq!(findings(&json), [], "{}", json.out);
    let yaml = world.doctor(&["-o", "yaml"]).await;
    assert!(yaml.out.contains("findings: []"), "{}", yaml.out);
    world.nothing_was_written(&mark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_is_found_at_once_with_its_remedy_and_no_secret() {
    let Some(world) = World::new().await else {
        return;
    };
    // The token is narrow, and ends in a week.
    let token = world
        .fake
        .create_token("platform", &["read_api", "read_repository"])
        .await
        .unwrap();
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(7 * 24);
    let soon = soon.strftime("%Y-%m-%d").to_string();
    world.fake.set_expiry(&token, &soon);
    world.fake.set_group_creation(false);
    std::fs::write(world.at("token"), token.expose()).unwrap();
    // Nobody may push to the product's branch, and the forge has given up on its hook.
    let branch = ProtectedBranch {
        name: "main".to_owned(),
        push: AccessLevel::None,
        merge: AccessLevel::Maintainer,
        force: false,
    };
    let path = "shop/default.project".parse().unwrap();
    world
        .owner
        .extended()
        .unwrap()
        .protect_branch(&path, &branch)
        .await
        .unwrap();
    world.fake.set_hook(world.hook, "disabled", Some("500"));
    // A right at the secret store is gone, and the mount of a cluster has lost its configuration.
    let (held, left) = (
        "path \"+/data/*\" { capabilities = [\"create\", \"read\", \"update\"] }",
        "path \"+/data/*\" { capabilities = [\"read\"] }",
    );
    assert!(world::POLICY.contains(held));
    world.policy(&world::POLICY.replace(held, left)).await;
    world.root("DELETE", "sys/auth/live", None).await;
    let kubernetes = serde_json::json!({ "type": "kubernetes" });
    world.root("POST", "sys/auth/live", Some(kubernetes)).await;
    // The account of a cluster may do nothing.
    world.live.add_token("canary-live", "nobody", &[]);
    let mark = world.mark().await;
    let run = world.doctor(&[]).await;
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    let mut run = run;
    run.out = run.out.replace(&soon, "SOON");
    world.golden("bad.txt", &run);
    world.nothing_was_written(&mark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_away_leaves_the_others_to_be_looked_at() {
    let Some(world) = World::new().await else {
        return;
    };
    world.root("PUT", "sys/seal", None).await;
    world.fake.inject(Injection {
        times: 1000,
        ..Injection::once(
            "GET",
            "/api/v4/user",
            Weather::Slow(std::time::Duration::from_secs(600)),
        )
    });
    let run = world.doctor(&["-o", "json", "--limit", "2s"]).await;
    let found = findings(&run);
    let error = |check: &str| (check.to_owned(), "error".to_owned());
    assert_eq!(found, [error("ForgeToken"), error("VaultState")], "{}", run.out);
    // The tenant cluster was looked at all the same.
    assert!(run.out.contains("TenantCrds"), "{}", run.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_alone_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let fake = nautes_gitops::host::gitea::fake::FakeGitea::start(dir.path().join("forge"))
        .await
        .unwrap();
    fake.create_user("platform").await.unwrap();
    let token = fake
        .create_token(
            "platform",
            &["read:user", "read:repository", "write:organization"],
        )
        .await
        .unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, token.expose()).unwrap();
    let words = [
        "doctor",
        "--forge-type",
        "gitea",
        "--forge-url",
        fake.url(),
        "--forge-loopback",
        "--kubeconfig",
        "none",
    ];
    let more = ["--forge-token-file", file.to_str().unwrap(), "-o", "json"];
    let (words, home) = ([&words[..], &more].concat(), dir.path().to_owned());
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    let told = tokio::task::spawn_blocking(move || run(program(&home).args(words), ""))
        .await
        .unwrap();
    let found = findings(&told);
    let has = |check: &str| found.iter().any(|(found, _)| found == check);
    assert!(
        has("ForgeTokenScope") && has("TenantRepository") && has("Settings"),
        "{}",
        told.out
    );
    assert!(
        told.out.contains("lacks the scopes write:repository"),
        "{}",
        told.out
    );
    assert!(fake.exchanges().iter().all(|exchange| exchange.method == "GET"));
    assert!(!told.out.contains(token.expose_str().unwrap()));
}

#[test]
fn what_does_not_answer_is_said_once_and_a_broken_file_shows_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    // A port at which nobody listens any more.
    let gone = std::net::TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let (forge, vault) = (format!("http://{gone}"), format!("http://{gone}"));
    let (token, kubeconfig) = (
        file("token", "canary"),
        file("kube.yaml", "clusters: canary\nusers: [canary"),
    );
    let words = [
        "doctor",
        "-o",
        "json",
        "--limit",
        "5s",
        "--forge-url",
        &forge,
        "--forge-loopback",
        "--forge-token-file",
        &token,
        "--vault-address",
        &vault,
        "--vault-login",
        "token-file",
        "--vault-login-file",
        &token,
        "--kubeconfig",
        &kubeconfig,
        "--webhook-url",
        &forge,
    ];
    let told = nautes(&words, "");
    let found = findings(&told);
    let errors: Vec<&str> = found
        .iter()
        .filter(|(_, how)| how == "error")
        .map(|(check, _)| check.as_str())
        .collect();
    assert_eq!(errors, ["Reachable", "Reachable", "Settings"], "{}", told.out);
    assert!(told.out.contains("it is no kubeconfig"), "{}", told.out);
    assert!(
        !told.out.contains("canary") && !told.err.contains("canary"),
        "{}{}",
        told.out,
        told.err
    );
}

#[test]
fn what_cannot_be_used_is_told_before_anything_is_asked() {
    let nothing = nautes(&["doctor"], "");
    assert_eq!(nothing.code, 2, "{}", nothing.err);
    assert!(nothing.err.contains("nothing is named"), "{}", nothing.err);
    let wrong = nautes(&["doctor", "--forge-url", "nowhere", "--vault-role", "x"], "");
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.err.contains("--forge-url") && wrong.err.contains("vault-address"),
        "{}",
        wrong.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_on_this_machine_is_looked_at_without_a_write() {
    let _one = kit::ONE_PLATFORM.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("platform");
    let instance = kit::platform(data.clone()).await;
    let marks: Vec<_> = instance
        .clusters()
        .iter()
        .map(|(_, cluster)| (cluster.audit(), cluster.audit().mark()))
        .collect();
    let before = world::tree(&data);
    let (home, folder) = (dir.path().to_owned(), data.display().to_string());
    let look = move |more: &'static [&'static str]| {
        let (home, folder) = (home.clone(), folder.clone());
        let work = move || run(program(&home).args(["doctor", "--data", &folder]).args(more), "");
        tokio::task::spawn_blocking(work)
    };
    let told = look(&["-o", "json"]).await.unwrap();
    assert_eq!((told.code, findings(&told)), (0, Vec::new()), "{}", told.out);
    for part in [
        "local API",
        "local forge",
        "local webhook receiver",
        "local cluster live",
        "TenantCrds",
        "ClusterRights",
    ] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    for token in instance
        .remembered()
        .users
        .values()
        .chain(instance.remembered().clusters.values())
    {
        assert!(!told.out.contains(token.as_str()));
    }
    assert_eq!(world::tree(&data), before);
    // What the controllers do goes on; the one who asks for reviews and versions writes nothing.
    for (audit, mark) in marks {
        let asked = audit.since(mark);
        assert!(
            asked
                .iter()
                .any(|entry| entry.path.ends_with("/selfsubjectaccessreviews"))
        );
        let written = audit.writes_since(mark);
        assert!(written.iter().all(|entry| entry.user != "admin"), "{written:#?}");
    }
    instance.stop().await.unwrap();
    let told = look(&["-o", "json"]).await.unwrap();
    assert_eq!(
        findings(&told),
        [("LocalPlatform".to_owned(), "note".to_owned())],
        "{}",
        told.out
    );
    assert_eq!(told.code, 0);
}

#[test]
fn the_page_of_the_guide_has_every_check() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/doctor.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- checks -->\n", "<!-- /checks -->\n");
    let (before, rest) = page.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let wanted = format!("{before}{begin}{}{end}{after}", nautes::doctor::check::page());
    #[expect(clippy::disallowed_methods, reason = "a test is told by the environment")]
    if std::env::var("UPDATE").is_ok_and(|v| v == "1") {
        std::fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(
        page == wanted,
        "docs/guide/doctor.md has another table (UPDATE=1 writes it)"
    );
}
