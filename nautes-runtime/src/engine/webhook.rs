//! Hearing events through webhooks of the forge (component `webhook`).
//!
//! # Contract
//! * Nothing runs in the cluster. For each repository whose events start pipelines the engine asks for one
//!   hook of the forge, with the events that are wanted and the runtimes that want them.
//! * A receiver of ours takes a delivery as a hint and decides by the fetched ref; calendars fire there too.

use std::collections::{BTreeMap, BTreeSet};

use super::{EventEngine, On, Rendered, Unsupported};
use crate::intent::PipelineSpace;
use crate::plan::HookUnit;

/// The engine `webhook`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Webhook;

impl EventEngine for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn render(&self, _on: On<'_>, space: &PipelineSpace) -> Result<Rendered, Unsupported> {
        let mut wanted: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (source, repo) in &space.event_sources {
            if let (Some(gitlab), Some(repo)) = (&source.gitlab, repo) {
                wanted
                    .entry(repo.clone())
                    .or_default()
                    .extend(gitlab.events.iter().cloned());
            }
        }
        let hooks = wanted
            .into_iter()
            .filter(|(_, events)| !events.is_empty())
            .map(|(code_repo, events)| HookUnit {
                code_repo,
                events,
                owners: BTreeSet::from([space.runtime.clone()]),
            })
            .collect();
        Ok(Rendered {
            hooks,
            ..Rendered::default()
        })
    }
}
