//! What goes over the wire: requests and answers of the routes that take several resources, shared with
//! clients written in Rust.

use std::collections::BTreeMap;

use nautes_model::{Finding, Identity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The request of `POST /api/v1/apply`, `/remove` and `/validate`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyRequest {
    /// Files with manifests.
    pub files: Vec<ManifestFile>,
    /// The product of resources that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
}

/// A file with manifests. It may hold secrets (a kubeconfig), so its `Debug` shows the name only.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManifestFile {
    /// The name, used in findings.
    pub name: String,
    /// The text.
    pub text: String,
}

impl std::fmt::Debug for ManifestFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManifestFile")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What became of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Done {
    /// It was not there before.
    Created,
    /// It was there and is different now.
    Changed,
    /// It was there and is the same.
    Unchanged,
    /// It is gone.
    Removed,
    /// It was not there in the first place.
    Absent,
}

impl Done {
    /// Returns the word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Removed => "removed",
            Self::Absent => "absent",
        }
    }
}

/// What became of one resource of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The resource.
    pub resource: Identity,
    /// What became of it.
    pub done: Done,
}

/// What a request did to one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryResult {
    /// The repository, `group/name`.
    pub repository: String,
    /// The commit; `None` when nothing changed or on a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The revision that declares what was wanted; on a dry run, the one that was looked at. `None` where there is none
    /// yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// What became of each resource, in the order in which they were applied.
    pub resources: Vec<Outcome>,
    /// Why nothing was done on this repository; a retry of the same request does the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The answer to a request that applies or removes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyReply {
    /// A text for people.
    pub message: String,
    /// The id of the request; it is in the commits.
    pub request_id: String,
    /// Whether nothing was written because only the plan was asked for.
    #[serde(default)]
    pub dry_run: bool,
    /// Of a dry run: stands for the request, for the revisions that it was judged on and for the verdict. Given with the
    /// request itself, nothing else is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<String>,
    /// What was done, repository by repository, the tenant's first.
    pub repositories: Vec<RepositoryResult>,
    /// What somebody should look at; nothing was rejected for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Finding>,
    /// Rules that were broken and skipped on request; the commits say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Finding>,
    /// What was converted on reading, by resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, Vec<String>>,
}

impl ApplyReply {
    /// Whether anything was committed.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.repositories.iter().any(|r| r.commit.is_some())
    }

    /// Whether some repository could not be written.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.repositories.iter().any(|r| r.error.is_some())
    }
}

/// The answer to `POST /api/v1/validate`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidateReply {
    /// Whether the change would be accepted.
    pub accepted: bool,
    /// For what it would be rejected.
    pub rejected: Vec<Finding>,
    /// What somebody should look at.
    pub warnings: Vec<Finding>,
}

/// `POST` and `DELETE` of one resource, as the reference answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// A text for people.
    pub message: String,
    /// Whether anything was committed; `false` on a dry run and where all was as given already.
    #[serde(default)]
    pub changed: bool,
    /// The commit, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The revision that declares what was wanted; on a dry run, the one that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Of a dry run: given with the request itself, nothing else is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<String>,
}

/// A list of resources, as the reference answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Items {
    /// The resources.
    pub items: Vec<serde_json::Value>,
}

/// The answer to `GET /api/v1/whoami`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The unique name by which the caller signs in on the forge.
    pub name: String,
    /// The address that commits of the caller carry.
    pub email: String,
    /// The forge that knows the caller.
    pub forge: String,
}
