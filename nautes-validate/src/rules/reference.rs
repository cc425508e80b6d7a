//! References: what is named must be there, be of the right product, and not go in circles.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::fix::{Action, Edit};
use nautes_model::reference::Relation;
use nautes_model::{Finding, Fix, Identity, Kind, Sourced, manifest};

use super::{Standard, WayOut, meant_name, related, say, word};
use crate::graph::{Link, Target};
use crate::report::CYCLE;
use crate::rule::Checked;

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "ProductMissing",
        summary: "a product that is named is registered",
        why: "a product is registered in the tenant repository by saving it; nothing can belong to one that is not",
        check: |id, on, out| missing(id, &[Kind::Product], on, out),
    },
    Standard {
        id: "ProjectMissing",
        summary: "a project that is named is declared in its product",
        why: "repositories, bindings and runtimes that name a project mean nothing without it",
        check: |id, on, out| missing(id, &[Kind::Project], on, out),
    },
    Standard {
        id: "EnvironmentMissing",
        summary: "the environment of a runtime is declared in its product",
        why: "the environment leads to the cluster on which a runtime runs",
        check: |id, on, out| missing(id, &[Kind::Environment], on, out),
    },
    Standard {
        id: "CodeRepoMissing",
        summary: "a code repository that is named is declared",
        why: "a runtime or a binding cannot use a repository that Nautes does not know",
        check: |id, on, out| missing(id, &[Kind::CodeRepo], on, out),
    },
    Standard {
        id: "ProviderMissing",
        summary: "a provider that is named is registered in the tenant",
        why: "the provider says on which platform a repository lives; a tenant with one provider may also call it by its type",
        check: |id, on, out| {
            missing(id, &[Kind::CodeRepoProvider, Kind::ArtifactRepoProvider], on, out);
            ambiguous(id, on, out);
        },
    },
    Standard {
        id: "ArtifactRepoMissing",
        summary: "an artifact repository that is named is declared",
        why: "a project cannot use an artifact repository that is not declared",
        check: |id, on, out| missing(id, &[Kind::ArtifactRepo], on, out),
    },
    Standard {
        id: "EnvironmentClusterMissing",
        summary: "the cluster of an environment is registered",
        why: "an environment is a stage on a runtime cluster of the tenant",
        check: |id, on, out| missing_cluster(id, Kind::Environment, on, out),
    },
    Standard {
        id: "ClusterHostMissing",
        summary: "the host of a virtual cluster is registered",
        why: "a virtual cluster is made inside its host, so the host must be known first",
        check: |id, on, out| missing_cluster(id, Kind::Cluster, on, out),
    },
    Standard {
        id: "ReferenceInvalid",
        summary: "a reference is a name",
        why: "names are DNS labels, across products `product/name`; anything else can name nothing",
        check: invalid,
    },
    Standard {
        id: "ReferenceHeld",
        summary: "what is named can be read now",
        why: "a file that used to declare it cannot be read, or its product was not loaded: what depends on it is held until it can be read again",
        check: held,
    },
    Standard {
        id: "ReferenceForeign",
        summary: "projects and environments are those of the same product",
        why: "only code repositories can be opened to another product; its projects and environments are its own",
        check: foreign,
    },
    Standard {
        id: CYCLE,
        summary: "no resource needs itself, directly or through others",
        why: "resources that need each other cannot be made in any order",
        check: cycle,
    },
    Standard {
        id: "ResourceDuplicate",
        summary: "a resource is declared once",
        why: "of two declarations of the same kind and name only one can count",
        check: duplicate,
    },
];

fn missing(id: &'static str, kinds: &[Kind], on: &Checked<'_>, out: &mut Vec<Finding>) {
    report_missing(id, on, out, |_, to| kinds.contains(&to.kind));
}

fn missing_cluster(id: &'static str, from: Kind, on: &Checked<'_>, out: &mut Vec<Finding>) {
    report_missing(id, on, out, |of, to| to.kind == Kind::Cluster && of.kind == from);
}

fn report_missing(
    id: &'static str,
    on: &Checked<'_>,
    out: &mut Vec<Finding>,
    wanted: impl Fn(&Identity, &Identity) -> bool,
) {
    let mut names = Names::default();
    for (from, link) in on.links() {
        let Target::Missing(to) = &link.to else { continue };
        if !wanted(&link.from, to) || is_told_by_removal(on, link, to) {
            continue;
        }
        let known = if to.kind == Kind::Product {
            "registered"
        } else {
            "declared"
        };
        let message = format!("{} is not {known}", say(to, &link.from));
        let finding = match link.relation {
            Relation::Mentions => on.warning(id, from, &link.field, message),
            Relation::Owner | Relation::Needs | Relation::Grants => on.error(id, from, &link.field, message),
        };
        // What another product has is not to be guessed by trying names.
        let own = to.product.is_none() || to.product == link.from.product;
        let mut way_out = if own {
            hint(link, to, names.of(on, to).iter().map(String::as_str))
        } else {
            hint(link, to, std::iter::empty())
        };
        // Whose a resource is its repository decides, and another product is given no right by a guess.
        let is_safe = match link.relation {
            Relation::Needs => true,
            Relation::Owner => to.kind != Kind::Product,
            Relation::Grants | Relation::Mentions => false,
        };
        if !is_safe {
            way_out.1 = None;
        }
        out.push(super::way_out(finding, from, way_out));
    }
}

/// A repository that names no provider is on the only one; of several nobody can tell which is meant.
fn ambiguous(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let providers: Vec<&str> = on
        .resolver
        .code_repo_providers()
        .map(|provider| provider.name.as_str())
        .collect();
    if providers.len() < 2 {
        return;
    }
    for (resource, repo) in on.code_repos() {
        if repo.spec.code_repo_provider.is_empty() && repo.spec.url.is_empty() {
            let message = format!("no provider is named, and the tenant has {}", providers.len());
            out.push(
                on.error(id, resource, "spec.codeRepoProvider", message)
                    .hint(format!("name one of {}", some(&providers))),
            );
        }
    }
}

/// The first few of some names.
fn some(names: &[&str]) -> String {
    let more = if names.len() > 5 { ", ..." } else { "" };
    format!(
        "{}{more}",
        names.iter().take(5).copied().collect::<Vec<_>>().join(", ")
    )
}

/// Whether the change removes what is named: then the finding is about that, and names this one.
fn is_told_by_removal(on: &Checked<'_>, link: &Link, to: &Identity) -> bool {
    let was = on.before.and_then(|b| b.found(&link.from, &link.field));
    [Some(to), was]
        .into_iter()
        .flatten()
        .filter_map(|gone| on.still_needed.get(gone))
        .any(|by| by.contains(&link.from))
        && link.relation != Relation::Mentions
}

fn hint<'n>(link: &Link, to: &Identity, names: impl Iterator<Item = &'n str> + Clone) -> WayOut {
    meant_name(
        &link.text,
        names,
        |near| Action::set(&*link.field, near),
        || match to.kind {
            Kind::Product => format!("save a Product named {:?} first", to.name.as_str()),
            kind => format!(
                "add the {} {:?}, or name one that is declared",
                word(kind),
                to.name.as_str()
            ),
        },
    )
}

/// The declared names of a kind in a product, collected when first asked for.
#[derive(Default)]
struct Names(BTreeMap<(Kind, Option<String>), BTreeSet<String>>);

impl Names {
    fn of(&mut self, on: &Checked<'_>, to: &Identity) -> &BTreeSet<String> {
        let product = to.product.as_ref().map(ToString::to_string);
        self.0.entry((to.kind, product)).or_insert_with(|| {
            let resources = match &to.product {
                None => Some(&on.scopes.tenant.resources),
                Some(product) => on.scopes.products.get(product).map(|p| &p.resources),
            };
            let all = resources.into_iter().flat_map(|r| r.iter());
            all.filter(|s| s.identity.kind == to.kind)
                .map(|s| s.identity.name.to_string())
                .take(1000)
                .collect()
        })
    }
}

fn invalid(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (from, link) in on.links() {
        if link.to == Target::Invalid {
            let shown: String = link.text.chars().take(80).collect();
            let message = format!("{shown:?} is not a name");
            out.push(
                on.error(id, from, &link.field, message)
                    .hint("use the name of a resource: lower-case letters, digits and '-'"),
            );
        }
    }
}

fn held(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (from, link) in on.links() {
        let (to, why, hint) = match &link.to {
            Target::Held(to) => (
                to,
                "is in a file that cannot be read now",
                "mend the file that declares it",
            ),
            Target::Unknown(to) if on.facts.tenant_known => (
                to,
                "is in a product that was not loaded",
                "wait until that product can be read again",
            ),
            _ => continue,
        };
        let message = format!("{} {why}", say(to, &link.from));
        let finding = on.warning(id, from, &link.field, message).hint(hint);
        out.push(related(finding, [to]));
    }
}

fn foreign(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (from, link) in on.links() {
        let Some(to) = link.to.identity() else { continue };
        let own_only = matches!(to.kind, Kind::Project | Kind::Environment | Kind::ArtifactRepo);
        // A binding names projects of its grantee.
        if own_only && link.relation != Relation::Grants && to.product != link.from.product {
            let message = format!("{} cannot be used from here", say(to, &link.from));
            out.push(
                on.error(id, from, &link.field, message)
                    .hint(format!("name {} of this product", a(word(to.kind)))),
            );
        }
    }
}

fn a(word: &str) -> String {
    let article = if word.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {word}")
}

fn cycle(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for group in on.graph.cycles() {
        // One finding tells of all of them, whichever was asked for.
        let Some((first, others)) = group.split_first().filter(|_| group.iter().any(|m| on.wants(m))) else {
            continue;
        };
        let Some(from) = on.sourced(first) else { continue };
        let members: BTreeSet<&Identity> = group.iter().collect();
        let into_it = |link: &&Link| {
            let hard = link.relation != Relation::Mentions;
            hard && link.to.found().is_some_and(|to| members.contains(to))
        };
        let link = on.graph.references(first).iter().find(into_it);
        let field = link.map_or("", |link| &*link.field);
        let message = if others.is_empty() {
            "names itself".to_owned()
        } else {
            format!(
                "{} resources need each other in a circle: {}",
                group.len(),
                super::say_all(&group, first)
            )
        };
        let mut finding = on
            .error(id, from, field, message)
            .hint("break the circle: let one of them name another or none");
        finding.related = others.to_vec();
        out.push(finding);
    }
}

/// Of two declarations that say the same one can go.
fn delete_again(on: &Checked<'_>, again: &Sourced) -> Option<Fix> {
    let first = on.scopes.get(&again.identity)?;
    (**first == *again).then(|| {
        Fix::one(Edit {
            line: Some(again.source.line),
            ..Edit::of(again, Action::Delete)
        })
    })
}

fn duplicate(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let tenant = on.scopes.tenant.resources.duplicates();
    let products = on.scopes.products.values().flat_map(|p| p.resources.duplicates());
    for again in tenant.iter().chain(products) {
        if !on.wants(&again.identity) {
            continue;
        }
        let place = on.scopes.get(&again.identity).map_or_else(String::new, |first| {
            if first.source.file.is_empty() {
                String::new()
            } else {
                format!(": also in {}, line {}", first.source.file, first.source.line)
            }
        });
        let message = format!(
            "{} is declared twice{place}",
            say(&again.identity, &again.identity)
        );
        out.push(
            on.error(id, again, "metadata.name", message)
                .at(manifest::locate(&again.source, "metadata.name"))
                .fix(delete_again(on, again))
                .hint("remove one of the two, or give it another name"),
        );
    }
}
