//! Hooks of pipeline runtimes.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::Finding;
use nautes_model::fix::Action;
use nautes_model::kinds::pipeline_runtime::{Hook, ProjectPipelineRuntimeSpec};

use super::{Standard, WayOut, meant, nearest, way_out};
use crate::catalogue::HookInfo;
use crate::rule::Checked;

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "HookUnknown",
        summary: "a hook is one that is known",
        why: "a hook is a task that the platform offers; it cannot run one that it does not have",
        check: unknown,
    },
    Standard {
        id: "HookPosition",
        summary: "a hook stands where it may stand",
        why: "some hooks make sense only before, or only after, the pipeline",
        check: position,
    },
    Standard {
        id: "HookDuplicate",
        summary: "a hook stands once before and once after the pipeline",
        why: "the same task twice in one place does the same twice",
        check: duplicate,
    },
    Standard {
        id: "HookAlias",
        summary: "the tasks of all hooks have different names",
        why: "tasks of one pipeline are told apart by their names",
        check: alias,
    },
    Standard {
        id: "HookEventSource",
        summary: "a hook understands the event sources of its runtime",
        why: "a hook that reads the event needs one that it can read",
        check: event_source,
    },
    Standard {
        id: "HookVars",
        summary: "the parameters of a hook are those that it has",
        why: "a parameter that is missing or misspelt would be silently empty",
        check: vars,
    },
];

/// Every hook of a runtime, with its field and whether it stands before the pipeline.
fn hooks(spec: &ProjectPipelineRuntimeSpec) -> impl Iterator<Item = (String, bool, &Hook)> {
    let hooks = spec.hooks.as_ref();
    let list = |before: bool| {
        let (name, hooks) = match (hooks, before) {
            (Some(h), true) => ("preHooks", h.pre_hooks.as_slice()),
            (Some(h), false) => ("postHooks", h.post_hooks.as_slice()),
            (None, _) => ("", [].as_slice()),
        };
        hooks
            .iter()
            .enumerate()
            .map(move |(i, hook)| (format!("spec.hooks.{name}[{i}]"), before, hook))
    };
    list(true).chain(list(false))
}

/// What is wrong with one hook: the field below it, the message and the way out.
type Problem = (String, String, WayOut);

fn each(
    id: &'static str,
    on: &Checked<'_>,
    out: &mut Vec<Finding>,
    mut look: impl FnMut(&ProjectPipelineRuntimeSpec, &str, &Hook, bool, Option<&HookInfo>) -> Vec<Problem>,
) {
    for (resource, runtime) in on.pipeline_runtimes() {
        for (field, before, hook) in hooks(&runtime.spec) {
            let info = on.catalogue.hooks.get(hook.name.as_str());
            for (below, message, out_of_it) in look(&runtime.spec, &field, hook, before, info) {
                let field = format!("{field}{below}");
                let finding = way_out(on.error(id, resource, &field, message), resource, out_of_it);
                out.push(if info.is_none() {
                    super::unless_unreadable(on, finding)
                } else {
                    finding
                });
            }
        }
    }
}

fn unknown(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let known = &on.catalogue.hooks;
    each(id, on, out, |_, field, hook, _, info| {
        if info.is_some() {
            return Vec::new();
        }
        let way_out = meant(
            &hook.name,
            known.keys().map(|k| &**k),
            |near| Action::set(format!("{field}.name"), near),
            || {
                format!(
                    "there are {}",
                    known.keys().map(|k| &**k).collect::<Vec<_>>().join(", ")
                )
            },
        );
        vec![(
            ".name".to_owned(),
            format!("there is no hook {:?}", hook.name),
            way_out,
        )]
    });
}

fn position(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    each(id, on, out, |spec, _, hook, before, info| {
        let (place, other) = if before {
            ("before", "postHooks")
        } else {
            ("after", "preHooks")
        };
        match info {
            Some(info) if (before && !info.before) || (!before && !info.after) => vec![(
                String::new(),
                format!("{:?} cannot stand {place} the pipeline", hook.name),
                (format!("move it to `{other}`"), moved(spec, before)),
            )],
            _ => Vec::new(),
        }
    });
}

/// Moves a hook to the other side of the pipeline, where it is the only one: its list gets another name.
fn moved(spec: &ProjectPipelineRuntimeSpec, before: bool) -> Option<Action> {
    let hooks = spec.hooks.as_ref()?;
    let (from, to, here, there) = if before {
        ("preHooks", "postHooks", &hooks.pre_hooks, &hooks.post_hooks)
    } else {
        ("postHooks", "preHooks", &hooks.post_hooks, &hooks.pre_hooks)
    };
    (here.len() == 1 && there.is_empty()).then(|| Action::rename(format!("spec.hooks.{from}"), to))
}

fn duplicate(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, runtime) in on.pipeline_runtimes() {
        let mut seen: BTreeMap<(bool, &str), &Hook> = BTreeMap::new();
        for (field, before, hook) in hooks(&runtime.spec) {
            let first = *seen.entry((before, &hook.name)).or_insert(hook);
            if !std::ptr::eq(first, hook) {
                let message = format!("{:?} stands twice", hook.name);
                // They may differ in what they are given; then somebody has to choose.
                let edit = (first == hook).then(|| Action::remove(&field));
                let finding = on.error(id, resource, &format!("{field}.name"), message);
                out.push(way_out(
                    finding,
                    resource,
                    ("keep one of the two".to_owned(), edit),
                ));
            }
        }
    }
}

fn alias(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, runtime) in on.pipeline_runtimes() {
        let mut seen = BTreeSet::new();
        for (field, _, hook) in hooks(&runtime.spec) {
            let name = hook
                .alias
                .as_deref()
                .filter(|a| !a.is_empty())
                .unwrap_or(&hook.name);
            if !seen.insert(name) {
                let message = format!("another hook is already called {name:?}");
                out.push(
                    on.error(id, resource, &format!("{field}.alias"), message)
                        .hint("write `alias:` with a name of its own"),
                );
            }
        }
    }
}

fn event_source(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    each(id, on, out, |spec, _, hook, _, info| {
        let Some(info) = info.filter(|i| !i.event_sources.is_empty()) else {
            return Vec::new();
        };
        let used = [
            ("gitlab", spec.event_sources.iter().any(|s| s.gitlab.is_some())),
            (
                "calendar",
                spec.event_sources.iter().any(|s| s.calendar.is_some()),
            ),
        ];
        used.into_iter()
            .filter(|(type_, used)| *used && info.event_sources.iter().all(|known| known != type_))
            .map(|(type_, _)| {
                (
                    ".name".to_owned(),
                    format!("{:?} does not understand {type_} events", hook.name),
                    (format!("it understands {}", info.event_sources.join(", ")), None),
                )
            })
            .collect()
    });
}

fn vars(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    each(id, on, out, |_, field, hook, _, info| {
        let Some(info) = info else { return Vec::new() };
        let names = || info.vars.iter().map(|(name, _)| &**name);
        let unknown = hook
            .vars
            .keys()
            .filter(|v| names().all(|n| n != v.as_str()))
            .map(|var| {
                let mut way_out = meant(
                    var,
                    names(),
                    |near| Action::rename(format!("{field}.vars.{var}"), near),
                    || format!("it has {}", names().collect::<Vec<_>>().join(", ")),
                );
                // What is given already cannot be given a second time.
                if nearest(var, names()).is_some_and(|near| hook.vars.contains_key(near)) {
                    way_out.1 = None;
                }
                (
                    format!(".vars.{var}"),
                    format!("{:?} has no parameter {var:?}", hook.name),
                    way_out,
                )
            });
        let missing = info
            .vars
            .iter()
            .filter(|(name, required)| *required && !hook.vars.contains_key(&**name))
            .map(|(name, _)| {
                (
                    ".vars".to_owned(),
                    format!("{:?} needs the parameter {name:?}", hook.name),
                    (format!("write `{name}:`"), None),
                )
            });
        unknown.chain(missing).collect()
    });
}
