//! Step 7: everything is Ready, nothing is left to do, and comparing everything once more writes nothing.

use std::collections::BTreeMap;

use nautes_runtime::status_report::State;

use crate::exit::Failure;
use crate::local::demo::stage::Stage;
use crate::local::demo::until::{hold, until};

/// Takes the step.
pub(super) async fn take(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    for (user, product) in [(&stage.alice, "shop"), (&stage.bob, "books")] {
        let ready = until(&format!("everything of {product} being Ready"), async || {
            let tree = user.status(Some(product)).await?;
            let open: Vec<String> = tree
                .nodes()
                .filter(|n| n.state != State::Ready)
                .map(|n| format!("{} {:?} {}", n.resource, n.state, n.message))
                .collect();
            Ok(if open.is_empty() {
                Ok(tree.nodes().count())
            } else {
                Err(open.join("; "))
            })
        })
        .await?;
        let changes = user.plan(product).await?;
        hold(changes.is_empty(), || {
            format!("the plan of {product} has changes: {changes:?}")
        })?;
        saw.push(format!(
            "{product}: all {ready} resources are Ready, and `nautes plan` shows nothing to do"
        ));
    }
    stage.desk.reconcile().await?;
    let marks: BTreeMap<String, u64> = stage
        .desk
        .writes(&BTreeMap::new())
        .await?
        .into_iter()
        .map(|(name, w)| (name, w.mark))
        .collect();
    let totals = stage.desk.reconcile().await?;
    let after = stage.desk.writes(&marks).await?;
    let mut asked = 0;
    for (cluster, writes) in &after {
        asked += writes.mark - marks.get(cluster).copied().unwrap_or_default();
        hold(writes.writes.is_empty(), || {
            format!("{cluster} was written to: {}", writes.writes.join(", "))
        })?;
    }
    let counted = totals.get("writes").and_then(serde_json::Value::as_u64);
    hold(counted == Some(0), || format!("the reconcile wrote: {totals}"))?;
    hold(asked > 0, || "the reconcile asked nothing at all".to_owned())?;
    saw.push(format!(
        "a full reconcile made {asked} requests to {} clusters, and none of them a write",
        after.len()
    ));
    Ok(())
}
