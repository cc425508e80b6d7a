//! The main process, start to end, in this process; and that no secret shows anywhere on the way.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use kube::api::{Api, DynamicObject, ListParams};
use kube::discovery::{Discovery, verbs};
use nautes::local::demo::stage::{Stage, User};
use nautes::local::demo::steps::{self, STEPS};
use nautes::local::instance::Instance;
use nautes::settings::Environment;

/// A log that can be read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_process_holds_and_shows_no_secret() {
    let _one = crate::kit::ONE_PLATFORM.lock().await;
    let log = Log::default();
    let writer = log.clone();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new("debug,hyper=info,h2=info"))
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .try_init();
    let dir = tempfile::tempdir().unwrap();
    let instance = crate::kit::platform(dir.path().join("platform")).await;
    let environment = Environment::read();
    let mut stage = Stage::of(instance.data(), instance.remembered(), &environment)
        .await
        .unwrap();
    let mut canaries = stage.secrets.clone();
    canaries.extend(instance.remembered().users.values().cloned());
    assert!(canaries.len() >= 8 && canaries.iter().all(|c| c.len() > 20));
    canaries.push("PRIVATE KEY".to_owned());

    let mut saw = Vec::new();
    for step in STEPS {
        if step.number == 8 {
            // Everything is there now: the place to look for what must not be.
            no_canary("objects of clusters", &objects(&stage).await, &canaries);
            no_canary("repositories", &repositories(&instance).await, &canaries);
            no_canary("answers of the API", &answers(&stage).await, &canaries);
        }
        if let Err(failure) = steps::take(step.number, &mut stage, &mut saw).await {
            panic!("step {}: {failure:?}\nsaw: {saw:#?}", step.number);
        }
    }
    assert!(saw.len() >= 20, "{saw:#?}");
    no_canary("the output of the demo", saw.join("\n").as_bytes(), &canaries);
    no_canary("the log", &log.0.lock().unwrap(), &canaries);
    assert!(!log.0.lock().unwrap().is_empty());
    instance.stop().await.unwrap();
    let mut files = Vec::new();
    collect(&dir.path().join("platform"), &mut files);
    no_canary("files", &files, &canaries);
}

pub(crate) fn no_canary(place: &str, content: &[u8], canaries: &[String]) {
    for canary in canaries {
        let found = content.windows(canary.len()).position(|w| w == canary.as_bytes());
        if let Some(at) = found {
            let from = at.saturating_sub(300);
            panic!(
                "a secret is in {place}: ...{}",
                String::from_utf8_lossy(&content[from..at])
            );
        }
    }
}

/// Every object of every cluster, but those whose kind is made for secrets.
async fn objects(stage: &Stage) -> Vec<u8> {
    let mut all = Vec::new();
    for cluster in nautes::local::clusters::ALL {
        let client = stage.kube(cluster).unwrap();
        let discovery = Discovery::new(client.clone()).run().await.unwrap();
        for (resource, capabilities) in discovery.groups().flat_map(|g| g.recommended_resources()) {
            if resource.kind == "Secret" || !capabilities.supports_operation(verbs::LIST) {
                continue;
            }
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            let list = api.list(&ListParams::default()).await.unwrap();
            all.extend(serde_json::to_vec(&list.items).unwrap());
        }
    }
    assert!(all.len() > 10_000);
    all
}

/// Every object of every repository: blobs, trees and commits.
async fn repositories(instance: &Instance) -> Vec<u8> {
    let mut all = Vec::new();
    let holdings = nautes::local::forge::contents(instance.forge()).await.unwrap();
    let mut count = 0;
    for path in holdings.iter().flat_map(|h| h.repositories.keys()) {
        let folder = instance.forge().admin().folder(&path.parse().unwrap());
        #[expect(
            clippy::disallowed_methods,
            reason = "the real git reads what is really there"
        )]
        let output = std::process::Command::new("git")
            .args(["cat-file", "--batch-all-objects", "--batch"])
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success());
        all.extend(output.stdout);
        count += 1;
    }
    assert!(count >= 6 && all.len() > 5_000);
    all
}

/// Status, plan and every resource, as each user sees them.
async fn answers(stage: &Stage) -> Vec<u8> {
    let mut all = Vec::new();
    let get = async |user: &User, path: String| {
        // What somebody may not see is refused, and the refusal is an answer too.
        match user.api.get::<serde_json::Value>(&path).await {
            Ok(value) => value.to_string(),
            Err(failure) => format!("{failure:?}"),
        }
    };
    for user in [&stage.admin, &stage.alice, &stage.bob] {
        for path in ["status", "plan", "clusters", "products"] {
            all.extend(get(user, format!("api/v1/{path}")).await.into_bytes());
        }
        for product in ["shop", "books"] {
            for kind in nautes_model::kind::KINDS
                .iter()
                .filter(|k| k.kind.is_of_product())
            {
                all.extend(
                    get(user, format!("api/v1/products/{product}/{}", kind.api_path))
                        .await
                        .into_bytes(),
                );
            }
        }
    }
    assert!(all.len() > 5_000);
    all
}

/// Every file of the data folder, but those that are for the owner's credentials, and the clusters' own storage.
pub(crate) fn collect(dir: &Path, into: &mut Vec<u8>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if matches!(
            name.as_str(),
            "instance.json" | "kubeconfigs" | "manifests" | "clusters"
        ) {
            continue;
        }
        if path.is_dir() {
            collect(&path, into);
        } else {
            into.extend(std::fs::read(&path).unwrap());
        }
    }
}
