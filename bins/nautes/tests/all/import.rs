//! `nautes import`, on forges in this process.

use std::path::Path;
use std::sync::Arc;

use nautes_gitops::host::gitea::fake::FakeGitea;
use nautes_gitops::host::gitea::{self, Gitea};
use nautes_gitops::host::gitlab::fake::FakeGitlab;
use nautes_gitops::host::gitlab::{self, Gitlab};
use nautes_gitops::host::{HookEvent, HookSpec, Session, Visibility};
use nautes_gitops::repo::{CommitSpec, Signature};
use nautes_gitops::{DeployKeySpec, GitHost as _, GroupSpec, Mirror, RepoSpec};
use nautes_model::Secret;
use tempfile::TempDir;

use super::kit::{Run, program, run};
use super::validate::golden_of;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJGRiMzPLGxJpTHKcgAeSAmKCxWKKmpBFxqvGGdJGdIl";

/// Makes a group in which there is some of everything.
async fn fill(session: &dyn Session, mirrors: &Path, nested: bool) {
    let group = |name: &str| GroupSpec {
        name: name.to_owned(),
        description: "What the shop is made of".to_owned(),
        ..GroupSpec::default()
    };
    session.create_group(&group("shop")).await.unwrap();
    if nested {
        session.create_group(&group("shop/team")).await.unwrap();
    }
    let repo = async |name: &str, description: &str| {
        let spec = RepoSpec {
            description: description.to_owned(),
            ..RepoSpec::default()
        };
        let path = format!("shop/{name}").parse().unwrap();
        session.create_repository(&path, &spec).await.unwrap();
        path
    };
    let api = repo("api", "Answers").await;
    repo("empty", "").await;
    repo("Web.App", "").await;
    repo("web-app", "").await;
    let old = repo("old", "").await;
    session.archive_repository(&old, true).await.unwrap();
    let mirror = Mirror::open_or_create(mirrors.join("m.git")).await.unwrap();
    let who = Signature {
        name: "Con".to_owned(),
        email: "con@example.org".to_owned(),
        seconds: 1_700_000_000,
    };
    let spec = CommitSpec {
        parent: None,
        edits: [("a.txt".to_owned(), Some(b"a".to_vec()))].into(),
        author: who.clone(),
        committer: who,
        message: "first".to_owned(),
        trailers: Vec::new(),
    };
    let commit = mirror.commit(spec).await.unwrap().unwrap();
    for name in ["api", "Web.App", "web-app"] {
        let path = format!("shop/{name}").parse().unwrap();
        session.push(&path, &mirror, "main", None, commit).await.unwrap();
    }
    let key = DeployKeySpec {
        title: "ci".to_owned(),
        public_key: KEY.to_owned(),
        can_push: true,
    };
    let key = session.create_deploy_key(&api, &key).await.unwrap();
    let web = "shop/web-app".parse().unwrap();
    session.enable_deploy_key(&web, key.id, false).await.unwrap();
    let hook = HookSpec {
        url: "http://ci.example.com/shop?token=canary".to_owned(),
        events: vec![HookEvent::Push, HookEvent::MergeRequests],
        secret: Secret::from("canary"),
    };
    session.create_hook(&api, &hook).await.unwrap();
}

/// Runs `nautes import`; addresses are made the same each time.
fn import(dir: &TempDir, forge: &str, url: &str, token: &Secret, more: &[&str]) -> Run {
    let file = dir.path().join("token");
    std::fs::write(&file, token.expose()).unwrap();
    let file = file.display().to_string();
    let words = [
        "import",
        forge,
        "shop",
        "--forge-url",
        url,
        "--forge-loopback",
        "--token-file",
        &file,
    ];
    let mut command = program(dir.path());
    command.args(words).args(more).current_dir(dir.path());
    let mut run = run(&mut command, "");
    run.err = run.err.replace(url, "URL");
    assert!(!format!("{run:?}").contains("canary"), "{run:?}");
    run
}

fn all(folder: &Path, below: &str) -> String {
    let mut entries: Vec<_> = std::fs::read_dir(folder.join(below))
        .unwrap()
        .map(|entry| entry.unwrap())
        .collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut text = String::new();
    for entry in entries {
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            text.push_str(&all(folder, &format!("{name}/")));
        } else {
            text.push_str(&format!(
                "# {name}\n{}",
                std::fs::read_to_string(entry.path()).unwrap()
            ));
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_on_gitlab_is_described_and_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let fake = FakeGitlab::start(dir.path().join("forge")).await.unwrap();
    let token = fake.create_user("ann").await.unwrap();
    let mut options = gitlab::Options::new("gitlab", fake.url(), token.clone());
    options.net.loopback = true;
    let session = Gitlab::new(options).unwrap().platform().await.unwrap();
    fill(&*session, dir.path(), true).await;
    let asked = fake.exchanges().len();

    let shown = import(&dir, "gitlab", fake.url(), &token, &[]);
    assert_eq!(shown.code, 0, "{shown:?}");
    golden_of(
        "import",
        "gitlab.txt",
        &format!("{}---\n{}", shown.out, shown.err),
    );
    let exchanges = fake.exchanges();
    assert!(exchanges[asked..].iter().all(|exchange| exchange.method == "GET"));

    let written = import(
        &dir,
        "gitlab",
        fake.url(),
        &token,
        &["--write", "made", "--provider", "gitlab"],
    );
    assert_eq!(written.code, 0, "{written:?}");
    golden_of("import", "gitlab.yaml", &all(&dir.path().join("made"), ""));
    let again = import(&dir, "gitlab", fake.url(), &token, &["--write", "made"]);
    assert_eq!(again.code, 5, "{again:?}");
    assert!(
        again
            .err
            .contains("made: it is not an empty folder; nothing was written"),
        "{again:?}"
    );
    let mut judge = program(dir.path());
    let judged = run(
        judge
            .args(["validate", "-f", "made/products/shop", "-p", "shop"])
            .current_dir(dir.path()),
        "",
    );
    assert_eq!(judged.code, 0, "{judged:?}");

    // With the tenant, what is named has to be there.
    let tenant = dir
        .path()
        .join("known/tenant/nautes/overlays/production/code-repo-providers");
    std::fs::create_dir_all(&tenant).unwrap();
    let provider = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: CodeRepoProvider\nmetadata: {name: gitlab}\n\
                    spec: {httpAddress: 'https://gitlab.example.com', sshAddress: '', apiServer: \
                    'https://gitlab.example.com', providerType: gitlab}\n";
    std::fs::write(tenant.join("gitlab.yaml"), provider).unwrap();
    for (name, code) in [("gitlab", 0), ("other", 1)] {
        let more = ["-f", "known", "--provider", name, "--write", "again"];
        let judged = import(&dir, "gitlab", fake.url(), &token, &more);
        assert_eq!(judged.code, code, "{judged:?}");
        let wrong = judged.err.contains("\"other\" is not declared");
        assert_eq!(wrong, code == 1, "{judged:?}");
        assert_eq!(dir.path().join("again").exists(), code == 0);
        let _ = std::fs::remove_dir_all(dir.path().join("again"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_on_gitea_is_described_likewise() {
    let dir = TempDir::new().unwrap();
    let fake = FakeGitea::start(dir.path().join("forge")).await.unwrap();
    let token = fake.create_user("ann").await.unwrap();
    let mut options = gitea::Options::new("gitea", fake.url(), token.clone());
    options.net.loopback = true;
    let session: Arc<dyn Session> = Gitea::new(options).unwrap().platform().await.unwrap();
    fill(&*session, dir.path(), false).await;
    let change = nautes_gitops::GroupChange {
        visibility: Some(Visibility::Public),
        ..nautes_gitops::GroupChange::default()
    };
    session.update_group("shop", &change).await.unwrap();
    let asked = fake.exchanges().len();
    let shown = import(&dir, "gitea", fake.url(), &token, &["-p", "market"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    golden_of("import", "gitea.txt", &format!("{}---\n{}", shown.out, shown.err));
    let exchanges = fake.exchanges();
    assert!(exchanges[asked..].iter().all(|exchange| exchange.method == "GET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_said() {
    let dir = TempDir::new().unwrap();
    let fake = FakeGitlab::start(dir.path().join("forge")).await.unwrap();
    let token = fake.create_user("ann").await.unwrap();
    let none = import(&dir, "gitlab", fake.url(), &token, &[]);
    assert_eq!(none.code, 4, "{none:?}");
    assert!(none.err.contains("group shop not found"), "{none:?}");
    let nobody = import(&dir, "gitlab", fake.url(), &Secret::from("nobody"), &[]);
    assert_eq!(nobody.code, 3, "{nobody:?}");
    let by_hand = import(&dir, "git", fake.url(), &token, &[]);
    assert_ne!(by_hand.code, 0, "{by_hand:?}");
    let other = import(&dir, "github", fake.url(), &token, &[]);
    assert_eq!(other.code, 2, "{other:?}");
    assert!(
        other
            .err
            .contains("it is none of gitlab, gitea (Forgejo, too) and git"),
        "{other:?}"
    );
}
