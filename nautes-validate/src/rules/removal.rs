//! Removal: what is still needed stays.

use nautes_model::{Finding, Kind};

use super::{Standard, related, say, say_all};
use crate::rule::Checked;

const WHY: &str =
    "what still names a removed resource would stop working; the finding names all of it at once";

macro_rules! referenced {
    ($($id:literal, $summary:literal, [$($kind:ident),*];)*) => {
        pub(super) const RULES: &[Standard] = &[$(Standard {
            id: $id,
            summary: $summary,
            why: WHY,
            check: |id, on, out| referenced(id, &[$(Kind::$kind),*], on, out),
        }),*];
    };
}

referenced! {
    "ClusterReferenced", "a cluster that is removed has no virtual cluster and no environment", [Cluster];
    "ProductReferenced", "a product that is removed is empty and has no permissions", [Product];
    "EnvironmentReferenced", "an environment that is removed has no runtime", [Environment];
    "ProjectReferenced", "a project that is removed is named by nothing", [Project];
    "CodeRepoReferenced", "a code repository that is removed is used by no runtime and opened by no binding", [CodeRepo];
    "ProviderReferenced", "a provider that is removed has no repository", [CodeRepoProvider, ArtifactRepoProvider, ProductProvider];
    "ArtifactRepoReferenced", "an artifact repository that is removed is used by no project", [ArtifactRepo];
}

fn referenced(id: &'static str, kinds: &[Kind], on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (gone, needed_by) in &on.still_needed {
        let Some(was) = on.before.and_then(|b| b.scopes.get(gone)) else {
            continue;
        };
        if kinds.contains(&gone.kind) && on.wants(gone) {
            let message = format!(
                "{} is still needed by {}",
                say(gone, gone),
                say_all(needed_by, gone)
            );
            let finding = on
                .error(id, was, "", message)
                .hint("remove or change what needs it in the same request, or first");
            out.push(related(finding, needed_by));
        }
    }
}
