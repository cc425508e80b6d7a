//! What a tenant adds to the catalogue.

use nautes_model::Finding;

use super::Standard;
use crate::rule::Checked;

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "CatalogueConflict",
        summary: "what a tenant adds to the catalogue contradicts nothing that is known",
        why: "what Nautes brings along wins, and of two entries the first: an entry of the same name can add settings and ask more of those that are there, never less, so that no check is switched off unseen",
        check: |id, on, out| problems(id, true, on, out),
    },
    Standard {
        id: "CatalogueEntry",
        summary: "an entry of the catalogue makes sense by itself",
        why: "a component without a slot, a hook that can stand nowhere, a pattern that is none: nothing could ever use or check them",
        check: |id, on, out| problems(id, false, on, out),
    },
];

fn problems(id: &'static str, conflict: bool, on: &Checked<'_>, out: &mut Vec<Finding>) {
    // They are about no resource: a check of some resources has no part in them.
    let Some(extension) = on.scopes.tenant.catalogue.as_ref().filter(|_| on.only.is_none()) else {
        return;
    };
    for problem in on.catalogue_problems.iter().filter(|p| p.conflict == conflict) {
        out.push(
            Finding::error(id, &extension.file, &problem.message)
                .at(problem.place.at)
                .field(&problem.place.field)
                .hint(&problem.hint),
        );
    }
}
