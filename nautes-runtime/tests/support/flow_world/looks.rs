//! What people see, and wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::api::{DynamicObject, ListParams};
use nautes_runtime::local;
use nautes_runtime::status_report::{State, StatusTree, report};

use super::objects::{api, list};
use super::{LIMIT, World, identity};

impl World {
    /// How many triggers of a runtime have seen their repository.
    pub(crate) async fn triggers(&self, runtime: &str) -> usize {
        let identity = identity(runtime);
        let name = format!("product-{}", identity.product.as_ref().unwrap());
        let group = "nautes.resource.nautes.io/v1alpha1";
        let client = self.tenant.client();
        let object = api(&client, group, "ProjectPipelineRuntime", Some(&name))
            .get(identity.name.as_str())
            .await
            .unwrap();
        let triggers = object.data["status"]["triggers"].as_array().cloned();
        let sources = triggers.unwrap_or_default().into_iter();
        let sources: BTreeSet<String> = sources.map(|t| t["eventSource"].to_string()).collect();
        sources.len()
    }

    /// Waits until exactly the runs of these commits are there, besides the first `before`.
    pub(crate) async fn run_commits(&self, before: usize, commits: &mut [String], after: &str) {
        commits.sort();
        self.eventually(
            &format!("after {after}: the runs are those of {commits:#?}"),
            async || {
                let runs = self.runs().await;
                let mut found: Vec<String> = runs
                    .iter()
                    .map(|run| {
                        run.data["spec"]["params"][0]["value"]
                            .as_str()
                            .unwrap_or_default()
                            .to_owned()
                    })
                    .collect();
                found.sort();
                let wanted = commits.len() + before;
                match runs.len() == wanted && commits.iter().all(|commit| found.contains(commit)) {
                    true => Ok(()),
                    false => Err(format!("{found:#?}")),
                }
            },
        )
        .await;
    }

    pub(crate) async fn report(&self) -> StatusTree {
        report(&self.platform, None).await.unwrap()
    }

    /// Waits until a resource is in a state.
    pub(crate) async fn until(&self, resource: &str, state: State) {
        let wanted = identity(resource);
        self.eventually(&format!("{resource} is {state:?}"), async || {
            let tree = self.report().await;
            match tree.get(&wanted) {
                Some(node) if node.state == state => Ok(()),
                other => Err(format!("{other:#?}")),
            }
        })
        .await;
    }

    /// Waits until everything is ready.
    pub(crate) async fn all_ready(&self) {
        self.eventually("everything is ready", async || {
            let tree = self.report().await;
            let open: Vec<String> = tree
                .nodes()
                .filter(|node| node.state != State::Ready)
                .map(|node| {
                    format!(
                        "{} {:?} {}: {}",
                        node.resource, node.state, node.reason, node.message
                    )
                })
                .collect();
            if open.is_empty() {
                Ok(())
            } else {
                Err(open.join("\n"))
            }
        })
        .await;
    }

    /// Waits until a pass over everything changes nothing.
    pub(crate) async fn at_rest(&self) {
        self.eventually("a pass changes nothing", async || {
            let totals = self.controllers().reconcile_all().await.unwrap();
            match totals.writes {
                0 if totals.failures.is_empty() => Ok(()),
                _ => Err(format!("{totals:#?}")),
            }
        })
        .await;
    }

    /// Asks until the answer is good, with a deadline.
    pub(crate) async fn eventually(&self, what: &str, ask: impl AsyncFn() -> Result<(), String>) {
        let end = tokio::time::Instant::now() + LIMIT;
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let Err(last) = ask().await else { return };
            if tokio::time::Instant::now() >= end {
                let failures = self.running.as_ref().map(|r| r.controllers.totals().failures);
                panic!("{what}: not in time; last seen:\n{last}\nfailures: {failures:#?}");
            }
        }
    }

    pub(crate) async fn names(
        &self,
        cluster: &str,
        api: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> BTreeSet<String> {
        list(&self.clusters[cluster].client(), api, kind, namespace).await
    }

    pub(crate) async fn runs(&self) -> Vec<DynamicObject> {
        let client = self.clusters["pipelines"].client();
        let all = api(&client, "tekton.dev/v1", "PipelineRun", None);
        all.list(&ListParams::default()).await.unwrap().items
    }

    /// How many requests that can write every cluster has seen.
    pub(crate) fn marks(&self) -> BTreeMap<String, u64> {
        let mut marks = BTreeMap::from([("tenant".to_owned(), self.tenant.audit().mark())]);
        marks.extend(
            self.clusters
                .iter()
                .map(|(n, c)| ((*n).to_owned(), c.audit().mark())),
        );
        marks
    }

    pub(crate) fn writes_since(&self, marks: &BTreeMap<String, u64>) -> Vec<String> {
        let of = |name: &str, cluster: &local::Cluster| -> Vec<String> {
            let writes = cluster.audit().writes_since(marks[name]);
            writes
                .iter()
                .map(|e| format!("{name} {} {} {}", e.verb, e.path, e.code))
                .collect()
        };
        let mut all = of("tenant", &self.tenant);
        all.extend(self.clusters.iter().flat_map(|(name, cluster)| of(name, cluster)));
        all
    }
}
