//! What leads from one revision of a product's repository to another, and what falls with what is removed.

use nautes_gitops::{Mirror, Oid, Paths, RepoRef, TreeReader};
use nautes_model::name::ProductName;
use nautes_model::{Class, Finding, Identity, Scopes};
use nautes_runtime::plan::compare::{Comparison, Side, compare};
use nautes_runtime::platform::observing::merged;
use nautes_runtime::start::resolve;
use nautes_validate::check_change;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::apply::scopes;
use crate::audit::repository;
use crate::auth::Caller;
use crate::error::{ApiError, internal};
use crate::sight::Sight;

/// The longest name of a revision.
const MAX_REVISION: usize = 255;

/// What leads from one revision to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionPlan {
    /// The product.
    pub product: ProductName,
    /// The commit from which it leads.
    pub from: String,
    /// The commit to which it leads.
    pub to: String,
    /// The resources that are new, another or gone, what follows from that in clusters, on the forge and in the secret
    /// store, and what breaks with what is gone.
    #[serde(flatten)]
    pub changes: Comparison,
    /// Rules that the change breaks.
    pub findings: Vec<Finding>,
    /// How many resources that break, or that have a part in it, stand where the caller may not read.
    pub hidden: usize,
}

/// Compares two revisions of the repository of a product; everything else is as it is declared now.
///
/// # Errors
/// A revision is not there or cannot be read.
pub(crate) async fn plan(
    app: &App,
    caller: &Caller,
    product: &ProductName,
    from: &str,
    to: &str,
) -> Result<RevisionPlan, ApiError> {
    // Reading what is declared brings the mirror to where the forge is.
    let scopes = scopes(app).await?;
    if scopes.tenant.product(product.as_str()).is_none() {
        return Err(ApiError::not_found(format!("{product} not found")));
    }
    let of = RepoRef::Product(product.clone());
    let (of, path) = repository(app, &scopes, of)?;
    let mirror = app.platform().mirrors().open(&path).await;
    let mirror = mirror.map_err(|error| internal("a history cannot be read", &error))?;
    let (from, to) = (
        revision(&mirror, &path, from).await?,
        revision(&mirror, &path, to).await?,
    );
    let before = at(&mirror, &of, from, &scopes).await?;
    let after = at(&mirror, &of, to, &scopes).await?;
    let sight = Sight::of(app, caller).await?;
    let (platform, name) = (app.platform().clone(), product.clone());
    let work = move || {
        let side = |scopes| Side {
            scopes,
            rules: platform.rules(),
        };
        // What is in Git holds no secrets: there is nothing to make digests of.
        let changes = compare(side(&before), side(&after), platform.engines(), &|_, _, _| {
            String::new()
        });
        let mut findings = check_change(&before, &after, platform.rules()).rejected;
        findings.retain(|f| {
            f.resource
                .as_ref()
                .is_none_or(|of| of.product.as_ref() == Some(&name))
        });
        let findings = findings.into_iter().map(|f| sight.told(f)).collect();
        let mut plan = RevisionPlan {
            from: from.to_string(),
            to: to.to_string(),
            changes: changes.of_product(&name),
            product: name,
            findings,
            hidden: 0,
        };
        hide(&mut plan, &sight);
        plan
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| internal("the revisions were not compared", &error))
}

/// Takes out what the caller may not read, and counts what breaks of it.
fn hide(plan: &mut RevisionPlan, sight: &Sight) {
    let sees = |text: &String| identity(text).is_none_or(|of| sight.sees(&of));
    for removal in &mut plan.changes.removals {
        let before = removal.breaks.len() + removal.goes_too.len();
        removal.breaks.retain(sees);
        removal.goes_too.retain(sees);
        plan.hidden += before - removal.breaks.len() - removal.goes_too.len();
    }
    for step in &mut plan.changes.steps {
        step.because.retain(sees);
    }
}

/// Reads `Kind/product/name` or `Kind/name`.
fn identity(text: &str) -> Option<Identity> {
    crate::routes::path::written(text, None).ok()
}

async fn revision(mirror: &Mirror, path: &nautes_gitops::RepoPath, text: &str) -> Result<Oid, ApiError> {
    let shown: String = text.chars().take(80).collect();
    if text.is_empty() || text.len() > MAX_REVISION {
        return Err(ApiError::malformed(format!("{shown:?} is no revision"))
            .hint("write a branch, a tag or the id of a commit"));
    }
    let found = resolve(mirror, text).await;
    let found = found.map_err(|error| internal("a revision cannot be found", &error))?;
    found.ok_or_else(|| {
        ApiError::not_found(format!("{path} has no branch, tag or commit {shown:?}"))
            .hint("the history tells the commits: /api/v1/audit/PRODUCT")
    })
}

/// What is declared, with the product as a revision declares it.
async fn at(mirror: &Mirror, of: &RepoRef, revision: Oid, scopes: &Scopes) -> Result<Scopes, ApiError> {
    let reader = TreeReader::new(of.clone());
    let reading = reader.read(mirror, revision, &Paths::new()).await;
    let reading = reading.map_err(|error| internal("a revision cannot be read", &error))?;
    if !reading.complete {
        return Err(ApiError::of_class(
            Class::Waiting,
            format!("{revision} is too large to be read as a whole"),
        ));
    }
    Ok(merged(scopes, of, &reading.scope))
}
