//! Which repositories a folder holds, by the layout of its files.

use std::collections::BTreeMap;

use nautes_model::layout::{self, DEFAULT_PROJECT, Place, TENANT_ROOT};
use nautes_model::manifest::Form;

/// How many files are asked for their form.
const ASKED: usize = 200;

/// What a folder holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The trees of repositories, each in a folder of its own (or one that is the folder itself).
    Trees(Vec<TreeAt>),
    /// Files with manifests, in no particular order.
    Files,
}

/// The tree of a repository within a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeAt {
    /// The folder: empty for the folder itself, else with a `/` at its end.
    pub below: String,
    /// Whether it is the tenant's; it is a product's otherwise.
    pub is_tenant: bool,
    /// The name of the group that it lies in, if its folder says so: `shop/default.project/` is of `shop`.
    pub group: Option<String>,
}

/// Recognises the trees of repositories by the names of files.
///
/// * The tenant's has a folder `nautes/overlays/production`.
/// * A product's is a folder `default.project`, has the generated list `production/kustomization.yaml`, or holds all
///   its manifests where those of a product belong. Folders further down that do so are products' if a tenant's tree
///   is beside them, or if nothing lies outside of them.
///
/// `is_product` says whether the folder itself is known to be a product's for another reason; `form` is asked for files
/// that stand where a product's manifests do, and says in which form they are if they can be read: most must be in the
/// one that is kept in Git.
#[must_use]
pub fn recognise(files: &[String], is_product: bool, form: &dyn Fn(&str) -> Option<Form>) -> Layout {
    let mut trees: Vec<TreeAt> = Vec::new();
    for file in files {
        let found = tenant_at(file).or_else(|| product_at(file));
        if let Some(tree) = found
            && !trees.contains(&tree)
        {
            trees.push(tree);
        }
    }
    if trees.is_empty() && (is_product || looks_like_product(files, form)) {
        trees.push(TreeAt {
            below: String::new(),
            is_tenant: false,
            group: None,
        });
    }
    let others = products_below(files, &trees, form);
    trees.extend(others);
    trees.sort();
    if trees.is_empty() {
        Layout::Files
    } else {
        Layout::Trees(trees)
    }
}

fn tenant_at(file: &str) -> Option<TreeAt> {
    let root = format!("{TENANT_ROOT}/");
    let at = file
        .match_indices(&root)
        .map(|(at, _)| at)
        .find(|at| *at == 0 || file.as_bytes().get(at - 1) == Some(&b'/'))?;
    Some(TreeAt {
        below: file[..at].to_owned(),
        is_tenant: true,
        group: None,
    })
}

fn product_at(file: &str) -> Option<TreeAt> {
    let folder = format!("{DEFAULT_PROJECT}/");
    let at = file
        .match_indices(&folder)
        .map(|(at, _)| at)
        .find(|at| *at == 0 || file.as_bytes().get(at - 1) == Some(&b'/'))?;
    let group = file[..at].trim_end_matches('/').rsplit('/').next();
    Some(TreeAt {
        below: file[..at + folder.len()].to_owned(),
        is_tenant: false,
        group: group.filter(|g| !g.is_empty()).map(str::to_owned),
    })
}

/// Finds folders that are laid out as a product's and are not called so.
fn products_below(files: &[String], known: &[TreeAt], form: &dyn Fn(&str) -> Option<Form>) -> Vec<TreeAt> {
    let mut below: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut is_outside = false;
    let free = |file: &&String| !known.iter().any(|tree| file.starts_with(&tree.below));
    for file in files.iter().filter(free) {
        let starts = file.match_indices('/').map(|(at, _)| at + 1);
        let found = starts
            .map(|at| file.split_at(at))
            .find(|(_, path)| layout::product_place(path) != Place::Other);
        match found {
            Some((root, path)) => below.entry(root).or_default().push(path.to_owned()),
            None => is_outside = true,
        }
    }
    if is_outside && !known.iter().any(|tree| tree.is_tenant) {
        return Vec::new();
    }
    let trees: Vec<TreeAt> = below
        .iter()
        .filter(|(root, files)| looks_like_product(files, &|path| form(&format!("{root}{path}"))))
        .map(|(root, _)| TreeAt {
            below: (*root).to_owned(),
            is_tenant: false,
            group: None,
        })
        .collect();
    // Without a tenant beside them, all or none: what is read must not depend on one file.
    if known.is_empty() && trees.len() < below.len() {
        return Vec::new();
    }
    trees
}

fn looks_like_product(files: &[String], form: &dyn Fn(&str) -> Option<Form>) -> bool {
    if files.iter().any(|file| file == layout::PRODUCT_KUSTOMIZATION) {
        return true;
    }
    let is_other = |file: &&String| layout::product_place(file) == Place::Other;
    if files.iter().filter(is_other).any(|file| !file.contains('/')) {
        return false;
    }
    let belong = files
        .iter()
        .filter(|file| matches!(layout::product_place(file), Place::Manifest(_)));
    let (mut git, mut request) = (0, 0);
    for file in belong.take(ASKED) {
        match form(file) {
            Some(Form::Git) => git += 1,
            Some(Form::Request) => request += 1,
            None => {}
        }
    }
    git > request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(files: &[&str]) -> Vec<String> {
        let files: Vec<String> = files.iter().map(|f| (*f).to_owned()).collect();
        let form = |file: &str| match file {
            file if file.contains("request") => Some(Form::Request),
            file if file.contains("torn") => None,
            _ => Some(Form::Git),
        };
        match recognise(&files, false, &form) {
            Layout::Files => Vec::new(),
            Layout::Trees(trees) => trees
                .into_iter()
                .map(|t| format!("{}|{}|{}", t.below, t.is_tenant, t.group.unwrap_or_default()))
                .collect(),
        }
    }

    #[test]
    fn repositories_are_known_by_their_files() {
        assert_eq!(seen(&["nautes/overlays/production/clusters/a.yaml"]), ["|true|"]);
        assert_eq!(
            seen(&[
                "t/nautes/overlays/production/clusters/a.yaml",
                "shop/default.project/envs/a.yaml"
            ]),
            ["shop/default.project/|false|shop", "t/|true|"]
        );
        assert_eq!(seen(&["production/kustomization.yaml", "x.yaml"]), ["|false|"]);
        assert_eq!(
            seen(&["envs/a.yaml", "templates/b.yaml", "envs/torn.yaml"]),
            ["|false|"]
        );
    }

    #[test]
    fn products_that_are_not_called_so_are_known_by_their_layout() {
        let tenant = "tenant/nautes/overlays/production/clusters/a.yaml";
        assert_eq!(
            seen(&[
                tenant,
                "products/p0/envs/a.yaml",
                "products/p1/runtimes/b.yaml",
                "notes.yaml"
            ]),
            ["products/p0/|false|", "products/p1/|false|", "tenant/|true|"]
        );
        assert_eq!(
            seen(&["p0/envs/a.yaml", "p1/envs/a.yaml"]),
            ["p0/|false|", "p1/|false|"]
        );
        assert!(seen(&["p0/envs/a.yaml", "notes.yaml"]).is_empty());
        assert!(seen(&["p0/envs/a.yaml", "p1/envs/request.yaml"]).is_empty());
    }

    #[test]
    fn files_in_no_order_are_no_repository() {
        assert!(seen(&["a.yaml", "clusters/b.yaml"]).is_empty());
        assert!(seen(&["envs/a.yaml", "b.yaml"]).is_empty());
        assert!(seen(&["envs/request.yaml"]).is_empty());
        assert!(seen(&["xnautes/overlays/production/a.yaml"]).is_empty());
        assert!(seen(&[]).is_empty());
    }
}
