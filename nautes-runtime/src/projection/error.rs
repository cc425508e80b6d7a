//! What can go wrong while projecting.

use nautes_model::Class;

/// Why the tenant cluster could not be brought in line.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// A custom resource definition is not there, or not established.
    #[error("the tenant cluster does not serve {}", .0.join(", "))]
    MissingCrds(Vec<String>),
    /// The tenant cluster refused or did not answer.
    #[error("{action} failed")]
    Cluster {
        /// What was attempted.
        action: String,
        /// What happened.
        #[source]
        source: Box<kube::Error>,
    },
    /// The tenant cluster did not answer in time.
    #[error("{action}: the tenant cluster did not answer in time")]
    Late {
        /// What was attempted.
        action: String,
    },
    /// A resource cannot be written as JSON.
    #[error("{what} cannot be written as JSON")]
    Json {
        /// The resource.
        what: String,
        /// What happened.
        #[source]
        source: serde_json::Error,
    },
}

impl ProjectionError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::MissingCrds(_) => Class::Waiting,
            Self::Cluster { source, .. } => class_of(source),
            Self::Late { .. } => Class::Unreachable,
            Self::Json { .. } => Class::Bug,
        }
    }

    /// Returns what the operator can do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::MissingCrds(_) => Some("install them: nautes crds | kubectl apply --server-side -f -"),
            Self::Cluster { .. } | Self::Late { .. } | Self::Json { .. } => None,
        }
    }

    pub(crate) fn cluster(action: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let action = action.into();
        move |source| Self::Cluster {
            action,
            source: Box::new(source),
        }
    }
}

/// Returns the class of an error of a cluster.
pub(crate) fn class_of(error: &kube::Error) -> Class {
    match error {
        kube::Error::Api(status) => match status.code {
            400 | 422 => Class::Invalid,
            401 | 403 => Class::Denied,
            404 => Class::NotFound,
            409 => Class::Conflict,
            429 | 500..=599 => Class::Unreachable,
            _ => Class::Bug,
        },
        _ => Class::Unreachable,
    }
}
