//! `nautes plan --from .. --to ..`: from tree to tree, without a server.

use std::collections::BTreeMap;
use std::path::Path;

use nautes_model::name::ProductName;
use nautes_model::secret::{SecretPath, SecretRef};
use nautes_model::{Finding, Identity, Scopes, Secret};
use nautes_runtime::engine::Engines;
use nautes_runtime::plan::compare::{Comparison, Done, Side, compare};
use nautes_validate::check_change;
use nautes_vault::digest::DigestKey;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::text;
use crate::cli::{Output, Plan};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, DIM};
use crate::settings::Settings;
use crate::tree::{self, Tree};

/// The form of saved plans; another number stands for one that programs must be changed for.
const FORM: &str = "nautes-plan/1";

/// One of the two trees.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Of {
    /// What was named.
    sources: Vec<String>,
    /// The commits that were read: `tenant`, and each product by name; nothing for what is not committed.
    revisions: BTreeMap<String, String>,
}

/// A plan from tree to tree.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TreePlan {
    form: &'static str,
    from: Of,
    to: Of,
    hash: String,
    summary: BTreeMap<Done, usize>,
    #[serde(flatten)]
    changes: Comparison,
    /// Rules that the change would break.
    findings: Vec<Finding>,
}

/// Runs the command.
///
/// # Errors
/// A tree cannot be read, or the plan cannot be kept.
pub(super) fn run(settings: &Settings, args: &Plan) -> Outcome {
    let owner = args.product.as_deref().or(args.only.as_deref());
    let owner = owner
        .map(|p| ProductName::new(p).map_err(|e| Failure::usage(format!("product {p}: {e}"))))
        .transpose()?;
    let to = if args.to.is_empty() {
        vec![".".to_owned()]
    } else {
        args.to.clone()
    };
    let before = tree::load(&args.from, owner.clone())?;
    let after = tree::load(&to, owner.clone())?;
    after.warn();
    let plan = plan(settings, args, &to, &before, &after, owner.as_ref())?;
    let shown = || serde_json::to_value(&plan);
    if let Some(file) = &args.out {
        keep(file, &shown()?)?;
    }
    match args.output {
        Output::Json => output::data(&format!("{:#}\n", shown()?))?,
        Output::Yaml => output::data(&output::yaml(&shown()?)?)?,
        Output::Name => {
            for change in &plan.changes.resources {
                output::data(&format!("{}\n", change.resource))?;
            }
        }
        Output::Table | Output::Wide => {
            let (from, to) = (side(&plan.from), side(&plan.to));
            output::data(&text::of(&from, &to, &plan.changes, args.output == Output::Wide))?;
        }
    }
    output::findings(&plan.findings);
    if plan.changes.is_empty() {
        return Ok(super::nothing());
    }
    output::say(&text::summary(&plan.changes));
    Ok(Exit::Findings)
}

fn plan(
    settings: &Settings,
    args: &Plan,
    to: &[String],
    before: &Tree,
    after: &Tree,
    product: Option<&ProductName>,
) -> Result<TreePlan, Failure> {
    let key = key(settings)?;
    let digest = |of: &Identity, field: &str, value: &Secret| digest(&key, of, field, value);
    let side =
        |tree: &'_ Tree| -> (Scopes, nautes_validate::RuleSet) { (tree.scopes.clone(), tree.rules.clone()) };
    let (old, new) = (side(before), side(after));
    let mut changes = compare(
        Side {
            scopes: &old.0,
            rules: &old.1,
        },
        Side {
            scopes: &new.0,
            rules: &new.1,
        },
        &Engines::bundled(),
        &digest,
    );
    let report = check_change(&before.scopes, &after.scopes, &after.rules);
    if let Some(product) =
        product.filter(|p| before.scopes.products.contains_key(*p) || after.scopes.products.contains_key(*p))
    {
        changes = changes.of_product(product);
    }
    Ok(TreePlan {
        form: FORM,
        from: of(&args.from, &before.scopes),
        to: of(to, &after.scopes),
        hash: hash(&changes)?,
        summary: text::counted(&changes),
        changes,
        findings: report.rejected,
    })
}

fn of(sources: &[String], scopes: &Scopes) -> Of {
    let tenant = scopes
        .tenant
        .revision
        .as_ref()
        .map(|r| ("tenant".to_owned(), r.to_string()));
    let products = scopes
        .products
        .iter()
        .filter_map(|(name, scope)| Some((name.to_string(), scope.revision.as_ref()?.to_string())));
    Of {
        sources: sources.to_vec(),
        revisions: tenant.into_iter().chain(products).collect(),
    }
}

fn side(of: &Of) -> String {
    let revisions: Vec<String> = of
        .revisions
        .iter()
        .map(|(whose, r)| format!("{whose} {}", r.get(..12).unwrap_or(r)))
        .collect();
    let revisions = if revisions.is_empty() {
        String::new()
    } else {
        format!("  {DIM}({}){DIM:#}", revisions.join(", "))
    };
    format!("{}{revisions}", of.sources.join(" "))
}

/// What two plans have in common exactly if they do the same, wherever the trees were read from.
fn hash(changes: &Comparison) -> Result<String, Failure> {
    let resources: Vec<Value> = changes
        .resources
        .iter()
        .map(|r| json!([r.resource, r.action, r.fields]))
        .collect();
    let text = serde_json::to_string(&json!([resources, changes.steps]))?;
    let digest = Sha256::digest(text.as_bytes());
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The key of digests: the one of the environment, so that plans can be compared; else one for this run alone.
fn key(settings: &Settings) -> Result<DigestKey, Failure> {
    use rand::TryRngCore as _;
    if let Some(key) = &settings.digest_key {
        return Ok(DigestKey::derive(key.expose()));
    }
    let mut seed = [0_u8; 32];
    rand::rngs::OsRng
        .try_fill_bytes(&mut seed)
        .map_err(|e| Failure::new(Exit::Internal, format!("no random numbers: {e}")))?;
    Ok(DigestKey::derive(&seed))
}

/// The first half of the digest: enough to tell values apart, and short enough to be read.
fn digest(key: &DigestKey, of: &Identity, field: &str, value: &Secret) -> String {
    let path = of.to_string().to_lowercase();
    match path.parse::<SecretPath>() {
        Ok(path) => {
            let reference = SecretRef {
                path,
                key: field.to_owned(),
            };
            key.digest(&reference, 1, value)
                .to_string()
                .chars()
                .take(32)
                .collect()
        }
        Err(_) => "a secret".to_owned(),
    }
}

/// Keeps a plan: the file is whole, or as it was.
pub(super) fn keep(file: &Path, plan: &Value) -> Result<(), Failure> {
    let wrong = |e: std::io::Error| Failure::usage(format!("{}: {e}", file.display()));
    let name = file
        .file_name()
        .ok_or_else(|| Failure::usage(format!("{}: not a file", file.display())))?;
    let mut part = name.to_owned();
    part.push(".part");
    let part = file.with_file_name(part);
    std::fs::write(&part, format!("{plan:#}\n")).map_err(wrong)?;
    std::fs::rename(&part, file).map_err(|e| {
        let _ = std::fs::remove_file(&part);
        wrong(e)
    })
}
