//! Generated platforms as text, laid out as in Git.

use nautes_model::manifest::{self, RenderError};
use nautes_model::name::{NameError, ProductName};
use nautes_model::{Kind, Sourced, layout};

use super::{next, platform};

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// About how many resources; at least one whole product is made.
    pub count: usize,
    /// What everything is derived from: the same seed gives the same bytes.
    pub seed: u64,
    /// How many documents are broken, each in one of [`FAULTS`] ways, in turn.
    pub faults: usize,
    /// How many of a hundred documents are in the form of version 0.3, where their kind had another form.
    pub old: u64,
}

impl Options {
    /// Makes options for a platform without faults, all in the current form.
    #[must_use]
    pub const fn new(count: usize, seed: u64) -> Self {
        Self {
            count,
            seed,
            faults: 0,
            old: 0,
        }
    }
}

/// In how many ways documents are broken: not YAML, an unknown field, an unknown kind, a reference to nothing.
pub const FAULTS: usize = 4;

/// A generated manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The product whose repository it is in; the tenant's when `None`.
    pub product: Option<ProductName>,
    /// The path in that repository.
    pub path: String,
    /// The manifest.
    pub text: String,
}

/// Why nothing was generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A name does not fit; it does not happen with names that are made here.
    #[error("cannot name a generated resource")]
    Name(#[from] NameError),
    /// A resource cannot be written; it does not happen with what is made here.
    #[error("cannot write a generated resource")]
    Render(#[from] RenderError),
}

/// Makes the manifests of a platform, one a file, in the layout of the repositories.
///
/// # Errors
/// Never with what is made here.
pub fn files(options: &Options) -> Result<Vec<File>, GenerateError> {
    let resources = platform(options.count, options.seed)?;
    let mut random = options.seed ^ 0x006f_6c64;
    let mut files = resources
        .iter()
        .map(|resource| {
            let mut text = manifest::render(&resource.resource)?;
            if let (Kind::CodeRepoBinding, Some(product)) =
                (resource.identity.kind, &resource.identity.product)
            {
                // Nothing else in the text says whose it is; what is read from its repository needs no such line.
                let line = format!("metadata:\n  namespace: {}\n", product.namespace());
                text = text.replacen("metadata:\n", &line, 1);
            }
            if next(&mut random) % 100 < options.old {
                text = older(&text, resource);
            }
            Ok(File {
                product: resource.identity.product.clone(),
                path: layout::path_of(&resource.resource),
                text,
            })
        })
        .collect::<Result<Vec<_>, GenerateError>>()?;
    let faults = options.faults.min(files.len());
    for turn in 0..faults {
        let index = turn * files.len() / faults;
        files[index].text = broken(&files[index].text, turn % FAULTS);
    }
    Ok(files)
}

/// Joins manifests into the documents of one text.
#[must_use]
pub fn joined<'f>(files: impl IntoIterator<Item = &'f File>) -> String {
    let mut text = String::new();
    for file in files {
        text.push_str("---\n");
        text.push_str(&file.text);
    }
    text
}

/// Writes what version 0.3 wrote otherwise: the destination of a deployment, the host of a pipeline engine.
fn older(text: &str, resource: &Sourced) -> String {
    match resource.identity.kind {
        Kind::DeploymentRuntime => text.replacen("  destination:\n    environment: ", "  destination: ", 1),
        Kind::Cluster => {
            let slot = "    pipeline:\n      name: tekton\n      namespace: sys-tekton\n";
            if text.contains(slot) {
                format!("{}  tektonHost: tekton.example.org\n", text.replacen(slot, "", 1))
            } else {
                text.to_owned()
            }
        }
        _ => text.to_owned(),
    }
}

fn broken(text: &str, way: usize) -> String {
    match way {
        0 => format!("{text}  open: 'never closed\n"),
        1 => format!("{text}  colour: red\n"),
        2 => text.replacen("\nkind: ", "\nkind: Un", 1),
        _ => {
            for field in [
                "cluster: ",
                "codeRepo: ",
                "project: ",
                "codeRepoProvider: ",
                "hostCluster: ",
            ] {
                if let Some((before, after)) = text.split_once(&format!("  {field}")) {
                    return format!("{before}  {field}nowhere-{after}");
                }
            }
            format!("{text}  colour: red\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use nautes_model::Scopes;
    use nautes_model::manifest::{Context, Form, parse};

    use super::*;
    use crate::{RuleSet, check};

    /// Reads generated files; the findings of the reader, and the report.
    fn judged(options: &Options) -> (usize, usize, usize) {
        let (mut scopes, mut unread, mut resources) = (Scopes::default(), 0, 0);
        for file in files(options).unwrap() {
            let context = Context::new(&file.path, Form::Git).product(file.product.as_ref());
            let parsed = parse(&file.text, &context);
            unread += usize::from(!parsed.findings.is_empty());
            for resource in parsed.resources {
                resources += 1;
                scopes.insert(resource);
            }
        }
        (
            resources,
            unread,
            check(&scopes, &RuleSet::standard()).errors().count(),
        )
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let options = Options::new(200, 7);
        assert_eq!(files(&options).unwrap(), files(&options).unwrap());
        assert_ne!(files(&options).unwrap(), files(&Options::new(200, 8)).unwrap());
    }

    #[test]
    fn the_old_form_means_the_same() {
        let options = Options::new(300, 7);
        let old = Options { old: 100, ..options };
        assert_ne!(files(&options).unwrap(), files(&old).unwrap());
        let (resources, unread, errors) = judged(&old);
        assert_eq!((unread, errors), (0, 0));
        assert!(resources >= 300);
    }

    #[test]
    fn as_many_documents_are_broken_as_were_asked_for() {
        let options = Options {
            faults: 8,
            ..Options::new(300, 7)
        };
        let (_, unread, errors) = judged(&options);
        assert!((4..=8).contains(&unread), "{unread}");
        assert!(errors > 0);
    }
}
