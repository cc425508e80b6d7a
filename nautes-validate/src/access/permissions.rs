//! Questions about the relation: who may, may one, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use nautes_model::name::{AccountName, ProductName, ResourceName};
use nautes_model::{Identity, Kind, Resource};
use serde::{Deserialize, Serialize};

use super::{Because, Item, Level, Subject};
use crate::rule::{Checked, RuntimeUse};

/// A reason, with the place where it is declared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What counts here.
    pub because: Cause,
    /// The resource that says so.
    pub resource: Identity,
    /// The file that declares it, as it was named on reading; empty for what was made in memory.
    pub file: Arc<str>,
    /// The line at which its document begins; 0 for what was made in memory.
    pub line: usize,
}

/// What a step of an explanation stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// The account is the one of this pipeline runtime, and acts for its project.
    PipelineRuntime,
    /// The account is the one of this deployment runtime, which is made from the repository.
    DeploymentRuntime,
    /// The repository lies in the group of this product.
    Member,
    /// The repository belongs to this project.
    Owner,
    /// This binding opens the repository to the whole product.
    ProductBinding,
    /// This binding opens the repository to the project.
    ProjectBinding,
}

/// One way in which somebody comes to a permission: the level, and the steps that lead there, the subject's first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chain {
    /// What this way alone allows.
    pub level: Level,
    /// The steps.
    pub steps: Vec<Step>,
}

/// What somebody may do with something, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Who.
    pub subject: Subject,
    /// With what.
    pub item: Item,
    /// How much; `None` for nothing.
    pub level: Option<Level>,
    /// Every way that leads there, in order.
    pub chains: Vec<Chain>,
}

/// `project:demo/app may read repo:demo/deploy`, and each way on a line of its own.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Some(Level::Read) => "read",
            Some(Level::Write) => "write",
            None => "not use",
        };
        write!(f, "{} may {level} {}", self.subject, self.item)?;
        for chain in &self.chains {
            let steps: Vec<String> = chain.steps.iter().map(ToString::to_string).collect();
            write!(f, "\n  {}: {}", chain.level, steps.join(", "))?;
        }
        Ok(())
    }
}

/// `CodeRepoBinding/demo/b (b.yaml:3) opens it to the project`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.resource)?;
        if !self.file.is_empty() {
            write!(f, " ({}:{})", self.file, self.line)?;
        }
        f.write_str(match self.because {
            Cause::PipelineRuntime => " acts for its project",
            Cause::DeploymentRuntime => " is made from it",
            Cause::Member => " has it in its group",
            Cause::Owner => " owns it",
            Cause::ProductBinding => " opens it to the whole product",
            Cause::ProjectBinding => " opens it to the project",
        })
    }
}

/// The relation, ready to be asked. Answers are in order and do not depend on the order of the input.
#[derive(Debug)]
pub struct Permissions<'a> {
    on: &'a Checked<'a>,
    accounts: BTreeMap<Subject, Vec<&'a RuntimeUse<'a>>>,
    /// Accounts by the product, and project, that their pipeline runtimes act for.
    acting: BTreeMap<&'a ProductName, BTreeMap<ResourceName, BTreeSet<Subject>>>,
    /// Accounts by the repository that their deployment runtimes are made from.
    deploying: BTreeMap<&'a Identity, BTreeSet<Subject>>,
}

impl<'a> Permissions<'a> {
    /// Makes the relation of a state ready. It takes time in proportion to the number of runtimes.
    #[must_use]
    pub fn of(on: &'a Checked<'a>) -> Self {
        let mut all = Self {
            on,
            accounts: BTreeMap::new(),
            acting: BTreeMap::new(),
            deploying: BTreeMap::new(),
        };
        for runtime in on.runtimes() {
            let Some(account) = account_of(runtime) else {
                continue;
            };
            match &runtime.sourced.resource {
                Resource::ProjectPipelineRuntime(r) => {
                    if let Ok(project) = ResourceName::new(r.spec.project.as_str()) {
                        let projects = all.acting.entry(runtime.product).or_default();
                        projects.entry(project).or_default().insert(account.clone());
                    }
                }
                _ => {
                    if let Some(repo) = source_of(on, runtime) {
                        all.deploying.entry(repo).or_default().insert(account.clone());
                    }
                }
            }
            all.accounts.entry(account).or_default().push(runtime);
        }
        all
    }

    /// Goes through every account of a runtime whose cluster is known, in order.
    pub fn accounts(&self) -> impl Iterator<Item = &Subject> {
        self.accounts.keys()
    }

    /// Whether somebody may do something.
    #[must_use]
    pub fn can(&self, who: &Subject, level: Level, what: &Item) -> bool {
        self.chains(who, what).iter().any(|chain| chain.level >= level)
    }

    /// Says what somebody may do with something, and why.
    #[must_use]
    pub fn explain(&self, who: &Subject, what: &Item) -> Explanation {
        let chains = self.chains(who, what);
        Explanation {
            subject: who.clone(),
            item: what.clone(),
            level: chains.iter().map(|chain| chain.level).max(),
            chains,
        }
    }

    /// Returns everybody who may do something, with the reasons.
    #[must_use]
    pub fn who_can(&self, level: Level, what: &Item) -> Vec<Explanation> {
        let mut asked: BTreeSet<Subject> = BTreeSet::new();
        for (who, _, _) in self.on.access.grantees(what.repo()) {
            let acting = self.acting.get(&who.product);
            match &who.project {
                Some(project) => {
                    asked.insert(Subject::Project(who.product.clone(), project.clone()));
                    asked.extend(acting.and_then(|a| a.get(project)).into_iter().flatten().cloned());
                }
                None => {
                    asked.insert(Subject::Product(who.product.clone()));
                    asked.extend(acting.into_iter().flat_map(BTreeMap::values).flatten().cloned());
                    asked.extend(self.projects(&who.product));
                }
            }
        }
        asked.extend(self.deploying.get(what.repo()).into_iter().flatten().cloned());
        asked.extend(what.repo().product.clone().map(Subject::Group));
        asked
            .iter()
            .map(|who| self.explain(who, what))
            .filter(|explanation| explanation.level >= Some(level))
            .collect()
    }

    /// Returns every repository that somebody may use, and how.
    #[must_use]
    pub fn repos_of(&self, who: &Subject) -> BTreeMap<Identity, Level> {
        let access = &self.on.access;
        match who {
            Subject::Product(product) => access.repos_of(product, None),
            Subject::Project(product, project) => access.repos_of(product, Some(project)),
            Subject::Group(product) => {
                let scope = self.on.scopes.products.get(product);
                let repos = scope.into_iter().flat_map(|scope| scope.code_repos());
                repos
                    .map(|(repo, _)| (repo.identity.clone(), Level::Write))
                    .collect()
            }
            Subject::Account { product, .. } => {
                let mut all: BTreeMap<Identity, Level> = BTreeMap::new();
                for runtime in self.accounts.get(who).into_iter().flatten() {
                    let found = match &runtime.sourced.resource {
                        Resource::ProjectPipelineRuntime(r) => ResourceName::new(r.spec.project.as_str())
                            .map(|project| access.repos_of(product, Some(&project)))
                            .unwrap_or_default(),
                        _ => self
                            .deployed(runtime)
                            .into_iter()
                            .map(|(repo, _)| (repo.clone(), Level::Read))
                            .collect(),
                    };
                    for (repo, level) in found {
                        let have = all.entry(repo).or_insert(level);
                        *have = level.max(*have);
                    }
                }
                all
            }
        }
    }

    fn projects(&self, product: &ProductName) -> impl Iterator<Item = Subject> {
        let scope = self.on.scopes.products.get(product);
        scope.into_iter().flat_map(|scope| {
            let of = |name: &ResourceName| Subject::Project(scope.product.clone(), name.clone());
            scope
                .projects()
                .map(move |(project, _)| of(&project.identity.name))
        })
    }

    fn chains(&self, who: &Subject, what: &Item) -> Vec<Chain> {
        let repo = what.repo();
        let mut chains = match (who, what) {
            (_, Item::Secret(_, key)) if key.level().is_none() => Vec::new(),
            // People have their own credentials; the keys are for machines.
            (Subject::Group(_), Item::Secret(..)) => Vec::new(),
            (Subject::Group(product), Item::Repo(_)) => self.of_group(product, repo),
            (Subject::Product(product), _) => self.of_grantee(product, None, repo),
            (Subject::Project(product, project), _) => self.of_grantee(product, Some(project), repo),
            (Subject::Account { .. }, _) => self.of_account(who, what),
        };
        if let Item::Secret(_, key) = what {
            // A key goes with a level; whoever has the level may read the key, and nobody may write it.
            chains.retain(|chain| key.level().is_some_and(|needed| chain.level >= needed));
            for chain in &mut chains {
                chain.level = Level::Read;
            }
        }
        chains.sort();
        chains.dedup();
        chains
    }

    fn of_group(&self, product: &ProductName, repo: &Identity) -> Vec<Chain> {
        if repo.product.as_ref() != Some(product) || self.on.scopes.get(repo).is_none() {
            return Vec::new();
        }
        let Ok(name) = ResourceName::new(product.as_str()) else {
            return Vec::new();
        };
        let step = self.step(Cause::Member, &Identity::tenant(Kind::Product, name));
        vec![Chain {
            level: Level::Write,
            steps: vec![step],
        }]
    }

    fn of_grantee(
        &self,
        product: &ProductName,
        project: Option<&ResourceName>,
        repo: &Identity,
    ) -> Vec<Chain> {
        let Some((_, reasons)) = self.on.access.level(product, project, repo) else {
            return Vec::new();
        };
        let chain = |because: &Because| {
            let (cause, resource) = match because {
                Because::Owner(project) => (Cause::Owner, project),
                Because::Product { binding, .. } => (Cause::ProductBinding, binding),
                Because::Project { binding, .. } => (Cause::ProjectBinding, binding),
            };
            Chain {
                level: because.level(),
                steps: vec![self.step(cause, resource)],
            }
        };
        reasons.iter().map(chain).collect()
    }

    fn of_account(&self, who: &Subject, what: &Item) -> Vec<Chain> {
        let mut chains = Vec::new();
        for runtime in self.accounts.get(who).into_iter().flatten() {
            let (cause, found) = match (&runtime.sourced.resource, what) {
                (Resource::ProjectPipelineRuntime(r), _) => {
                    let Ok(project) = ResourceName::new(r.spec.project.as_str()) else {
                        continue;
                    };
                    let found = self.of_grantee(runtime.product, Some(&project), what.repo());
                    (Cause::PipelineRuntime, found)
                }
                // What deploys fetches by itself; the account of what is deployed is given no key.
                (_, Item::Secret(..)) => continue,
                (_, Item::Repo(repo)) => {
                    let found = self.deployed(runtime).filter(|(made_from, _)| *made_from == repo);
                    let found = found.map(|(_, chains)| chains).unwrap_or_default();
                    (Cause::DeploymentRuntime, found)
                }
            };
            for mut chain in found {
                chain.steps.insert(0, self.step(cause, &runtime.sourced.identity));
                chains.push(chain);
            }
        }
        chains
    }

    /// The repository that a deployment is made from, if all for whom it acts may read it, and why they may.
    fn deployed(&self, runtime: &RuntimeUse<'a>) -> Option<(&'a Identity, Vec<Chain>)> {
        let Resource::DeploymentRuntime(r) = &runtime.sourced.resource else {
            return None;
        };
        let repo = source_of(self.on, runtime)?;
        let mut all = Vec::new();
        let mut add = |project: Option<&ResourceName>| {
            let found = self.of_grantee(runtime.product, project, repo);
            let any = !found.is_empty();
            all.extend(found);
            any
        };
        let permitted = if r.spec.projects_ref.is_empty() {
            add(None)
        } else {
            let projects = r.spec.projects_ref.iter();
            let mut names = projects.map(|p| ResourceName::new(p.as_str()).ok());
            names.all(|project| project.is_some_and(|project| add(Some(&project))))
        };
        for chain in &mut all {
            chain.level = Level::Read;
        }
        permitted.then_some((repo, all))
    }

    fn step(&self, because: Cause, resource: &Identity) -> Step {
        let source = self.on.scopes.get(resource).map(|sourced| &sourced.source);
        Step {
            because,
            resource: resource.clone(),
            file: source.map_or_else(|| Arc::from(""), |source| Arc::clone(&source.file)),
            line: source.map_or(0, |source| source.line),
        }
    }
}

fn account_of(runtime: &RuntimeUse<'_>) -> Option<Subject> {
    let (cluster, _) = runtime.cluster?;
    Some(Subject::Account {
        product: runtime.product.clone(),
        account: AccountName::new(runtime.account).ok()?,
        cluster: cluster.identity.name.as_str().parse().ok()?,
    })
}

fn source_of<'a>(on: &'a Checked<'_>, runtime: &RuntimeUse<'_>) -> Option<&'a Identity> {
    let of = &runtime.sourced.identity;
    on.found(of, "spec.manifestSource.codeRepo")
        .filter(|repo| repo.kind == Kind::CodeRepo)
}
