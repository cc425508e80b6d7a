//! Deleting, which GitLab does later.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;

use super::Api;
use super::failure::Task;
use crate::host::HostError;
use crate::host::net::{Reply, pause};

/// The first pause before looking again; it doubles each time.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(2);

/// A group or project of which it is asked whether it is still there.
#[derive(Deserialize)]
struct Remains {
    #[serde(alias = "path_with_namespace")]
    full_path: String,
    #[serde(default)]
    marked_for_deletion_on: Option<String>,
    #[serde(default)]
    marked_for_deletion_at: Option<String>,
}

impl Api {
    /// Deletes a group or a project, and returns when it is gone, or marked to be deleted later and cannot be deleted
    /// now.
    pub(super) async fn delete(&self, at: &[&str; 2], task: &Task) -> Result<(), HostError> {
        self.remove(at, &[], task).await?;
        let deadline = Instant::now() + self.forge.deletion;
        let (mut wait, mut hurried) = (PAUSE, false);
        while let Some(remains) = self.look::<Remains>(at, &[], task).await? {
            let marked = remains.marked_for_deletion_on.is_some() || remains.marked_for_deletion_at.is_some();
            if marked && hurried {
                return Ok(());
            }
            if marked {
                hurried = true;
                let query = [
                    ("permanently_remove", "true"),
                    ("full_path", remains.full_path.as_str()),
                ];
                match self.remove(at, &query, task).await {
                    // Where it may not be hurried, it is gone for everybody but administrators all the same.
                    Err(
                        HostError::Forbidden { .. } | HostError::Invalid { .. } | HostError::Conflict { .. },
                    ) => {
                        return Ok(());
                    }
                    Err(HostError::NotFound { .. }) | Ok(()) => continue,
                    Err(error) => return Err(error),
                }
            }
            if Instant::now() + wait >= deadline {
                tracing::warn!(what = task.what, "what was deleted is still there");
                return Ok(());
            }
            pause(wait).await;
            wait = LONGEST.min(wait * 2);
        }
        Ok(())
    }
}

/// Whether a refusal says that something of this name is not gone yet.
pub(super) fn is_going(reply: &Reply) -> bool {
    let text = String::from_utf8_lossy(reply.bytes());
    reply.status == StatusCode::BAD_REQUEST && text.contains("still being deleted")
}
