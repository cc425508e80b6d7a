//! The verdict on a tree is the same offline and in the platform that reads it from a forge.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nautes::cmd::validate::Verdict;
use nautes_gitops::host::local::{LocalForge, Options};
use nautes_gitops::repo::{CommitSpec, Signature};
use nautes_gitops::{GitHost, GroupSpec, Mirror, RepoPath, RepoSpec};
use nautes_model::Finding;
use nautes_runtime::clusters::StoredClusters;
use nautes_runtime::local::{self, Options as ClusterOptions};
use nautes_runtime::platform::{Platform, TenantSettings, Timing};
use nautes_validate::report::Report;
use nautes_vault::SecretStore;
use nautes_vault::local::{LocalStore, MasterKey};

const HEAD: &str = "apiVersion: nautes.resource.nautes.io/v1alpha1\n";

type Tree = BTreeMap<&'static str, String>;

/// A tenant and a product with faults of the files, of the schema and of the rules.
fn trees() -> [Tree; 2] {
    let of = |kind: &str, name: &str, spec: &str| {
        format!("{HEAD}kind: {kind}\nmetadata:\n  name: {name}\nspec:\n{spec}")
    };
    let tenant = Tree::from([
        ("README.md", "read me\n".to_owned()),
        (
            "nautes/overlays/production/products/shop.yaml",
            of("Product", "shop", "  name: shop\n"),
        ),
        (
            "nautes/overlays/production/clusters/torn.yaml",
            "kind: Cluster\nspec: [\n".to_owned(),
        ),
        (
            "nautes/overlays/production/clusters/deep/er.yaml",
            "kind: Cluster\n".to_owned(),
        ),
    ]);
    let product = Tree::from([
        (
            "envs/dev.yaml",
            of(
                "Environment",
                "dev",
                "  product: shop\n  cluster: no-such\n  envType: test\n",
            ),
        ),
        (
            "envs/typo.yaml",
            of(
                "Environment",
                "typo",
                "  product: shop\n  clutser: live\n  envType: test\n",
            ),
        ),
        (
            "envs/other.yaml",
            of(
                "Environment",
                "other",
                "  product: books\n  cluster: live\n  envType: test\n",
            ),
        ),
        (
            "projects/web/web.yaml",
            of("Project", "web", "  product: shop\n  language: rust\n"),
        ),
        (
            "projects/twice/web.yaml",
            of("Project", "web", "  product: shop\n  language: rust\n"),
        ),
        (
            "runtimes/web.yaml",
            of(
                "DeploymentRuntime",
                "web",
                "  product: shop\n  projectsRef: [web, lost]\n  manifestsource:\n    codeRepo: gone\n    path: a\n    targetRevision: main\n  \
                 destination:\n    environment: typo\n    namespaces: [kube-system]\n",
            ),
        ),
        ("runtimes/empty.yaml", "# nothing\n".to_owned()),
    ]);
    [tenant, product]
}

async fn platform(dir: &Path) -> (Platform, LocalForge) {
    let forge = LocalForge::open(Options::new(dir.join("forge"))).await.unwrap();
    let store: Arc<dyn SecretStore> =
        Arc::new(LocalStore::in_memory(&MasterKey::generate().unwrap()).unwrap());
    let tenant = local::Cluster::start(ClusterOptions::in_memory("tenant"))
        .await
        .unwrap();
    let platform = Platform::builder()
        .host(Arc::new(forge.clone()))
        .store(Arc::clone(&store))
        .tenant(TenantSettings::new(
            "example",
            "tenant/management".parse().unwrap(),
        ))
        .tenant_cluster(tenant.client())
        .clusters(Arc::new(StoredClusters::new(store)))
        .mirrors(dir.join("mirrors"))
        .webhook_url("http://127.0.0.1:1".parse().unwrap())
        .timing(Timing::LOCAL)
        .build()
        .unwrap();
    (platform, forge)
}

async fn push(forge: &LocalForge, dir: &Path, path: &RepoPath, tree: &Tree) {
    let session = forge.platform().await.unwrap();
    let group = GroupSpec {
        name: path.group().to_owned(),
        ..GroupSpec::default()
    };
    session.create_group(&group).await.unwrap();
    session
        .create_repository(path, &RepoSpec::default())
        .await
        .unwrap();
    let mirror = Mirror::open_or_create(dir.join(path.group())).await.unwrap();
    let who = Signature {
        name: "a".to_owned(),
        email: "a@b".to_owned(),
        seconds: 0,
    };
    let edits = tree
        .iter()
        .map(|(path, text)| ((*path).to_owned(), Some(text.clone().into_bytes())))
        .collect();
    let spec = CommitSpec {
        parent: None,
        edits,
        author: who.clone(),
        committer: who,
        message: "x".to_owned(),
        trailers: Vec::new(),
    };
    let commit = mirror.commit(spec).await.unwrap().unwrap();
    session.push(path, &mirror, "main", None, commit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_and_on_the_forge_a_tree_has_the_same_findings() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let (platform, forge) = platform(dir.path()).await;
    let [tenant, product] = trees();
    push(&forge, dir.path(), &"tenant/management".parse().unwrap(), &tenant).await;
    push(
        &forge,
        dir.path(),
        &"shop/default.project".parse().unwrap(),
        &product,
    )
    .await;
    let observed = platform.observe().await.unwrap();
    assert!(observed.unread.is_empty(), "{:?}", observed.unread);
    let mut online: Vec<Finding> = observed.findings.values().flatten().cloned().collect();
    online.extend(nautes_validate::check(&observed.scopes, platform.rules()).findings);
    let online = Report::new(online).findings;
    assert!(online.len() >= 9, "{online:?}");

    let folders = [
        dir.path().join("work/tenant"),
        dir.path().join("work/shop/default.project"),
    ];
    for (folder, tree) in folders.iter().zip([&tenant, &product]) {
        for (path, text) in tree {
            let file = folder.join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
    }
    let whole = vec![dir.path().join("work").display().to_string()];
    let apart: Vec<String> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    for words in [whole, apart] {
        let input = nautes::input::load(&words, None).unwrap();
        let verdict = Verdict::of(&input, platform.rules());
        let prefixes = folders.each_ref().map(|folder| format!("{}/", folder.display()));
        let offline = verdict.findings.into_iter().map(|mut finding| {
            let below = |file: &Arc<str>| -> Arc<str> {
                let path = prefixes
                    .iter()
                    .find_map(|prefix| file.strip_prefix(prefix.as_str()));
                Arc::from(path.unwrap_or(file))
            };
            finding.file = below(&finding.file);
            for edit in finding.fix.iter_mut().flat_map(|fix| &mut fix.edits) {
                edit.file = below(&edit.file);
            }
            finding
        });
        assert_eq!(Report::new(offline.collect()).findings, online);
    }
}
