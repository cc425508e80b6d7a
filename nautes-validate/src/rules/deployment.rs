//! Deployment runtimes: what they follow.

use nautes_model::Finding;

use super::Standard;
use crate::rule::Checked;

pub(super) const RULES: &[Standard] = &[Standard {
    id: "DeploymentSource",
    summary: "a deployment names a repository, a revision and a folder of it",
    why: "it follows that folder at that revision; a folder outside the repository cannot be followed",
    check: source,
}];

fn source(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, runtime) in on.deployment_runtimes() {
        let source = &runtime.spec.manifest_source;
        let given = [
            ("codeRepo", &source.code_repo, "the name of a code repository"),
            (
                "targetRevision",
                &source.target_revision,
                "a branch, a tag or a commit",
            ),
            (
                "path",
                &source.path,
                "a folder of the repository, `.` for all of it",
            ),
        ];
        for (field, _, hint) in given.into_iter().filter(|(_, value, _)| value.is_empty()) {
            out.push(
                on.error(
                    id,
                    resource,
                    &format!("spec.manifestSource.{field}"),
                    "it is empty",
                )
                .hint(format!("write {hint}")),
            );
        }
        if runtime.spec.destination.environment.is_empty() {
            out.push(
                on.error(id, resource, "spec.destination.environment", "it is empty")
                    .hint("write the name of an environment"),
            );
        }
        if let Some(problem) = outside(&source.path) {
            out.push(
                on.error(id, resource, "spec.manifestSource.path", problem)
                    .hint("write a folder relative to the root of the repository"),
            );
        }
    }
}

/// Says in which way a path leads out of a repository.
pub(super) fn outside(path: &str) -> Option<&'static str> {
    if path.starts_with('/') {
        return Some("the path begins with '/'");
    }
    if path.split(['/', '\\']).any(|part| part == "..") {
        return Some("the path leads out of the repository");
    }
    path.chars()
        .any(char::is_control)
        .then_some("the path has control characters")
}
