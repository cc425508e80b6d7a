//! The runs of pipelines, as the clusters tell of them: what is known, and what of it is news.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use nautes_model::Identity;
use nautes_model::name::ClusterName;
use nautes_runtime::runs::{RunRecord, RunSeen, RunSites, follow_runs, run_sites};
use nautes_runtime::status_report::Run;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::Hub;

/// How many runs are known of one cluster; the oldest that have ended are forgotten first.
const MOST: usize = 5_000;
/// How often it is looked at again where pipelines run, beside when something about that has changed.
const LOOK: Duration = Duration::from_secs(60);

/// A run of a pipeline runtime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunOf {
    /// The pipeline runtime.
    pub resource: Identity,
    /// The run.
    pub run: Run,
}

/// The runs that are known.
#[derive(Debug)]
pub(crate) struct Known {
    most: usize,
    clusters: BTreeMap<ClusterName, OfCluster>,
}

#[derive(Debug, Default)]
struct OfCluster {
    listed: bool,
    /// By namespace and name.
    runs: BTreeMap<(String, String), Kept>,
}

#[derive(Debug)]
struct Kept {
    created: String,
    ended: bool,
    of: RunOf,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            most: MOST,
            clusters: BTreeMap::new(),
        }
    }
}

impl Known {
    /// Takes what was seen of a cluster, and returns what is news of it. What had ended before anybody looked is none.
    pub(crate) fn take(&mut self, cluster: &ClusterName, seen: RunSeen) -> Vec<RunOf> {
        let most = self.most;
        let known = self.clusters.entry(cluster.clone()).or_default();
        match seen {
            RunSeen::Interrupted(why) => {
                tracing::warn!(%cluster, why, "following runs was interrupted");
                Vec::new()
            }
            RunSeen::Gone(namespace, name) => {
                known.runs.remove(&(namespace, name));
                Vec::new()
            }
            RunSeen::Put(run) => known.put(&run, most, true).into_iter().collect(),
            RunSeen::All(mut all) => {
                all.sort_by(|a, b| (&b.created, &b.name).cmp(&(&a.created, &a.name)));
                all.truncate(most);
                let there: BTreeSet<(String, String)> = all.iter().map(at).collect();
                known.runs.retain(|at, _| there.contains(at));
                let told_ended = std::mem::replace(&mut known.listed, true);
                // The oldest is told first.
                let news = all.into_iter().rev();
                news.filter_map(|run| known.put(&run, most, told_ended)).collect()
            }
        }
    }

    /// Whether a run is known by its cluster: then that says more about it than that it was recorded.
    pub(crate) fn has(&self, resource: &Identity, name: &str) -> bool {
        let mut all = self.clusters.values().flat_map(|known| known.runs.iter());
        all.any(|((_, of), kept)| of == name && kept.of.resource == *resource)
    }

    /// Goes through the runs that have not ended.
    pub(crate) fn open(&self) -> impl Iterator<Item = &RunOf> {
        let all = self.clusters.values().flat_map(|known| known.runs.values());
        all.filter(|kept| !kept.ended).map(|kept| &kept.of)
    }
}

impl OfCluster {
    fn put(&mut self, run: &RunRecord, most: usize, tell_ended: bool) -> Option<RunOf> {
        let kept = Kept {
            created: run.created.clone(),
            ended: run.state.phase.is_end(),
            of: RunOf {
                resource: run.runtime.clone(),
                run: Run::from(run),
            },
        };
        let (of, ended) = (kept.of.clone(), kept.ended);
        let before = self.runs.insert(at(run), kept);
        if self.runs.len() > most {
            let oldest = self.runs.iter().filter(|(_, kept)| kept.ended);
            let oldest = oldest.min_by(|(_, a), (_, b)| a.created.cmp(&b.created));
            if let Some(at) = oldest.map(|(at, _)| at.clone()) {
                self.runs.remove(&at);
            }
        }
        let is_news = match before {
            Some(before) => before.of != of,
            None => tell_ended || !ended,
        };
        is_news.then_some(of)
    }
}

fn at(run: &RunRecord) -> (String, String) {
    (run.namespace.clone(), run.name.clone())
}

/// Follows the runs of every cluster in which pipelines run, until the hub stops.
pub(super) async fn follow_all(hub: Arc<Hub>, out: mpsc::Sender<(ClusterName, RunSeen)>) {
    let mut followed: BTreeMap<ClusterName, (RunSites, AbortOnDropHandle<()>)> = BTreeMap::new();
    loop {
        // What cannot be read now stays as it was.
        if let Ok(scopes) = hub.platform().scopes().await {
            let wanted = run_sites(&scopes);
            let gone: Vec<ClusterName> = followed
                .keys()
                .filter(|cluster| !wanted.contains_key(*cluster))
                .cloned()
                .collect();
            for cluster in gone {
                followed.remove(&cluster);
                let _ = out.send((cluster, RunSeen::All(Vec::new()))).await;
            }
            for (cluster, sites) in wanted {
                if followed.get(&cluster).is_some_and(|(known, _)| *known == sites) {
                    continue;
                }
                let seen = follow_runs(hub.platform().clone(), cluster.clone(), sites.clone());
                let (out, of) = (out.clone(), cluster.clone());
                let task = tokio::spawn(async move {
                    let mut seen = std::pin::pin!(seen);
                    while let Some(seen) = seen.next().await {
                        if out.send((of.clone(), seen)).await.is_err() {
                            return;
                        }
                    }
                });
                followed.insert(cluster, (sites, AbortOnDropHandle::new(task)));
            }
        }
        tokio::select! {
            () = hub.stop.cancelled() => return,
            _ = tokio::time::timeout(LOOK, hub.moved.notified()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use nautes_model::Kind;
    use nautes_runtime::runs::{RunPhase, RunState, RunTrigger};

    use super::*;

    fn run(name: &str, phase: RunPhase) -> RunRecord {
        RunRecord {
            name: name.to_owned(),
            runtime: Identity::product(
                Kind::ProjectPipelineRuntime,
                "shop".parse().unwrap(),
                "build".parse().unwrap(),
            ),
            state: RunState {
                phase,
                reason: String::new(),
                message: String::new(),
                started: None,
                finished: None,
            },
            created: format!("2024-01-01T00:00:0{}Z", name.len()),
            trigger: RunTrigger::default(),
            pipeline_revision: String::new(),
            cluster: "pipelines".to_owned(),
            namespace: "build".to_owned(),
            links: BTreeMap::new(),
        }
    }

    fn told(known: &mut Known, seen: RunSeen) -> Vec<String> {
        let news = known.take(&"pipelines".parse().unwrap(), seen);
        news.iter()
            .map(|of| format!("{} {}", of.run.name, of.run.phase))
            .collect()
    }

    fn put(known: &mut Known, name: &str, phase: RunPhase) -> Vec<String> {
        told(known, RunSeen::Put(Box::new(run(name, phase))))
    }

    #[test]
    fn each_phase_is_told_once_and_what_had_ended_before_is_not_news() {
        use RunPhase::{Failed, Pending, Running, Succeeded};
        let mut known = Known::default();
        let begin = vec![run("a", Succeeded), run("bb", Running)];
        assert_eq!(told(&mut known, RunSeen::All(begin)), ["bb running"]);
        assert_eq!(put(&mut known, "ccc", Pending), ["ccc pending"]);
        assert!(put(&mut known, "ccc", Pending).is_empty());
        assert_eq!(put(&mut known, "bb", Succeeded), ["bb succeeded"]);
        // After an interruption, what has happened meanwhile is news, and so is what came and ended.
        let again = vec![
            run("a", Succeeded),
            run("bb", Succeeded),
            run("ccc", Running),
            run("dddd", Failed),
        ];
        assert_eq!(
            told(&mut known, RunSeen::All(again)),
            ["ccc running", "dddd failed"]
        );
        let open: Vec<&str> = known.open().map(|of| of.run.name.as_str()).collect();
        assert_eq!(open, ["ccc"]);
        let runtime = run("x", Pending).runtime;
        assert!(known.has(&runtime, "ccc") && !known.has(&runtime, "x"));
        told(&mut known, RunSeen::Gone("build".to_owned(), "ccc".to_owned()));
        assert_eq!(known.open().count(), 0);
    }

    #[test]
    fn a_bounded_number_is_known_and_those_that_run_stay() {
        let mut known = Known {
            most: 2,
            ..Known::default()
        };
        put(&mut known, "a", RunPhase::Running);
        put(&mut known, "bb", RunPhase::Failed);
        put(&mut known, "ccc", RunPhase::Failed);
        let names: Vec<&str> = known
            .clusters
            .values()
            .flat_map(|c| c.runs.keys())
            .map(|(_, n)| n.as_str())
            .collect();
        assert_eq!(names, ["a", "ccc"]);
    }
}
