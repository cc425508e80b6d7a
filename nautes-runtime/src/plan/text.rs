//! Plans as text: stable, for people and for golden files. Secrets appear as places and digests.

use std::collections::BTreeMap;
use std::fmt::Write;

use nautes_model::Identity;

use super::model::{ClusterPlan, Held, Plan, Planned};
use crate::object::ObjectKey;

/// Writes a plan: verdicts, what is held, and per cluster every object with its owners.
#[must_use]
pub fn text(plan: &Plan) -> String {
    render(plan, false)
}

/// Writes a plan with the whole content of its objects.
#[must_use]
pub fn text_with_objects(plan: &Plan) -> String {
    render(plan, true)
}

fn render(plan: &Plan, with_objects: bool) -> String {
    let mut out = String::new();
    out.push_str("verdicts\n");
    for (identity, verdict) in &plan.verdicts {
        line(
            &mut out,
            1,
            &format!("{identity}: {:?} {}", verdict.state, verdict.reason),
        );
        line(&mut out, 2, &verdict.message);
    }
    reasons(&mut out, "held", &plan.held);
    reasons(&mut out, "detached", &plan.detached);
    if let Some(paths) = &plan.keep_grants_of {
        out.push_str("grants that are kept\n");
        for path in paths {
            line(&mut out, 1, path.as_str());
        }
    }
    for (name, cluster) in &plan.clusters {
        line(&mut out, 0, &format!("cluster {name}"));
        write_cluster(&mut out, cluster, with_objects);
    }
    out
}

fn reasons(out: &mut String, title: &str, all: &BTreeMap<Identity, Held>) {
    if all.is_empty() {
        return;
    }
    line(out, 0, title);
    for (identity, held) in all {
        line(out, 1, &format!("{identity}: {}", held.reason));
    }
}

fn write_cluster(out: &mut String, plan: &ClusterPlan, with_objects: bool) {
    for (i, wave) in plan.waves.iter().enumerate() {
        line(out, 1, &format!("wave {}", i + 1));
        for planned in wave {
            write_object(out, planned, with_objects);
        }
    }
    section(out, "grants", &plan.grants, |grant| {
        format!("{} {:?} {}", grant.principal, grant.level, grant.secret)
    });
    section(out, "deployments", &plan.deploys, |unit| {
        format!(
            "{} follows {} at {} in {:?} as {} into {}",
            unit.runtime,
            unit.code_repo,
            unit.target_revision,
            unit.path,
            unit.account,
            unit.namespaces.join(", ")
        )
    });
    section(out, "hooks", &plan.hooks, |hook| {
        let events: Vec<&str> = hook.events.iter().map(String::as_str).collect();
        format!("{} {}", hook.code_repo, events.join(", "))
    });
    for space in &plan.pipelines {
        line(
            out,
            1,
            &format!(
                "pipelines of {} in {} as {}",
                space.runtime, space.namespace, space.account
            ),
        );
        for trigger in &space.triggers {
            let revision = trigger.revision.as_deref().unwrap_or("that of the event");
            line(
                out,
                2,
                &format!(
                    "{} starts {} at {revision}",
                    trigger.event_source, trigger.pipeline
                ),
            );
        }
    }
}

fn section<T>(out: &mut String, title: &str, all: impl IntoIterator<Item = T>, say: impl Fn(T) -> String) {
    let mut all = all.into_iter().peekable();
    if all.peek().is_some() {
        line(out, 1, title);
        for one in all {
            line(out, 2, &say(one));
        }
    }
}

fn write_object(out: &mut String, planned: &Planned, with_objects: bool) {
    let key = ObjectKey::of(&planned.object).map_or_else(|e| e.to_string(), |key| key.to_string());
    let owners: Vec<String> = planned.owners.iter().map(ToString::to_string).collect();
    line(out, 2, &format!("{key} for {}", owners.join(", ")));
    for (pointer, material) in &planned.secrets {
        let digest = material.digest.as_deref().unwrap_or("unknown");
        line(
            out,
            3,
            &format!("{pointer} = {} (digest {digest})", material.reference),
        );
    }
    if with_objects {
        let content = nautes_model::yaml::to_text(&planned.object).unwrap_or_else(|e| e.to_string());
        for content in content.lines() {
            line(out, 3, content);
        }
    }
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:1$}{text}", "", depth * 2);
}
