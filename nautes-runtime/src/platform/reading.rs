//! Reading one repository: what it declares at its present revision.
//!
//! # Flow
//! references of the forge -> fetch into the mirror -> tree of the branch -> scope. A revision that was read before
//! is not read again.
//!
//! # Guarantees
//! * Each repository is read by itself, with a deadline: one that does not answer holds up no other.
//! * What cannot be read now is named, and its last good reading stays (decision D5). An incomplete reading, a
//!   missing branch and a repository other than the registered one never count as "nothing is declared".

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nautes_gitops::host::types::PathError;
use nautes_gitops::repo::RepoError;
use nautes_gitops::tree::{Reading, Scope, TreeReader};
use nautes_gitops::{HostError, Oid, RepoPath, RepoRef, Session};
use nautes_model::kinds::Product;
use nautes_model::layout::DEFAULT_PROJECT;
use nautes_model::name::ProductName;
use nautes_model::{Class, Finding, Meaning, ProductScope, TenantScope};

use super::{Mirrors, Platform, paths};

/// Why a repository could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The forge refused or did not answer.
    #[error("cannot read {of}")]
    Host {
        /// Whose repository.
        of: RepoRef,
        /// Why.
        #[source]
        source: HostError,
    },
    /// The mirror cannot be read.
    #[error("cannot read the mirror of {of}")]
    Mirror {
        /// Whose repository.
        of: RepoRef,
        /// Why.
        #[source]
        source: RepoError,
    },
    /// The branch is not there.
    #[error("the repository of {of} has no branch {branch}")]
    NoBranch {
        /// Whose repository.
        of: RepoRef,
        /// The branch.
        branch: String,
    },
    /// The repository is not the one that was registered.
    #[error("the repository of {of} has the id {found} on the forge; {registered} is registered")]
    Replaced {
        /// Whose repository.
        of: RepoRef,
        /// The id that it has.
        found: String,
        /// The id that is registered.
        registered: String,
    },
    /// The tree is too large to be read as a whole.
    #[error("the repository of {of} is too large to be read as a whole")]
    Incomplete {
        /// Whose repository.
        of: RepoRef,
    },
    /// The group of the product is no path on a forge.
    #[error("{of} cannot have a repository: {message}")]
    Path {
        /// Whose repository.
        of: RepoRef,
        /// What is wrong with its path.
        message: String,
    },
    /// The answer did not come in time.
    #[error("the forge did not answer in time about {of}")]
    Late {
        /// Whose repository.
        of: RepoRef,
    },
    /// A reading that others waited for as well.
    #[error(transparent)]
    Shared(Arc<Self>),
}

impl ReadError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Host { source, .. } => source.class(),
            Self::Mirror { source, .. } => source.class(),
            Self::NoBranch { .. } => Class::Waiting,
            Self::Replaced { .. } | Self::Incomplete { .. } | Self::Path { .. } => Class::Invalid,
            Self::Late { .. } => Class::Unreachable,
            Self::Shared(error) => error.class(),
        }
    }

    /// Returns what can be done about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Host { source, .. } => source.hint(),
            Self::NoBranch { branch, .. } => Some(format!("push the branch {branch}")),
            Self::Replaced { .. } => {
                Some("register the product anew if the repository was replaced on purpose".to_owned())
            }
            Self::Incomplete { .. } => Some("remove files that are no manifests".to_owned()),
            Self::Mirror { .. } | Self::Path { .. } | Self::Late { .. } => None,
            Self::Shared(error) => error.hint(),
        }
    }
}

/// The last good reading of every repository.
#[derive(Debug, Default)]
pub(crate) struct Readings(Mutex<BTreeMap<RepoRef, Arc<Kept>>>);

#[derive(Debug)]
pub(super) struct Kept {
    reader: TreeReader,
    read: Mutex<Option<Arc<Reading>>>,
    turn: tokio::sync::Mutex<()>,
}

impl Kept {
    pub(super) fn last(&self) -> Option<Arc<Reading>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Readings {
    pub(super) fn of(&self, of: &RepoRef) -> Arc<Kept> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.entry(of.clone()).or_insert_with(|| {
            Arc::new(Kept {
                reader: TreeReader::new(of.clone()),
                read: Mutex::default(),
                turn: tokio::sync::Mutex::default(),
            })
        });
        Arc::clone(kept)
    }

    /// Returns the last good readings.
    pub(super) fn all(&self) -> Vec<Arc<Reading>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().filter_map(|kept| kept.last()).collect()
    }

    pub(super) fn forget_all_but(&self, keep: impl Fn(&RepoRef) -> bool) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|of, _| keep(of));
    }
}

/// Where a repository is, and which one it must be.
struct Place {
    of: RepoRef,
    path: RepoPath,
    registered: Option<String>,
}

impl Platform {
    /// Returns the path of the group of a product on the forge; its own name where none is registered.
    ///
    /// A product stays with its group (`ProductPathImmutable`), so an earlier reading tells as well as one of now.
    ///
    /// # Errors
    /// The tenant's repository cannot be read and never could.
    pub async fn group_of(&self, product: &ProductName) -> Result<String, ReadError> {
        if let Some(group) = self.known_group(product) {
            return Ok(group);
        }
        let ((tenant, _), _) = self.read_tenant().await?;
        let registered = tenant.product(product.as_str()).map(|(_, product)| product);
        Ok(paths::group_of(product, registered).to_owned())
    }

    /// Finds a product as people name it: by its own name, else by the path of its group; see
    /// [`TenantScope::find_product`].
    ///
    /// A name that was declared when the tenant's repository was last read needs no reading.
    ///
    /// # Errors
    /// The tenant's repository cannot be read and never could.
    pub async fn find_product(&self, text: &str) -> Result<Meaning<ProductName>, ReadError> {
        if let Ok(name) = ProductName::new(text)
            && self.is_registered(&name)
        {
            return Ok(Meaning::One(name));
        }
        let ((tenant, _), _) = self.read_tenant().await?;
        Ok(tenant.find_product(text))
    }

    /// Whether a product was declared when the tenant's repository was last read.
    #[must_use]
    pub fn is_registered(&self, product: &ProductName) -> bool {
        self.known_group(product).is_some()
    }

    /// Returns the last good reading of the tenant's repository; `None` before the first.
    #[must_use]
    pub fn last_tenant(&self) -> Option<Arc<Reading>> {
        self.inner.readings.of(&RepoRef::Tenant).last()
    }

    /// Returns the path of a repository on the forge, as what is declared was last read.
    ///
    /// # Errors
    /// The group is no path on a forge.
    pub fn path_of(&self, of: &RepoRef) -> Result<RepoPath, PathError> {
        match of.product().and_then(|product| self.known_group(product)) {
            Some(group) => RepoPath::new(group, DEFAULT_PROJECT),
            None => of.path(&self.tenant().repo),
        }
    }

    fn known_group(&self, product: &ProductName) -> Option<String> {
        let last = self.last_tenant()?;
        let Scope::Tenant(tenant) = &last.scope else {
            return None;
        };
        let (_, registered) = tenant.product(product.as_str())?;
        Some(paths::group_of(product, Some(registered)).to_owned())
    }

    /// Reads the tenant's repository. The error is set if what is returned is an earlier reading.
    pub(crate) async fn read_tenant(
        &self,
    ) -> Result<((TenantScope, Vec<Finding>), Option<ReadError>), ReadError> {
        let place = Place {
            of: RepoRef::Tenant,
            path: self.tenant().repo.clone(),
            registered: None,
        };
        let (reading, error) = self.read(place).await;
        let scope = reading
            .as_ref()
            .and_then(|reading| reading.scope.clone().tenant());
        match (scope, error) {
            (Some(scope), error) => {
                let findings = reading.map(|r| r.findings.clone()).unwrap_or_default();
                Ok(((scope, findings), error))
            }
            (None, Some(error)) => Err(error),
            (None, None) => Err(ReadError::Incomplete { of: RepoRef::Tenant }),
        }
    }

    /// Reads the repository of a product: the last good reading, and why it could not be read now.
    pub(crate) async fn read_product(
        &self,
        name: &ProductName,
        product: Option<&Product>,
    ) -> (Option<ProductScope>, Vec<Finding>, Option<ReadError>) {
        let of = RepoRef::Product(name.clone());
        let place = match paths::default_project(name, product) {
            Ok(path) => Place {
                of,
                path,
                registered: product
                    .and_then(|p| p.spec.registration.as_ref())
                    .map(|r| r.repository_id.clone())
                    .filter(|id| !id.is_empty()),
            },
            Err(error) => {
                let message = error.to_string();
                return (None, Vec::new(), Some(ReadError::Path { of, message }));
            }
        };
        let (reading, error) = self.read(place).await;
        let scope = reading
            .as_ref()
            .and_then(|reading| reading.scope.clone().product());
        (
            scope,
            reading.map(|r| r.findings.clone()).unwrap_or_default(),
            error,
        )
    }

    async fn read(&self, place: Place) -> (Option<Arc<Reading>>, Option<ReadError>) {
        let kept = self.inner.readings.of(&place.of);
        let _turn = kept.turn.lock().await;
        let last = kept.last();
        match within(self.timing().call * 2, &place.of, self.read_now(&kept, &place)).await {
            Ok(reading) => {
                *kept.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&reading));
                (Some(reading), None)
            }
            Err(error) => (last, Some(error)),
        }
    }

    async fn read_now(&self, kept: &Kept, place: &Place) -> Result<Arc<Reading>, ReadError> {
        let Place { of, path, registered } = place;
        let host = |source| ReadError::Host {
            of: of.clone(),
            source,
        };
        let session = self.host().platform().await.map_err(host)?;
        if let Some(registered) = registered {
            self.must_be(&*session, place, registered).await?;
        }
        let reference = format!("refs/heads/{}", self.tenant().branch);
        let no_branch = || ReadError::NoBranch {
            of: of.clone(),
            branch: self.tenant().branch.clone(),
        };
        let tip = session.refs(path).await.map_err(host)?.get(&reference).copied();
        let tip = tip.ok_or_else(no_branch)?;
        let last = kept.last();
        if let Some(last) = last.as_ref().filter(|last| last.revision == Some(tip)) {
            return Ok(Arc::clone(last));
        }
        let tip = fetch(&*session, self.mirrors(), path, &reference)
            .await
            .map_err(|error| match error {
                FetchError::Host(source) => host(source),
                FetchError::Mirror(source) => ReadError::Mirror {
                    of: of.clone(),
                    source,
                },
            })?;
        let (mirror, tip) = (tip.0, tip.1.ok_or_else(no_branch)?);
        let before = last.map(|last| last.paths.clone()).unwrap_or_default();
        let reading = kept
            .reader
            .read(&mirror, tip, &before)
            .await
            .map_err(|source| ReadError::Mirror {
                of: of.clone(),
                source,
            })?;
        if !reading.complete {
            return Err(ReadError::Incomplete { of: of.clone() });
        }
        Ok(Arc::new(reading))
    }

    /// A repository of the same path that was made later is not the product (decision D8).
    async fn must_be(&self, session: &dyn Session, place: &Place, registered: &str) -> Result<(), ReadError> {
        let host = |source| ReadError::Host {
            of: place.of.clone(),
            source,
        };
        let missing = || HostError::NotFound {
            what: format!("repository {}", place.path),
        };
        let found = session.repository(&place.path).await.map_err(host)?;
        let found = found.ok_or_else(|| host(missing()))?.id.to_string();
        if found == registered {
            return Ok(());
        }
        Err(ReadError::Replaced {
            of: place.of.clone(),
            found,
            registered: registered.to_owned(),
        })
    }
}

enum FetchError {
    Host(HostError),
    Mirror(RepoError),
}

/// Fetches a repository into its mirror, and says where a reference is then.
async fn fetch(
    session: &dyn Session,
    mirrors: &Mirrors,
    path: &RepoPath,
    reference: &str,
) -> Result<(nautes_gitops::Mirror, Option<Oid>), FetchError> {
    let mirror = mirrors.open(path).await.map_err(FetchError::Mirror)?;
    let refs = nautes_gitops::publish::fetch_or_rebuild(session, path, &mirror)
        .await
        .map_err(FetchError::Host)?;
    Ok((mirror, refs.get(reference).copied()))
}

async fn within<T>(
    limit: Duration,
    of: &RepoRef,
    work: impl Future<Output = Result<T, ReadError>>,
) -> Result<T, ReadError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(ReadError::Late { of: of.clone() }),
    }
}
