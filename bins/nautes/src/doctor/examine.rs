//! All parts of an installation, looked at: first what stands by itself, then what follows from what the tenant declares.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join3, join4};
use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use nautes_gitops::checkup::{self, Manifests};
use nautes_gitops::{Place, RepoPath, RepoRef, Session};
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::scope::{ProductScope, Scopes, TenantScope};
use nautes_model::{Identity, Secret};
use nautes_runtime::clusters::kubeconfig;
use nautes_runtime::platform::paths;
use nautes_vault::vault::VaultSettings;
use nautes_vault::{SecretStore, VaultStore, keys};

use super::check::{CLUSTER_ACCESS, HOOK_RECEIVER, SETTINGS, TENANT_REPOSITORY, Verdict};
use super::judge;
use super::probe::certificate::Bundle;
use super::probe::cluster::{self, Cluster, Role};
use super::probe::reach::{Way, reach};
use super::probe::{api, chain, forge, private};
use super::told::Told;
use crate::exit::Failure;
use crate::settings::Connection;

/// How many products, repositories and clusters are looked at at once.
const AT_ONCE: usize = 8;

/// What is looked at, and for how long.
#[derive(Debug)]
pub struct Wanted {
    /// The settings of the programs.
    pub told: Told,
    /// The branch that counts in repositories with manifests.
    pub branch: String,
    /// The namespace of the tenant's resources.
    pub namespace: String,
    /// The API of the context, if there is one.
    pub api: Option<Connection>,
    /// The folder of a local platform, if there is one.
    pub local: Option<PathBuf>,
    /// How long one fact may take.
    pub limit: Duration,
}

/// What follows from what the tenant declares.
#[derive(Default)]
struct Declared {
    session: Option<Arc<dyn Session>>,
    tenant: TenantScope,
}

impl Declared {
    fn clusters(&self) -> Vec<(ClusterName, Role)> {
        let named = self.tenant.clusters().filter_map(|(sourced, cluster)| {
            let name = ClusterName::new(sourced.identity.name.as_str()).ok()?;
            Some((name, Role::of(cluster.spec.usage, cluster.spec.worker_type)))
        });
        named.collect()
    }
}

/// Looks at everything, and judges it.
///
/// # Errors
/// There is no room for what is read from repositories.
pub async fn examine(wanted: &Wanted) -> Result<Vec<Verdict>, Failure> {
    let scratch = tempfile::tempdir()?;
    let mut all = Vec::new();
    let first = join4(
        account(wanted, scratch.path()),
        tenant_cluster(wanted),
        receiver(wanted),
        join4(context(wanted), local(wanted), store(wanted), proxy(wanted)),
    );
    let ((forge, declared), tenant, receiver, (context, local, (vault, store, is_reached), proxy)) =
        first.await;
    let second = join3(
        products(wanted, &declared, scratch.path()),
        rights(wanted, &store, is_reached, &declared),
        clusters(wanted, &store, &declared),
    );
    let (products, rights, clusters) = second.await;
    for part in [
        context, forge, products, receiver, vault, rights, proxy, tenant, clusters, local,
    ] {
        all.extend(part);
    }
    if let Some(store) = store {
        // A token that is not revoked ends by itself.
        let _ = store.log_out().await;
    }
    Ok(all)
}

async fn context(wanted: &Wanted) -> Vec<Verdict> {
    let Some(connection) = &wanted.api else {
        return Vec::new();
    };
    let subject = format!("API at {}", forge::bare(&connection.server));
    let token = match &connection.source {
        Some(source) => Some(
            source
                .token(&connection.server)
                .await
                .map_err(|failure| failure.message),
        ),
        None => None,
    };
    look_at_api(&subject, connection, token, wanted.limit).await
}

/// Looks at an API, and judges it.
pub(super) async fn look_at_api(
    subject: &str,
    connection: &Connection,
    token: Option<Result<Secret, String>>,
    limit: Duration,
) -> Vec<Verdict> {
    let found = api::look(subject, connection, token, limit).await;
    let mut all = judge::reach::judge(&found.reach, Timestamp::now());
    all.extend(judge::api::judge(&found, env!("CARGO_PKG_VERSION")));
    all
}

/// Looks at the forge and at what the tenant declares.
async fn account(wanted: &Wanted, scratch: &Path) -> (Vec<Verdict>, Declared) {
    let mut declared = Declared::default();
    let Some((forge, mut all)) = forge::open(&wanted.told).await else {
        return (Vec::new(), declared);
    };
    let subject = forge.subject.as_str();
    let asked = async {
        let host = forge.host.as_ref()?;
        let account = checkup::account(&**host, wanted.limit).await;
        let tenant = match (&account.session, &wanted.told.config.tenant_repo) {
            (Ok(session), Some(path)) => {
                let place = (RepoRef::Tenant, path.clone());
                let scratch = scratch.join("tenant.git");
                Some(checkup::manifests(&**session, place, &wanted.branch, &scratch, wanted.limit).await)
            }
            _ => None,
        };
        Some((account, tenant))
    };
    let (reached, asked) = futures::future::join(reach(forge.way.clone(), wanted.limit), asked).await;
    let now = Timestamp::now();
    all.extend(judge::reach::judge(&reached, now));
    if let Some((account, tenant)) = asked {
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let is_reached = reached.outcome.is_ok();
        all.extend(judge::forge::account(
            subject, forge.kind, &account, today, is_reached,
        ));
        if account.session.is_err()
            && let Some(path) = &wanted.told.config.tenant_repo
        {
            let subject = format!("tenant's repository {path}");
            all.push(TENANT_REPOSITORY.skipped(
                &subject,
                "nobody could sign in, so that nothing is known of products and clusters",
            ));
        }
        if let Some(found) = tenant {
            let subject = format!("tenant's repository {}", found.path);
            all.extend(judge::forge::manifests(
                &subject,
                &RepoRef::Tenant,
                &found,
                &wanted.branch,
            ));
            declared.tenant = scope(found)
                .and_then(nautes_gitops::Scope::tenant)
                .unwrap_or_default();
        }
        declared.session = account.session.ok();
    }
    (all, declared)
}

fn scope(found: Manifests) -> Option<nautes_gitops::Scope> {
    Some(found.reading.ok()??.scope)
}

/// Looks at groups, repositories and hooks of the products that the tenant declares.
async fn products(wanted: &Wanted, declared: &Declared, scratch: &Path) -> Vec<Verdict> {
    let Some(session) = declared.session.as_deref() else {
        return Vec::new();
    };
    let named = declared.tenant.products().filter_map(|(sourced, product)| {
        let name = ProductName::new(sourced.identity.name.as_str()).ok()?;
        let path = paths::default_project(&name, Some(product)).ok()?;
        Some((name, path))
    });
    let named: Vec<(ProductName, RepoPath)> = named.collect();
    let looked = stream::iter(named).map(|(name, path)| product(wanted, session, name, path, scratch));
    let looked: Vec<(Vec<Verdict>, ProductScope)> = looked.buffered(AT_ONCE).collect().await;
    let mut scopes = Scopes {
        tenant: declared.tenant.clone(),
        products: BTreeMap::new(),
    };
    let mut all = Vec::new();
    for (verdicts, scope) in looked {
        all.extend(verdicts);
        scopes.products.insert(scope.product.clone(), scope);
    }
    all.extend(hooks(wanted, session, &scopes).await);
    all
}

async fn product(
    wanted: &Wanted,
    session: &dyn Session,
    name: ProductName,
    path: RepoPath,
    scratch: &Path,
) -> (Vec<Verdict>, ProductScope) {
    let subject = format!("product {name}");
    let of = RepoRef::Product(name.clone());
    let scratch = scratch.join(format!("product-{name}.git"));
    let group = Place::group(path.group());
    let level = async {
        // Where people make groups, nobody knows their members.
        let known = session.abilities().manages;
        if known {
            Some(checkup::level(session, &group, wanted.limit).await)
        } else {
            None
        }
    };
    let place = (of.clone(), path);
    let read = checkup::manifests(session, place, &wanted.branch, &scratch, wanted.limit);
    let (level, found) = futures::future::join(level, read).await;
    let mut all: Vec<Verdict> = level
        .iter()
        .map(|level| judge::forge::group(&subject, level))
        .collect();
    all.extend(judge::forge::manifests(&subject, &of, &found, &wanted.branch));
    let scope = scope(found).and_then(nautes_gitops::Scope::product);
    (all, scope.unwrap_or_else(|| ProductScope::new(name)))
}

/// The repositories whose events start pipelines, with where they are.
fn listened(scopes: &Scopes) -> BTreeMap<Identity, RepoPath> {
    let mut all = BTreeMap::new();
    for (product, scope) in &scopes.products {
        let sources = scope
            .pipeline_runtimes()
            .flat_map(|(_, runtime)| &runtime.spec.event_sources);
        for event in sources.filter_map(|source| source.gitlab.as_ref()) {
            let found = scopes.find_code_repo(product, &event.repo_name);
            let identity = found.map(|(sourced, _)| sourced.identity.clone());
            if let Some(identity) = identity
                && let Some(path) = paths::find_code_repo(scopes, &identity)
            {
                all.insert(identity, path);
            }
        }
    }
    all
}

async fn hooks(wanted: &Wanted, session: &dyn Session, scopes: &Scopes) -> Vec<Verdict> {
    if session.abilities().hooks.is_empty() || !wanted.told.says("webhook-url") {
        return Vec::new();
    }
    let Some(base) = &wanted.told.config.webhook_url else {
        return Vec::new();
    };
    let prefix = format!("{}/hooks/", base.as_str().trim_end_matches('/'));
    let look = |(identity, path): (Identity, RepoPath)| {
        let prefix = prefix.clone();
        async move {
            let product = identity.product.as_ref().map_or("", ProductName::as_str);
            let url = format!("{prefix}{product}/{}", identity.name);
            let found = checkup::hooks(session, &path, |url| url.starts_with(&prefix), wanted.limit).await;
            judge::forge::hooks(&format!("repository {path}"), &url, &found)
        }
    };
    let all: Vec<Vec<Verdict>> = stream::iter(listened(scopes))
        .map(look)
        .buffered(AT_ONCE)
        .collect()
        .await;
    all.into_iter().flatten().collect()
}

/// Asks the webhook receiver what hooks do not ask.
async fn receiver(wanted: &Wanted) -> Vec<Verdict> {
    let subject = "webhook receiver";
    let base = wanted
        .told
        .config
        .webhook_url
        .as_ref()
        .filter(|_| wanted.told.says("webhook-url"));
    let Some(base) = base else {
        if wanted.told.says("forge-url") {
            return vec![HOOK_RECEIVER.skipped(subject, "--webhook-url is not set here")];
        }
        return Vec::new();
    };
    look_at_receiver(subject, base.as_str(), wanted.limit).await
}

/// Looks at a receiver, and judges it.
pub(super) async fn look_at_receiver(subject: &str, base: &str, limit: Duration) -> Vec<Verdict> {
    // A delivery is a POST; this is none.
    let url = format!("{}/hooks/nautes/doctor", base.trim_end_matches('/'));
    let Ok(url) = url.parse() else {
        return vec![SETTINGS.bad(subject, format!("{base} is no address"))];
    };
    let found = reach(Way::new(subject, url), limit).await;
    // Whether the forge trusts its certificate is the forge's to say.
    vec![judge::reach::receiver(&found)]
}

/// Looks at the way to the secret store, and prepares it.
async fn store(wanted: &Wanted) -> (Vec<Verdict>, Option<VaultStore>, bool) {
    let told = &wanted.told.config.vault;
    let Some(address) = told.address() else {
        return (Vec::new(), None, false);
    };
    let subject = vault_subject(address);
    let mut all: Vec<Verdict> = told
        .login_file()
        .and_then(|file| private(&subject, "--vault-login-file", file))
        .into_iter()
        .collect();
    let health = address.join("v1/sys/health").unwrap_or_else(|_| address.clone());
    let way = Way {
        bundle: told.ca_file().map(|file| forge::bundle("--vault-ca-file", file)),
        only: told.ca_file().is_some(),
        ..Way::new(&subject, health)
    };
    let (reached, settings) = futures::future::join(reach(way, wanted.limit), told.settings()).await;
    let is_reached = reached.outcome.is_ok();
    all.extend(judge::reach::judge(&reached, Timestamp::now()));
    let made = match settings {
        Ok(Some(settings)) => VaultStore::new(hasty(settings, wanted.limit)).map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    match made {
        Ok(store) => (all, store, is_reached),
        Err(error) => {
            all.push(SETTINGS.bad(&subject, chain(&error)));
            (all, None, is_reached)
        }
    }
}

/// Looks at the way to the vault-proxy, as the client whom it knows by its certificate.
async fn proxy(wanted: &Wanted) -> Vec<Verdict> {
    let Some(proxy) = wanted.told.config.vault.proxy_files() else {
        return Vec::new();
    };
    let subject = format!("vault-proxy at {}", forge::bare(proxy.address));
    let mut all: Vec<Verdict> = private(&subject, "--vault-proxy-key-file", proxy.key)
        .into_iter()
        .collect();
    let (own, certificate) = Bundle::read("--vault-proxy-cert-file", proxy.certificate);
    all.push(judge::reach::bundle(&subject, &own, Timestamp::now()));
    let key = match tokio::fs::read(proxy.key).await {
        Ok(key) => Secret::new(key),
        Err(error) => {
            let name = proxy.key.display();
            all.push(SETTINGS.bad(
                &subject,
                format!("{name} (--vault-proxy-key-file) cannot be read: {error}"),
            ));
            return all;
        }
    };
    let pair = [certificate.unwrap_or_default().as_slice(), b"\n", key.expose()].concat();
    let way = Way {
        bundle: proxy.ca.map(|file| forge::bundle("--vault-proxy-ca-file", file)),
        only: proxy.ca.is_some(),
        identity: Some(Secret::new(pair)),
        ..Way::new(subject, proxy.address.clone())
    };
    all.extend(judge::reach::judge(
        &reach(way, wanted.limit).await,
        Timestamp::now(),
    ));
    all
}

/// Names a store for people.
pub(super) fn vault_subject(address: &url::Url) -> String {
    format!("secret store at {}", forge::bare(address))
}

/// Takes less time than a program that goes on by itself.
pub(super) fn hasty(mut settings: VaultSettings, limit: Duration) -> VaultSettings {
    let pace = &mut settings.pace;
    pace.attempts = pace.attempts.min(2);
    pace.request = pace.request.min(limit);
    pace.operation = pace.operation.min(limit);
    settings
}

async fn rights(
    wanted: &Wanted,
    store: &Option<VaultStore>,
    is_reached: bool,
    declared: &Declared,
) -> Vec<Verdict> {
    let told = &wanted.told.config.vault;
    let (Some(store), Some(address)) = (store, told.address()) else {
        return Vec::new();
    };
    let names: Vec<ClusterName> = declared.clusters().into_iter().map(|(name, _)| name).collect();
    let found = store.examine(&names, told.proxy_files().is_none()).await;
    judge::vault::judge(&vault_subject(address), &found, Timestamp::now(), is_reached)
}

/// Looks at the tenant cluster: the one that is named, or the one that a program with these settings would find.
async fn tenant_cluster(wanted: &Wanted) -> Vec<Verdict> {
    let told = &wanted.told;
    if !told.is_some() {
        return Vec::new();
    }
    let name = "tenant cluster";
    // A list of files is for the library to read.
    let file = told
        .config
        .kubeconfig
        .as_deref()
        .filter(|file| !file.to_string_lossy().contains(':'));
    let (source, config) = match file {
        Some(file) => (file.display().to_string(), config_of(file).await),
        None => ("the one of the user, or of the pod".to_owned(), inferred().await),
    };
    match config {
        Ok(config) => {
            let role = (Role::Tenant, wanted.namespace.as_str());
            judged(&cluster::look((name, &source), config, role, wanted.limit).await)
        }
        Err(why) => vec![
            SETTINGS
                .bad(name, format!("{source}: {why}"))
                .remedy("name the kubeconfig with --kubeconfig or KUBECONFIG"),
        ],
    }
}

async fn inferred() -> Result<Config, String> {
    let found = Config::infer().await;
    found.map_err(|_| "there is none that can be used, and this is no pod".to_owned())
}

/// Reads a kubeconfig of this machine. What the library says of its content could show a part of it.
pub(super) async fn config_of(file: &Path) -> Result<Config, String> {
    tokio::fs::read(file).await.map_err(|error| error.to_string())?;
    let read = Kubeconfig::read_from(file).map_err(|_| "it is no kubeconfig".to_owned())?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    config.map_err(|_| "its context, certificates or credentials cannot be used".to_owned())
}

/// Judges a cluster, and the way to it.
pub(super) fn judged(found: &Cluster) -> Vec<Verdict> {
    let reached = found
        .reach
        .iter()
        .flat_map(|reach| judge::reach::judge(reach, Timestamp::now()));
    let mut all: Vec<Verdict> = reached.collect();
    all.extend(judge::cluster::judge(found));
    all
}

/// Looks at the clusters that the tenant declares, with the kubeconfigs that the secret store has of them.
async fn clusters(wanted: &Wanted, store: &Option<VaultStore>, declared: &Declared) -> Vec<Verdict> {
    let look = |(name, role): (ClusterName, Role)| async move {
        let subject = format!("cluster {name}");
        let Some(store) = store else {
            let why =
                "its kubeconfig is in a local secret store, which belongs to the process that has it open";
            return vec![CLUSTER_ACCESS.skipped(&subject, why)];
        };
        match stored(store, &name, wanted.limit).await {
            Ok(config) => {
                let named = (subject.as_str(), "in the secret store");
                judged(&cluster::look(named, config, (role, &wanted.namespace), wanted.limit).await)
            }
            Err(verdict) => vec![verdict],
        }
    };
    let all: Vec<Vec<Verdict>> = stream::iter(declared.clusters())
        .map(look)
        .buffered(AT_ONCE)
        .collect()
        .await;
    all.into_iter().flatten().collect()
}

/// Reads the kubeconfig of a cluster from the secret store.
async fn stored(store: &VaultStore, name: &ClusterName, limit: Duration) -> Result<Config, Verdict> {
    let subject = format!("cluster {name}");
    let at = keys::kubeconfig(name);
    let text = match tokio::time::timeout(limit, store.resolve(&at)).await {
        Ok(Ok(Some(text))) => text,
        Ok(Ok(None)) => {
            return Err(CLUSTER_ACCESS.bad(
                &subject,
                format!("the secret store has no kubeconfig at {}", at.path),
            ));
        }
        Ok(Err(error)) => return Err(CLUSTER_ACCESS.skipped(&subject, chain(&error))),
        Err(_) => return Err(CLUSTER_ACCESS.skipped(&subject, "the secret store did not answer in time")),
    };
    let bad = |why: String| {
        CLUSTER_ACCESS.bad(
            &subject,
            format!("the kubeconfig in the secret store cannot be used: {why}"),
        )
    };
    let read = kubeconfig::read(&text).map_err(|error| bad(error.to_string()))?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    // What the library says of it could show a part of it.
    config.map_err(|_| bad("its certificates or credentials cannot be used".to_owned()))
}

#[cfg(feature = "local")]
async fn local(wanted: &Wanted) -> Vec<Verdict> {
    match &wanted.local {
        Some(folder) => super::local::examine(folder, &wanted.namespace, wanted.limit).await,
        None => Vec::new(),
    }
}

#[cfg(not(feature = "local"))]
async fn local(_: &Wanted) -> Vec<Verdict> {
    Vec::new()
}
