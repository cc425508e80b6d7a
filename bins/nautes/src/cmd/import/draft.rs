//! The manifests that would describe a group, and what has to be said about them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nautes_gitops::host::{DeployKey, HookEvent};
use nautes_gitops::survey::{Survey, Surveyed};
use nautes_model::kinds::code_repo::{CodeRepoSpec, Webhook};
use nautes_model::kinds::product::ProductSpec;
use nautes_model::kinds::project::ProjectSpec;
use nautes_model::kinds::{CodeRepo, GitSpec, GitlabSpec, Product, Project, Visibility};
use nautes_model::name::{NameError, ProductName, ResourceName};
use nautes_model::{Resource, annotation};
use nautes_vault::keys::legacy_number;

/// What manifests are made of, besides what the group has.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    /// The name of the product; made of that of the group where it is not given.
    pub(super) product: Option<ProductName>,
    /// The provider of the repositories; the tenant's only one where it is not given.
    pub(super) provider: Option<ResourceName>,
}

/// What would describe a group.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// The name of the product.
    pub(super) product: ProductName,
    /// The manifests, in the order in which they depend on each other.
    pub(super) resources: Vec<Resource>,
    /// What is worth knowing, each about a group or a repository by its path.
    pub(super) remarks: Vec<(String, String)>,
}

impl Draft {
    /// Describes a group.
    ///
    /// # Errors
    /// No product can have the name of the group.
    pub(super) fn of(found: &Survey, choices: &Choices) -> Result<Self, NameError> {
        let group = &found.group;
        let product = match &choices.product {
            Some(product) => product.clone(),
            None => ProductName::new(label(&group.name))?,
        };
        let mut draft = Self {
            product,
            resources: Vec::new(),
            remarks: Vec::new(),
        };
        if draft.product.as_str() != group.name {
            draft.note(&group.name, format!("the product is called {}", draft.product));
        }
        let declared = ProductSpec {
            name: group.name.clone(),
            git: git(group.visibility, &group.description),
            ..ProductSpec::default()
        };
        let mut declared = Box::new(Product::new(draft.product.as_str(), declared));
        if group.marker.is_none() {
            adopt(&mut declared.metadata, group.id);
        }
        draft.resources.push(Resource::Product(declared));
        match &found.default_project {
            None => draft.note(
                &group.name,
                "it has no default.project yet, in which manifests are kept",
            ),
            Some(own) if own.repository.archived => {
                draft.note(&own.path(), "it is archived, and manifests cannot be kept in it");
            }
            Some(own) if !own.is_empty => {
                draft.note(&own.path(), "it has content already, which stays as it is");
            }
            Some(_) => {}
        }
        for subgroup in &found.subgroups {
            draft.note(
                subgroup,
                "a group within the group is left out; import it as a product of its own",
            );
        }
        let shared = shared_keys(&found.repositories);
        let mut projects = BTreeSet::new();
        // Those whose names can stay come first, so that no other takes one of them.
        let plain = |surveyed: &&Surveyed| ResourceName::new(surveyed.repository.path.name()).is_ok();
        let (plain, others): (Vec<_>, Vec<_>) = found.repositories.iter().partition(plain);
        for surveyed in plain.into_iter().chain(others) {
            draft.repository(surveyed, choices, &shared, &mut projects);
        }
        Ok(draft)
    }

    fn note(&mut self, about: &str, text: impl Into<String>) {
        self.remarks.push((about.to_owned(), text.into()));
    }

    fn repository(
        &mut self,
        surveyed: &Surveyed,
        choices: &Choices,
        shared: &BTreeMap<u64, Vec<String>>,
        projects: &mut BTreeSet<String>,
    ) {
        let (path, found) = (surveyed.path(), &surveyed.repository);
        if found.archived {
            self.note(&path, "it is archived, and left out");
            return;
        }
        let own = found.path.name();
        let by_id = format!("repo-{}", found.id);
        let wanted = Some(label(own)).filter(|label| !label.is_empty());
        let project = free(wanted.as_deref().unwrap_or(&by_id), projects);
        projects.insert(project.clone());
        let name = if ResourceName::new(own).is_ok() {
            own.to_owned()
        } else {
            by_id
        };
        if name != own {
            self.note(
                &path,
                format!("its name is no DNS label: it is called {name} here, after its id, in the project {project}"),
            );
        }
        if surveyed.is_empty {
            self.note(&path, "it is empty");
        }
        let product = self.product.to_string();
        let declared = ProjectSpec {
            product: product.clone(),
            language: String::new(),
        };
        self.resources
            .push(Resource::Project(Box::new(Project::new(&project, declared))));
        let events = self.hooks(&path, surveyed);
        self.keys(&path, surveyed, shared);
        let spec = CodeRepoSpec {
            code_repo_provider: choices
                .provider
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            product,
            project,
            repo_name: if name == own {
                String::new()
            } else {
                own.to_owned()
            },
            webhook: (!events.is_empty()).then_some(Webhook { events }),
            git: git(found.visibility, &found.description),
            ..CodeRepoSpec::default()
        };
        let mut declared = Box::new(CodeRepo::new(&name, spec));
        // One that is named after its id is known by that.
        if found.marker.is_none() && legacy_number(&name) != Some(found.id) {
            adopt(&mut declared.metadata, found.id);
        }
        self.resources.push(Resource::CodeRepo(declared));
    }

    /// Says what becomes of hooks, and returns the names of the events of which they tell.
    fn hooks(&mut self, path: &str, surveyed: &Surveyed) -> Vec<String> {
        let Some(hooks) = &surveyed.hooks else {
            self.note(
                path,
                "its hooks cannot be seen with this token, so that no events are declared",
            );
            return Vec::new();
        };
        for hook in hooks {
            // An address may hold what is not for everybody.
            let to = hook.url.split('?').next().unwrap_or_default();
            self.note(path, format!("the hook to {to} stays beside that of Nautes"));
        }
        let asked = |event: &HookEvent| hooks.iter().any(|hook| hook.events.contains(event));
        HookEvent::ALL
            .iter()
            .filter(|event| asked(event))
            .map(|event| event.flag().to_owned())
            .collect()
    }

    fn keys(&mut self, path: &str, surveyed: &Surveyed, shared: &BTreeMap<u64, Vec<String>>) {
        let Some(keys) = &surveyed.keys else {
            self.note(path, "its deploy keys cannot be seen with this token");
            return;
        };
        for key in keys {
            let DeployKey { title, can_push, .. } = key;
            let may = if *can_push { ", which may push," } else { "" };
            let elsewhere: Vec<&str> = shared
                .get(&key.id)
                .into_iter()
                .flatten()
                .map(String::as_str)
                .filter(|other| *other != path)
                .collect();
            let more = if elsewhere.is_empty() {
                String::new()
            } else {
                let others = elsewhere.join(", ");
                format!("; it opens {others} as well, for which Nautes has code repository bindings")
            };
            self.note(
                path,
                format!("the deploy key {title:?}{may} stays beside those of Nautes{more}"),
            );
        }
    }
}

trait Path {
    fn path(&self) -> String;
}

impl Path for Surveyed {
    fn path(&self) -> String {
        self.repository.path.to_string()
    }
}

/// Returns the paths of the repositories that each key opens, of those that open several.
fn shared_keys(all: &[Surveyed]) -> BTreeMap<u64, Vec<String>> {
    let mut opened: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for surveyed in all.iter().filter(|surveyed| !surveyed.repository.archived) {
        for key in surveyed.keys.iter().flatten() {
            opened.entry(key.id).or_default().push(surveyed.path());
        }
    }
    opened.retain(|_, paths| paths.len() > 1);
    opened
}

/// Says what a group or repository is like, as far as it is not as everybody's.
/// Says that this very one is meant: Nautes takes nothing over by its name.
fn adopt(metadata: &mut ObjectMeta, id: u64) {
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(annotation::ADOPT.to_owned(), id.to_string());
}

fn git(visibility: Visibility, description: &str) -> Option<GitSpec> {
    let description = Some(description.trim()).filter(|text| !text.is_empty());
    let visibility = Some(visibility).filter(|visibility| *visibility != Visibility::Private);
    (description.is_some() || visibility.is_some()).then(|| GitSpec {
        gitlab: Some(GitlabSpec {
            visibility,
            description: description.map(|text| text.chars().take(2000).collect()),
            ..GitlabSpec::default()
        }),
    })
}

/// Makes a DNS label of a name on a forge; it may be empty.
fn label(name: &str) -> String {
    let mut label = String::new();
    for c in name.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => label.push(c),
            _ if label.ends_with('-') || label.is_empty() => {}
            _ => label.push('-'),
        }
    }
    label.truncate(ResourceName::MAX);
    label.trim_end_matches('-').to_owned()
}

/// Returns a name that is not taken.
fn free(wanted: &str, taken: &BTreeSet<String>) -> String {
    if !taken.contains(wanted) {
        return wanted.to_owned();
    }
    let numbered = |number: usize| {
        let end = format!("-{number}");
        let most = ResourceName::MAX.saturating_sub(end.len());
        format!(
            "{}{end}",
            wanted.get(..most).unwrap_or(wanted).trim_end_matches('-')
        )
    };
    let mut number = 2;
    while taken.contains(&numbered(number)) {
        number += 1;
    }
    numbered(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_labels() {
        for (name, expected) in [
            ("web", "web"),
            ("Web.App_v2", "web-app-v2"),
            ("_hidden_", "hidden"),
            ("a--b..c", "a-b-c"),
            ("demo/team", "demo-team"),
            ("___", ""),
        ] {
            assert_eq!(label(name), expected, "{name}");
        }
        let long = label(&"x.".repeat(100));
        assert!(
            long.len() <= ResourceName::MAX && ResourceName::new(&long).is_ok(),
            "{long}"
        );
    }

    #[test]
    fn a_name_that_is_taken_is_numbered() {
        let mut taken: BTreeSet<String> = ["web".to_owned(), "web-2".to_owned()].into();
        assert_eq!(free("web", &taken), "web-3");
        let long = "x".repeat(ResourceName::MAX);
        taken.insert(long.clone());
        assert!(ResourceName::new(free(&long, &taken)).is_ok());
    }
}
