//! The questions, and what of the answers is for the caller's eyes.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use nautes_model::name::ProductName;
use nautes_model::{Identity, Kind, Scopes};
use nautes_validate::access::{Chain, Explanation, Item, Permissions, Subject};
use nautes_validate::{Checked, Level};

use super::{
    AccessChain, AccessExplanation, AccessQuery, AccessStep, AccessVerb, Answer, Asked, Can, Explained,
    WhoCan,
};
use crate::app::App;
use crate::apply::scopes;
use crate::auth::Caller;
use crate::error::{ApiError, internal};
use crate::names::written;
use crate::page::{Page, mark};
use crate::sight::Sight;

/// `GET /api/v1/access/who-can`.
pub(super) async fn who_can(caller: Caller, State(app): State<App>, query: Asked) -> Answer<WhoCan> {
    let query = read(query)?;
    let page = Page::read(query.limit, query.mark.as_deref(), 1)?;
    let scopes = scopes(&app).await?;
    let item = item(&scopes, &query.item)?;
    let eyes = Eyes::of(&app, &caller, [product_of(item.repo())]).await?;
    eyes.must_see(item.repo(), &query.item)?;
    declared(&scopes, &item)?;
    let level = Level::from(query.level);
    let asked = item.clone();
    let all = ask(&app, &scopes, move |permissions| {
        permissions.who_can(level, &asked)
    })
    .await?;
    let mentioned: BTreeSet<Option<ProductName>> = all.iter().flat_map(products_of).collect();
    let eyes = Eyes::of(&app, &caller, mentioned).await?;
    let before = all.len();
    let mut who: Vec<AccessExplanation> = all.into_iter().filter_map(|one| eyes.of_others(one)).collect();
    let hidden = before - who.len();
    if let Some([after]) = page.after.as_deref() {
        who.retain(|one| one.subject > *after);
    }
    who.sort_by(|a, b| a.subject.cmp(&b.subject));
    let more = who.len() > page.limit;
    who.truncate(page.limit);
    let last = who.last().filter(|_| more);
    Ok(Json(WhoCan {
        item: item.to_string(),
        level: query.level,
        continue_: last.map(|one| mark(&[&one.subject])),
        who,
        hidden,
    }))
}

/// `GET /api/v1/access/can`.
pub(super) async fn can(caller: Caller, State(app): State<App>, query: Asked) -> Answer<Can> {
    let query = read(query)?;
    let scopes = scopes(&app).await?;
    let (subject, item) = (subject(&scopes, &query.subject)?, item(&scopes, &query.item)?);
    let one = explain_one(&app, &caller, &scopes, &subject, (&item, &query.item)).await?;
    Ok(Json(Can {
        subject: subject.to_string(),
        item: item.to_string(),
        level: query.level,
        can: one.level >= Some(query.level),
    }))
}

/// `GET /api/v1/access/explain`.
pub(super) async fn explain(caller: Caller, State(app): State<App>, query: Asked) -> Answer<Explained> {
    let query = read(query)?;
    let page = Page::read(query.limit, query.mark.as_deref(), 1)?;
    let scopes = scopes(&app).await?;
    let who = subject(&scopes, &query.subject)?;
    if !query.item.is_empty() {
        let item = item(&scopes, &query.item)?;
        let one = explain_one(&app, &caller, &scopes, &who, (&item, &query.item)).await?;
        return Ok(Json(Explained {
            subject: who.to_string(),
            items: vec![one],
            continue_: None,
        }));
    }
    let eyes = Eyes::of(&app, &caller, [Some(who.product().clone())]).await?;
    eyes.must_see_product(who.product(), &query.subject)?;
    known(&app, &scopes, &who).await?;
    let asked = who.clone();
    let mut all = ask(&app, &scopes, move |permissions| {
        let repos = permissions.repos_of(&asked).into_keys();
        repos
            .map(|repo| permissions.explain(&asked, &Item::Repo(repo)))
            .collect::<Vec<_>>()
    })
    .await?;
    all.sort_by_key(|one| one.item.to_string());
    if let Some([after]) = page.after.as_deref() {
        all.retain(|one| one.item.to_string() > *after);
    }
    let more = all.len() > page.limit;
    all.truncate(page.limit);
    let mentioned: BTreeSet<Option<ProductName>> = all.iter().flat_map(products_of).collect();
    let eyes = Eyes::of(&app, &caller, mentioned).await?;
    let items: Vec<AccessExplanation> = all.into_iter().map(|one| eyes.of_own(one)).collect();
    let last = items.last().filter(|_| more);
    Ok(Json(Explained {
        subject: who.to_string(),
        continue_: last.map(|one| mark(&[&one.item])),
        items,
    }))
}

/// Explains one pair. The caller sees the side of the one who wants, or that of the repository, or both.
async fn explain_one(
    app: &App,
    caller: &Caller,
    scopes: &Arc<Scopes>,
    who: &Subject,
    (item, asked): (&Item, &str),
) -> Result<AccessExplanation, ApiError> {
    let ends = [Some(who.product().clone()), product_of(item.repo())];
    let eyes = Eyes::of(app, caller, ends).await?;
    let (sees_who, sees_item) = (eyes.sees_product(who.product()), eyes.sees(item.repo()));
    if !sees_who {
        eyes.must_see(item.repo(), asked)?;
    }
    if sees_item {
        declared(scopes, item)?;
    }
    if sees_who {
        known(app, scopes, who).await?;
    }
    let (asked, about) = (who.clone(), item.clone());
    let found = ask(app, scopes, move |permissions| {
        permissions.explain(&asked, &about)
    })
    .await?;
    let eyes = Eyes::of(app, caller, products_of(&found)).await?;
    if sees_who {
        return Ok(eyes.of_own(found));
    }
    Ok(eyes.of_others(found).unwrap_or_else(|| AccessExplanation {
        subject: who.to_string(),
        item: item.to_string(),
        level: None,
        chains: Vec::new(),
    }))
}

/// Asks the relation, off the threads that do I/O.
async fn ask<T: Send + 'static>(
    app: &App,
    scopes: &Arc<Scopes>,
    question: impl FnOnce(&Permissions<'_>) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let (scopes, platform) = (Arc::clone(scopes), app.platform().clone());
    let work = move || {
        let checked = Checked::new(&scopes, platform.rules().facts());
        question(&Permissions::of(&checked))
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| internal("the question was not answered", &error))
}

/// Which products of those that matter the caller may read.
struct Eyes(Sight);

impl Eyes {
    async fn of(
        app: &App,
        caller: &Caller,
        products: impl IntoIterator<Item = Option<ProductName>>,
    ) -> Result<Self, ApiError> {
        let products: BTreeSet<ProductName> = products.into_iter().flatten().collect();
        Sight::of_products(app, caller, products).await.map(Self)
    }

    fn sees_product(&self, product: &ProductName) -> bool {
        self.0.products.contains(product)
    }

    fn sees(&self, of: &Identity) -> bool {
        self.0.sees(of)
    }

    /// He is told no other name than that by which he asked.
    fn must_see(&self, of: &Identity, asked: &str) -> Result<(), ApiError> {
        match product_of(of) {
            Some(product) => self.must_see_product(&product, asked),
            None => Err(ApiError::not_found(format!("{of} not found"))),
        }
    }

    fn must_see_product(&self, product: &ProductName, asked: &str) -> Result<(), ApiError> {
        if self.sees_product(product) {
            return Ok(());
        }
        let asked: String = asked.chars().take(120).collect();
        Err(ApiError::not_found(format!("{asked} not found"))
            .hint("check the name; what you may not see does not show either"))
    }

    /// What the caller may know of somebody of a product that he can read: that a permission is there is his to know,
    /// where it is declared is not always.
    fn of_own(&self, one: Explanation) -> AccessExplanation {
        let chains = one.chains.into_iter().map(|chain| self.chain(chain)).collect();
        AccessExplanation {
            subject: one.subject.to_string(),
            item: one.item.to_string(),
            level: one.level.map(AccessVerb::from),
            chains,
        }
    }

    /// What the caller may know of somebody of any product: of others only whom a resource that he can read names.
    fn of_others(&self, one: Explanation) -> Option<AccessExplanation> {
        if self.sees_product(one.subject.product()) {
            return Some(self.of_own(one));
        }
        use nautes_validate::access::Cause;
        let names = |chain: &Chain| {
            chain.steps.iter().all(|step| self.sees(&step.resource))
                && match (&one.subject, chain.steps.last().map(|step| step.because)) {
                    (Subject::Product(_), Some(Cause::ProductBinding)) => true,
                    (Subject::Project(..), Some(Cause::ProjectBinding)) => true,
                    (
                        Subject::Product(_)
                        | Subject::Project(..)
                        | Subject::Account { .. }
                        | Subject::Group(_),
                        _,
                    ) => false,
                }
        };
        let chains: Vec<AccessChain> = one
            .chains
            .iter()
            .filter(|chain| names(chain))
            .map(|chain| self.chain(chain.clone()))
            .collect();
        let level = chains.iter().map(|chain| chain.level).max()?;
        Some(AccessExplanation {
            subject: one.subject.to_string(),
            item: one.item.to_string(),
            level: Some(level),
            chains,
        })
    }

    fn chain(&self, chain: Chain) -> AccessChain {
        let all = chain.steps.len();
        let steps: Vec<AccessStep> = chain
            .steps
            .into_iter()
            .filter(|step| self.sees(&step.resource))
            .map(|step| AccessStep {
                text: step.to_string(),
                resource: step.resource,
                file: step.file.to_string(),
                line: step.line,
            })
            .collect();
        AccessChain {
            level: chain.level.into(),
            hidden: all - steps.len(),
            steps,
        }
    }
}

fn product_of(of: &Identity) -> Option<ProductName> {
    match (&of.product, of.kind) {
        (Some(product), _) => Some(product.clone()),
        (None, Kind::Product) => ProductName::new(of.name.as_str()).ok(),
        (None, _) => None,
    }
}

fn products_of(one: &Explanation) -> BTreeSet<Option<ProductName>> {
    let steps = one.chains.iter().flat_map(|chain| &chain.steps);
    let mut all: BTreeSet<Option<ProductName>> = steps.map(|step| product_of(&step.resource)).collect();
    all.insert(Some(one.subject.product().clone()));
    all
}

fn read(query: Asked) -> Result<AccessQuery, ApiError> {
    query
        .map(|Query(query)| query)
        .map_err(|e| ApiError::malformed(e.body_text()))
}

fn item(scopes: &Scopes, text: &str) -> Result<Item, ApiError> {
    let whole = if text.contains(':') {
        text.to_owned()
    } else {
        format!("repo:{text}")
    };
    let parsed = whole.parse().map_err(|_| {
        shape("item", text).hint("write PRODUCT/NAME or secret:PRODUCT/NAME/KEY, for example shop/source")
    });
    Ok(match parsed? {
        Item::Repo(repo) => Item::Repo(written::meant(scopes, &repo)),
        Item::Secret(repo, key) => Item::Secret(written::meant(scopes, &repo), key),
    })
}

fn subject(scopes: &Scopes, text: &str) -> Result<Subject, ApiError> {
    let whole = match text {
        text if text.contains(':') => text.to_owned(),
        text if text.contains('/') => format!("project:{text}"),
        text => format!("product:{text}"),
    };
    let parsed = whole.parse().map_err(|_| {
        shape("subject", text).hint(
            "write PRODUCT, PRODUCT/PROJECT, account:PRODUCT/NAME@CLUSTER or group:PRODUCT, for example shop/web",
        )
    });
    let product = |name| written::product(scopes, name);
    Ok(match parsed? {
        Subject::Product(of) => Subject::Product(product(of)),
        Subject::Project(of, name) => Subject::Project(product(of), name),
        Subject::Account {
            product: of,
            account,
            cluster,
        } => Subject::Account {
            product: product(of),
            account,
            cluster,
        },
        Subject::Group(of) => Subject::Group(product(of)),
    })
}

fn shape(what: &str, text: &str) -> ApiError {
    let shown: String = text.chars().take(120).collect();
    ApiError::malformed(format!(
        "{what} {shown:?} names nobody and nothing that access is about"
    ))
}

fn declared(scopes: &Scopes, item: &Item) -> Result<(), ApiError> {
    if scopes.get(item.repo()).is_some() {
        return Ok(());
    }
    Err(ApiError::not_found(format!("{} not found", item.repo()))
        .hint("list the repositories of its product"))
}

/// Checks that somebody is there, so that a wrong name is not answered with "no".
async fn known(app: &App, scopes: &Arc<Scopes>, who: &Subject) -> Result<(), ApiError> {
    let is_there = match who {
        Subject::Product(_) | Subject::Group(_) => true,
        Subject::Project(product, project) => {
            let project = Identity::product(Kind::Project, product.clone(), project.clone());
            scopes.get(&project).is_some()
        }
        Subject::Account { .. } => {
            let asked = who.clone();
            ask(app, scopes, move |permissions| {
                permissions.accounts().any(|account| *account == asked)
            })
            .await?
        }
    };
    if is_there {
        return Ok(());
    }
    Err(ApiError::not_found(format!("{who} not found"))
        .hint("check the name: it is declared in no repository"))
}

impl From<AccessVerb> for Level {
    fn from(verb: AccessVerb) -> Self {
        match verb {
            AccessVerb::Read => Self::Read,
            AccessVerb::Write => Self::Write,
        }
    }
}

impl From<Level> for AccessVerb {
    fn from(level: Level) -> Self {
        match level {
            Level::Read => Self::Read,
            Level::Write => Self::Write,
        }
    }
}
