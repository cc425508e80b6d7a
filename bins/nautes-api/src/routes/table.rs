//! The table of operations. To add one, write its row in the file of its group, or add a group here.

use super::operation::Operation;
use super::{
    access, apply, audit, caller, deployments, graph, kinds, live, meta, reference, runs, status, watch,
};

/// Makes the table, in the order in which it is described.
#[must_use]
pub fn table() -> Vec<Operation> {
    let groups = [
        apply::operations(),
        live::operations(),
        status::operations(),
        watch::operations(),
        runs::operations(),
        deployments::operations(),
        access::operations(),
        graph::operations(),
        audit::operations(),
        reference::operations(),
        kinds::operations(),
        caller::operations(),
        meta::operations(),
    ];
    groups.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use nautes_model::Kind;

    use super::super::operation::{Needs, Place};
    use super::*;

    #[test]
    fn every_row_is_whole() {
        let mut ids = BTreeSet::new();
        let mut places = BTreeSet::new();
        for operation in table() {
            let id = &operation.id;
            assert!(ids.insert(id.clone()), "{id} stands twice");
            let place = format!("{} {}", operation.method, operation.path);
            assert!(places.insert(place.clone()), "{place} stands twice");
            assert!(!operation.summary.is_empty(), "{id} says nothing");
            assert!(
                !operation.summary.ends_with('.'),
                "{id}: a summary is no sentence"
            );
            assert!(!operation.replies.is_empty(), "{id} never answers");
            assert!(
                !operation.writes || operation.needs != Needs::Public,
                "{id} writes for everybody"
            );
            let in_path: BTreeSet<&str> = operation
                .path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                .collect();
            let described: BTreeSet<&str> = operation
                .parameters
                .iter()
                .filter(|p| p.place == Place::Path)
                .map(|p| p.name)
                .collect();
            assert_eq!(in_path, described, "{id}");
            let wanted: &[&str] = match operation.needs {
                Needs::Product(_) | Needs::Resource(Kind::Product, _) => &["product"],
                Needs::Resource(kind, _) if kind.is_of_product() => &["product", "name"],
                Needs::Resource(..) => &["name"],
                Needs::Public | Needs::Caller | Needs::Tenant(_) | Needs::Each => &[],
            };
            for name in wanted {
                assert!(in_path.contains(name), "{id} needs {{{name}}} in its path");
            }
        }
    }
}
