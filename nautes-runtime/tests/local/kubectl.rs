//! The real kubectl over HTTPS, where there is one: the one on the path, and the one that `KUBECTL` names.

#[path = "kubectl/changing.rs"]
mod changing;
#[path = "kubectl/creating.rs"]
mod creating;
#[path = "kubectl/deleting.rs"]
mod deleting;
#[path = "kubectl/reading.rs"]
mod reading;

use std::{
    ffi::{OsStr, OsString},
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use nautes_runtime::local::{self, Options};
use serde_json::{Value, json};

use crate::support::{install, widget_definition};

/// A program, and a cluster of its own.
pub(crate) struct Kubectl {
    program: OsString,
    folder: tempfile::TempDir,
    pub(crate) cluster: local::Cluster,
}

#[allow(
    clippy::disallowed_methods,
    reason = "the subject of the test is another program"
)]
fn command(program: &OsStr) -> Command {
    Command::new(program)
}

/// The kubectl on the path, and the one that `KUBECTL` names.
fn programs() -> Vec<OsString> {
    let named = std::env::var_os("KUBECTL").filter(|name| !name.is_empty());
    let mut found: Vec<OsString> = std::iter::once("kubectl".into()).chain(named).collect();
    found.dedup();
    found.retain(|program| {
        let there = command(program).args(["version", "--client"]).output().is_ok();
        if !there {
            eprintln!("skipped: there is no {}", program.display());
        }
        there
    });
    found
}

/// Shows something with every kubectl there is, on a fresh cluster for each.
pub(crate) async fn each(show: impl AsyncFn(&Kubectl)) {
    for program in programs() {
        show(&Kubectl::start(program).await).await;
    }
}

impl Kubectl {
    async fn start(program: OsString) -> Self {
        let options = Options {
            listen: Some(([127, 0, 0, 1], 0).into()),
            ..Options::in_memory("smoke")
        };
        let cluster = local::Cluster::start(options).await.unwrap();
        cluster.add_token("secret", "root", &["system:masters"]);
        let folder = tempfile::tempdir().unwrap();
        let config = serde_json::to_string(&cluster.kubeconfig("secret")).unwrap();
        std::fs::write(folder.path().join("config"), config).unwrap();
        Self {
            program,
            folder,
            cluster,
        }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let at = |name: &str| self.folder.path().join(name);
        let mut command = command(&self.program);
        command.env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", at("config"))
            .env("EDITOR", at("editor"))
            .env("KUBECTL_APPLYSET", "true")
            .arg("--cache-dir")
            .arg(at("cache"))
            .args(args);
        command
    }

    /// Runs kubectl off the runtime that serves it.
    pub(crate) async fn run(&self, args: &[&str], input: Option<&Value>) -> (bool, String) {
        let mut command = self.command(args);
        let input = input.map(ToString::to_string);
        tokio::task::spawn_blocking(move || {
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            if let Some(text) = input {
                stdin.write_all(text.as_bytes()).unwrap();
            }
            drop(stdin);
            let output = child.wait_with_output().unwrap();
            let text = [output.stdout, output.stderr].concat();
            (
                output.status.success(),
                String::from_utf8_lossy(&text).into_owned(),
            )
        })
        .await
        .unwrap()
    }

    pub(crate) async fn ok(&self, args: &[&str], input: Option<&Value>) -> String {
        let (ok, text) = self.run(args, input).await;
        assert!(ok, "{} {args:?}: {text}", self.program.display());
        text
    }

    /// What is printed for a command line without blanks in its words.
    pub(crate) async fn says(&self, line: &str) -> String {
        self.ok(&line.split_whitespace().collect::<Vec<_>>(), None).await
    }

    /// What is printed for a command line that fails.
    pub(crate) async fn refuses(&self, line: &str) -> String {
        let (ok, text) = self.run(&line.split_whitespace().collect::<Vec<_>>(), None).await;
        assert!(!ok, "{} {line}: {text}", self.program.display());
        text
    }

    pub(crate) async fn apply(&self, object: &Value) -> String {
        self.ok(&["apply", "-f", "-"], Some(object)).await
    }

    /// Makes the editor a program that exchanges one text for another.
    pub(crate) fn edits(&self, from: &str, to: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder.path().join("editor");
        std::fs::write(&path, format!("#!/bin/sh\nsed -i 's/{from}/{to}/' \"$1\"\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A file with an object, in the folder of this test.
    pub(crate) fn file(&self, name: &str, object: &Value) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, object.to_string()).unwrap();
        path.display().to_string()
    }

    /// The lines that a command prints until it is enough of them; the command is ended then.
    pub(crate) async fn lines_until(
        &self,
        args: &[&str],
        begun: impl AsyncFn(),
        enough: impl Fn(&[String]) -> bool,
    ) -> Vec<String> {
        let mut child = self
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        begun().await;
        let mut lines = Vec::new();
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
        while !enough(&lines)
            && let Ok(Some(line)) = tokio::time::timeout_at(deadline, receiver.recv()).await
        {
            lines.push(line);
        }
        let _ = child.kill();
        let _ = child.wait();
        lines
    }
}

pub(crate) fn map(value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"part": "x"}}, "data": {"k": value}})
}

pub(crate) fn deployment(image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"part": "x"}}, "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": image}]}}}})
}

fn widget(size: &Value) -> Value {
    json!({"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": size}})
}

fn size_schema() -> Value {
    json!({"type": "object", "properties": {"spec": {"type": "object", "description": "What is wanted.",
        "properties": {"size": {"type": "integer", "minimum": 1}}}}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_applies_reads_and_deletes() {
    each(async |kubectl| {
        install(&kubectl.cluster.client(), &widget_definition(&size_schema())).await;
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}});
        assert_eq!(
            kubectl.ok(&["apply", "-f", "-"], Some(&map)).await,
            "configmap/a created\n"
        );
        assert_eq!(
            kubectl.ok(&["apply", "-f", "-"], Some(&map)).await,
            "configmap/a unchanged\n"
        );
        let changed =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "2"}});
        assert_eq!(
            kubectl.ok(&["apply", "-f", "-"], Some(&changed)).await,
            "configmap/a configured\n"
        );
        let text = kubectl
            .ok(&["get", "configmap", "a", "-o", "jsonpath={.data.k}"], None)
            .await;
        assert_eq!(text, "2");
        assert_eq!(
            kubectl
                .ok(&["apply", "--server-side", "-f", "-"], Some(&widget(&json!(3))))
                .await,
            "widget.example.io/w serverside-applied\n"
        );
        let table = kubectl.ok(&["get", "wd"], None).await;
        assert_eq!(
            table.split_whitespace().collect::<Vec<_>>(),
            ["NAME", "SIZE", "w", "3"]
        );
        let (ok, text) = kubectl
            .run(&["apply", "-f", "-"], Some(&widget(&json!("big"))))
            .await;
        assert!(!ok && text.contains("spec.size"), "{text}");
        let mut odd = widget(&json!(3));
        odd["spec"]["colour"] = "red".into();
        let (ok, text) = kubectl.run(&["apply", "-f", "-"], Some(&odd)).await;
        assert!(!ok && text.contains("unknown field \"spec.colour\""), "{text}");
        let text = kubectl.ok(&["explain", "widget.spec"], None).await;
        assert!(
            text.contains("What is wanted.") && text.contains("size\t<integer>"),
            "{text}"
        );
        let text = kubectl
            .ok(&["api-resources", "--api-group=example.io"], None)
            .await;
        assert!(text.contains("widgets"), "{text}");
        kubectl.ok(&["label", "configmap", "a", "x=y"], None).await;
        let text = kubectl
            .ok(&["get", "all,cm", "-l", "x=y", "-o", "name"], None)
            .await;
        assert_eq!(text, "configmap/a\n");
        let text = kubectl.ok(&["delete", "configmap", "a"], None).await;
        assert!(text.starts_with("configmap \"a\" deleted"), "{text}");
        kubectl.ok(&["create", "namespace", "shop"], None).await;
        assert_eq!(
            kubectl.ok(&["auth", "can-i", "delete", "pods"], None).await,
            "yes\n"
        );
        kubectl
            .ok(
                &[
                    "create",
                    "secret",
                    "generic",
                    "s",
                    "--from-literal=k=v",
                    "-n",
                    "shop",
                ],
                None,
            )
            .await;
        kubectl
            .ok(
                &[
                    "create",
                    "role",
                    "r",
                    "--verb=get",
                    "--resource=pods",
                    "-n",
                    "shop",
                ],
                None,
            )
            .await;
        let token = kubectl
            .ok(&["create", "token", "default", "-n", "shop"], None)
            .await;
        assert_eq!(token.trim().split('.').count(), 3, "a JSON web token");
        let text = kubectl
            .ok(
                &["get", "secret", "s", "-n", "shop", "-o", "jsonpath={.data.k}"],
                None,
            )
            .await;
        assert_eq!(text, "dg==");
        kubectl.ok(&["delete", "namespace", "shop"], None).await;
        let text = kubectl.ok(&["get", "ns", "-o", "name"], None).await;
        assert!(!text.contains("shop"), "{text}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_patches_a_deployment_by_merge_keys() {
    each(async |kubectl| {
    let image = |a: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
                {"name": "a", "image": a, "env": [{"name": "X", "value": "1"}], "ports": [{"containerPort": 80}]},
                {"name": "b", "image": "b:1"}]}}}})
    };
    kubectl.ok(&["apply", "-f", "-"], Some(&image("a:1"))).await;
    assert_eq!(
        kubectl.ok(&["apply", "-f", "-"], Some(&image("a:1"))).await,
        "deployment.apps/web unchanged\n"
    );
    assert_eq!(
        kubectl.ok(&["apply", "-f", "-"], Some(&image("a:2"))).await,
        "deployment.apps/web configured\n"
    );
    kubectl
        .ok(&["set", "image", "deployment/web", "b=b:2"], None)
        .await;
    let text = kubectl
        .ok(
            &[
                "get",
                "deploy",
                "web",
                "-o",
                "jsonpath={.spec.template.spec.containers[*].image}",
            ],
            None,
        )
        .await;
    assert_eq!(text, "a:2 b:2");
    kubectl
        .ok(&["scale", "deployment/web", "--replicas=3"], None)
        .await;
    let table = kubectl.ok(&["get", "deploy"], None).await;
    assert!(table.contains("0/3"), "{table}");
    let text = kubectl.ok(&["describe", "deployment", "web"], None).await;
    assert!(text.contains("b:2"), "{text}");
    let text = kubectl
        .ok(&["explain", "deployment.spec.template.spec.containers"], None)
        .await;
    assert!(text.contains("imagePullPolicy"), "{text}");
    })
    .await;
}
