//! Pipeline runtimes: pipelines, event sources and triggers.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::fix::Action;
use nautes_model::kinds::pipeline_runtime::{
    CalendarEvent, EventSource, GitlabEvent, ProjectPipelineRuntimeSpec,
};
use nautes_model::{Finding, Fix, Resource, Sourced};

use super::deployment::outside;
use super::{Standard, WayOut, meant, meant_name, replaced, same_target, way_out};
use crate::catalogue::{BUILT_IN_VARS, PIPELINE_EVENTS};
use crate::rule::Checked;

mod calendar;

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "PipelineStatic",
        summary: "the parts of a pipeline runtime fit together",
        why: "triggers connect event sources and pipelines by name, so each name must be there, once",
        check: fits_together,
    },
    Standard {
        id: "PipelinePath",
        summary: "a pipeline is a file of the pipeline repository, listed once",
        why: "the file is read from the repository at the revision of the event",
        check: path,
    },
    Standard {
        id: "PipelineInput",
        summary: "an input has one source and says where it goes",
        why: "a value with no source, with two, or without a place cannot be handed over",
        check: input,
    },
    Standard {
        id: "PipelineEvent",
        summary: "an event source says what it listens to",
        why: "a source that listens to nothing, or to what never comes, starts nothing",
        check: event,
    },
    Standard {
        id: "PipelineRevision",
        summary: "a trigger by time says which revision of the pipeline it takes",
        why: "an event of a repository has a revision to follow, a point in time has none",
        check: revision,
    },
    Standard {
        id: "PipelineProjectImmutable",
        summary: "the project of a pipeline runtime does not change",
        why: "its permissions, secrets and history are those of the project",
        check: immutable,
    },
];

/// What is wrong: the field, the message and the way out.
type Said = Vec<(String, String, WayOut)>;

fn each(
    id: &'static str,
    on: &Checked<'_>,
    out: &mut Vec<Finding>,
    look: impl Fn(&ProjectPipelineRuntimeSpec, &mut Said),
) {
    for (resource, runtime) in on.pipeline_runtimes() {
        let mut said = Said::new();
        look(&runtime.spec, &mut said);
        for (field, message, out_of_it) in said {
            out.push(way_out(
                on.error(id, resource, &field, message),
                resource,
                out_of_it,
            ));
        }
    }
}

fn say(said: &mut Said, field: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
    said.push((field.into(), message.into(), (hint.into(), None)));
}

fn fits_together(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    each(id, on, out, |spec, said| {
        for (field, empty, hint) in [
            (
                "spec.project",
                spec.project.is_empty(),
                "write the name of a project",
            ),
            (
                "spec.pipelineSource",
                spec.pipeline_source.is_empty(),
                "write the name of a code repository",
            ),
            (
                "spec.destination.environment",
                spec.destination.environment.is_empty(),
                "write the name of an environment",
            ),
            ("spec.pipelines", spec.pipelines.is_empty(), "add a pipeline"),
            (
                "spec.eventSources",
                spec.event_sources.is_empty(),
                "add an event source",
            ),
            (
                "spec.pipelineTriggers",
                spec.pipeline_triggers.is_empty(),
                "add a trigger",
            ),
        ] {
            if empty {
                say(said, field, "it is empty", hint);
            }
        }
        unique(
            "spec.pipelines",
            spec.pipelines.iter().map(|p| p.name.as_str()),
            said,
        );
        unique(
            "spec.eventSources",
            spec.event_sources.iter().map(|s| s.name.as_str()),
            said,
        );
        triggers(spec, said);
        if let Some(git) = spec.additional_resources.as_ref().and_then(|a| a.git.as_ref()) {
            let empty = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
            if empty(&git.code_repo) && empty(&git.url) {
                let field = "spec.additionalResources.git";
                say(
                    said,
                    field,
                    "neither codeRepo nor url is given",
                    "write one of the two",
                );
            }
            if let Some(problem) = outside(&git.path) {
                let field = "spec.additionalResources.git.path";
                say(
                    said,
                    field,
                    problem,
                    "write a folder relative to the root of the repository",
                );
            }
        }
    });
}

fn unique<'n>(list: &str, names: impl Iterator<Item = &'n str>, said: &mut Said) {
    let mut seen = BTreeSet::new();
    for (i, name) in names.enumerate() {
        if !seen.insert(name) {
            let message = format!("{name:?} stands twice");
            say(
                said,
                format!("{list}[{i}].name"),
                message,
                "give each a name of its own",
            );
        }
    }
}

fn triggers(spec: &ProjectPipelineRuntimeSpec, said: &mut Said) {
    let sources: BTreeSet<&str> = spec.event_sources.iter().map(|s| s.name.as_str()).collect();
    let pipelines: BTreeSet<&str> = spec.pipelines.iter().map(|p| p.name.as_str()).collect();
    let mut seen = BTreeSet::new();
    for (i, trigger) in spec.pipeline_triggers.iter().enumerate() {
        let mut known = |names: &BTreeSet<&str>, name: &str, field: &str, what: &str| {
            if !names.contains(name) {
                let field = format!("spec.pipelineTriggers[{i}].{field}");
                let way_out = meant_name(
                    name,
                    names.iter().copied(),
                    |near| Action::set(&field, near),
                    || {
                        format!(
                            "there are {}",
                            names.iter().take(10).copied().collect::<Vec<_>>().join(", ")
                        )
                    },
                );
                said.push((field, format!("there is no {what} {name:?}"), way_out));
            }
        };
        known(&sources, &trigger.event_source, "eventSource", "event source");
        known(&pipelines, &trigger.pipeline, "pipeline", "pipeline");
        if !seen.insert((&trigger.event_source, &trigger.pipeline, &trigger.revision)) {
            let field = format!("spec.pipelineTriggers[{i}]");
            // They may differ in their inputs; then somebody has to choose.
            let is_same = spec.pipeline_triggers[..i].contains(trigger);
            let edit = is_same.then(|| Action::remove(&field));
            let way_out = ("remove one of the two".to_owned(), edit);
            said.push((field, "the same trigger stands twice".to_owned(), way_out));
        }
    }
}

fn path(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    each(id, on, out, |spec, said| {
        let mut seen = BTreeSet::new();
        for (i, pipeline) in spec.pipelines.iter().enumerate() {
            let field = format!("spec.pipelines[{i}].path");
            if pipeline.path.is_empty() {
                say(said, &field, "it is empty", "write the path of the pipeline file");
            } else if let Some(problem) = outside(&pipeline.path) {
                say(
                    said,
                    &field,
                    problem,
                    "write a path relative to the root of the repository",
                );
            }
            if !seen.insert(pipeline.path.as_str()) {
                let message = format!("{:?} is also the file of another pipeline", pipeline.path);
                say(
                    said,
                    &field,
                    message,
                    "list each file once; several triggers may start it",
                );
            }
        }
    });
}

fn input(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    each(id, on, out, |spec, said| {
        for (i, trigger) in spec.pipeline_triggers.iter().enumerate() {
            for (j, input) in trigger.inputs.iter().enumerate() {
                let field = format!("spec.pipelineTriggers[{i}].inputs[{j}]");
                let given = |text: &Option<String>| text.as_deref().is_some_and(|t| !t.is_empty());
                match (given(&input.source.built_in_var), given(&input.source.from_event)) {
                    (true, true) => say(
                        said,
                        format!("{field}.source"),
                        "both builtInVar and fromEvent are given",
                        "keep one of the two",
                    ),
                    (false, false) => say(
                        said,
                        format!("{field}.source"),
                        "neither builtInVar nor fromEvent is given",
                        "write one of the two",
                    ),
                    (true, false) => unknown_var(&field, input.source.built_in_var.as_deref(), said),
                    (false, true) => {}
                }
                let place = input.transmission_method.kustomization.as_ref();
                if place.is_none_or(|k| k.path.is_empty()) {
                    say(
                        said,
                        format!("{field}.transmissionMethod"),
                        "the input has no place in the pipeline",
                        "write `kustomization:` with the `path:` of a field",
                    );
                }
            }
        }
    });
}

fn unknown_var(field: &str, name: Option<&str>, said: &mut Said) {
    let name = name.unwrap_or_default();
    if !BUILT_IN_VARS.contains(&name) {
        let field = format!("{field}.source.builtInVar");
        let way_out = meant(
            name,
            BUILT_IN_VARS.iter().copied(),
            |near| Action::set(&field, near),
            || format!("there are {}", BUILT_IN_VARS.join(", ")),
        );
        said.push((field, format!("there is no built-in variable {name:?}"), way_out));
    }
}

fn event(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    each(id, on, out, |spec, said| {
        for (i, source) in spec.event_sources.iter().enumerate() {
            let field = format!("spec.eventSources[{i}]");
            if source.gitlab.is_none() && source.calendar.is_none() {
                let message = format!("{:?} listens to nothing", source.name);
                say(said, &field, message, "write `gitlab:` or `calendar:`");
            }
            if let Some(gitlab) = &source.gitlab {
                events(&field, gitlab, said);
            }
            if let Some(calendar) = &source.calendar {
                times(&format!("{field}.calendar"), calendar, said);
            }
        }
    });
    for (resource, runtime) in on.pipeline_runtimes() {
        unreported(id, on, resource, &runtime.spec.event_sources, out);
    }
}

fn events(field: &str, gitlab: &GitlabEvent, said: &mut Said) {
    if gitlab.events.is_empty() {
        let field = format!("{field}.gitlab.events");
        say(
            said,
            field,
            "no event is named",
            "write for example `events: [push_events]`",
        );
    }
    for (i, event) in gitlab.events.iter().enumerate() {
        let known = PIPELINE_EVENTS.iter().copied();
        if known.clone().any(|k| k == event) {
            continue;
        }
        let field = format!("{field}.gitlab.events[{i}]");
        let way_out = meant(
            event,
            known,
            |near| replaced(&field, &gitlab.events, near),
            || format!("use some of {}", PIPELINE_EVENTS.join(", ")),
        );
        said.push((field, format!("no pipeline can be started by {event:?}"), way_out));
    }
}

fn times(field: &str, calendar: &CalendarEvent, said: &mut Said) {
    let given = |text: &Option<String>| text.as_deref().is_some_and(|t| !t.is_empty());
    if !given(&calendar.schedule) && !given(&calendar.interval) {
        let hint = "write `schedule: \"0 3 * * *\"` or `interval: 1h`";
        say(said, field, "neither schedule nor interval is given", hint);
    }
    if let Some(problem) = calendar.schedule.as_deref().and_then(calendar::cron_problem) {
        let hint = "write five fields: minute, hour, day, month, day of the week";
        say(said, format!("{field}.schedule"), problem, hint);
    }
    if let Some(problem) = calendar.interval.as_deref().and_then(calendar::interval_problem) {
        say(
            said,
            format!("{field}.interval"),
            problem,
            "write for example 10m or 1h30m",
        );
    }
    if let Some(problem) = calendar.timezone.as_deref().and_then(calendar::zone_problem) {
        say(
            said,
            format!("{field}.timezone"),
            problem,
            "write for example Europe/Paris or UTC",
        );
    }
    for (i, date) in calendar.exclusion_dates.iter().enumerate() {
        if let Some(problem) = calendar::date_problem(date) {
            let field = format!("{field}.exclusionDates[{i}]");
            say(
                said,
                field,
                problem,
                "write for example 2030-12-24 or 2030-12-24T06:00:00Z",
            );
        }
    }
}

/// Warns of events that the repository is told not to report.
fn unreported(
    id: &'static str,
    on: &Checked<'_>,
    of: &Sourced,
    sources: &[EventSource],
    out: &mut Vec<Finding>,
) {
    for (i, gitlab) in sources
        .iter()
        .enumerate()
        .filter_map(|(i, s)| Some((i, s.gitlab.as_ref()?)))
    {
        let field = format!("spec.eventSources[{i}].gitlab");
        let Some((repo, spec)) = on
            .found(&of.identity, &format!("{field}.repoName"))
            .and_then(|repo| on.code_repo(repo))
        else {
            continue;
        };
        let reported: BTreeSet<&String> = spec.spec.webhook.iter().flat_map(|w| &w.events).collect();
        let silent: Vec<&str> = gitlab
            .events
            .iter()
            .filter(|e| !reported.contains(e) && PIPELINE_EVENTS.contains(&e.as_str()))
            .map(String::as_str)
            .collect();
        if !silent.is_empty() {
            let message = format!(
                "{} does not report {}",
                super::say(&repo.identity, &of.identity),
                silent.join(", ")
            );
            let finding = on
                .warning(id, of, &format!("{field}.events"), message)
                .hint("add it to `webhook.events` of the repository")
                .fix((repo.identity.product == of.identity.product).then(|| {
                    Fix::of(
                        repo,
                        Action::append("spec.webhook.events", silent.iter().copied()),
                    )
                }));
            out.push(super::related(finding, [&repo.identity]));
        }
    }
}

fn revision(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    each(id, on, out, |spec, said| {
        let sources: BTreeMap<&str, &EventSource> =
            spec.event_sources.iter().map(|s| (s.name.as_str(), s)).collect();
        for (i, trigger) in spec.pipeline_triggers.iter().enumerate() {
            let by_time = sources
                .get(trigger.event_source.as_str())
                .is_some_and(|s| s.gitlab.is_none() && s.calendar.is_some());
            if by_time && trigger.revision.as_deref().is_none_or(str::is_empty) {
                say(
                    said,
                    format!("spec.pipelineTriggers[{i}].revision"),
                    format!("{:?} has no revision to follow", trigger.event_source),
                    "write `revision:` with a branch of the pipeline repository",
                );
            }
        }
    });
}

fn immutable(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, now) in on.pipeline_runtimes() {
        if let Some(Resource::ProjectPipelineRuntime(old)) = on.changed_from(resource).map(|s| &s.resource)
            && old.spec.project != now.spec.project
            && !same_target(on, &resource.identity, "spec.project")
        {
            let message = format!(
                "the project changes from {:?} to {:?}",
                old.spec.project, now.spec.project
            );
            out.push(
                on.error(id, resource, "spec.project", message)
                    .hint("remove the runtime and add one of another name to the other project"),
            );
        }
    }
}
