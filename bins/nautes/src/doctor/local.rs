//! The platform on this machine: its doors and its clusters. Its folder is read, and nothing in it is changed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use nautes_model::Secret;
use nautes_model::kinds::cluster::WorkerType;
use nautes_vault::VaultStore;
use nautes_vault::vault::{Login, VaultSettings};
use reqwest::Url;

use super::check::{CLUSTER_ACCESS, LOCAL_PLATFORM, SETTINGS, Verdict};
use super::examine::{config_of, hasty, judged, look_at_api, look_at_receiver, vault_subject};
use super::judge;
use super::probe::cluster::{self, Role};
use super::probe::private;
use super::probe::reach::{Way, reach};
use crate::local::clusters::{ALL, HOST, PIPELINES, TENANT};
use crate::local::data::{Data, Remembered};
use crate::local::forge::ADMIN;
use crate::local::instance::address;
use crate::local::ports::{API, FORGE, HOOKS, VAULT};
use crate::local::secrets::Kind;
use crate::settings::Connection;

/// Looks at the platform of a folder.
pub(super) async fn examine(folder: &Path, namespace: &str, limit: Duration) -> Vec<Verdict> {
    let subject = format!("local platform in {}", folder.display());
    let known = Data::look(folder).and_then(|data| Ok((data.remembered()?, data)));
    let (remembered, data) = match known {
        Ok(known) => known,
        Err(failure) => return vec![SETTINGS.bad(&subject, failure.message)],
    };
    if !data.is_taken() {
        return vec![LOCAL_PLATFORM.bad(&subject, "it does not run")];
    }
    let mut all = vec![LOCAL_PLATFORM.good(&subject, "it runs")];
    all.extend(private(&subject, "tokens", &data.at("instance.json")));
    let clusters = ALL.iter().map(|name| {
        let role = match *name {
            TENANT => Role::Tenant,
            HOST => Role::Host,
            PIPELINES => Role::Worker(Some(WorkerType::Pipeline)),
            _ => Role::Worker(Some(WorkerType::Deployment)),
        };
        (format!("local cluster {name}"), data.kubeconfig(name), role)
    });
    let doors = doors(&remembered, limit);
    let store = store(&data, &remembered, limit);
    let clusters = with_kubeconfigs(clusters.collect(), namespace, limit);
    let (doors, store, clusters) = futures::future::join3(doors, store, clusters).await;
    for part in [doors, store, clusters] {
        all.extend(part);
    }
    all
}

/// Looks at API, forge and webhook receiver.
async fn doors(remembered: &Remembered, limit: Duration) -> Vec<Verdict> {
    let at = |door: &str| address(remembered, door).unwrap_or_default();
    let (api, forge, hooks) = (at(API), at(FORGE), at(HOOKS));
    let api = async {
        let Ok(server) = Url::parse(&format!("{api}/")) else {
            return Vec::new();
        };
        let connection = Connection {
            server,
            source: None,
            ca_file: None,
            context: None,
        };
        let token = remembered
            .users
            .get(ADMIN)
            .map(|token| Ok(Secret::from(token.as_str())));
        look_at_api(&format!("local API at {api}"), &connection, token, limit).await
    };
    let forge = async {
        let Ok(url) = Url::parse(&format!("{forge}/")) else {
            return Vec::new();
        };
        let way = Way::new(format!("local forge at {forge}"), url);
        judge::reach::judge(&reach(way, limit).await, Timestamp::now())
    };
    let subject = format!("local webhook receiver at {hooks}");
    let hooks = look_at_receiver(&subject, &hooks, limit);
    let (api, forge, hooks) = futures::future::join3(api, forge, hooks).await;
    [api, forge, hooks].into_iter().flatten().collect()
}

/// Looks at the server of the secret store, where there is one.
async fn store(data: &Data, remembered: &Remembered, limit: Duration) -> Vec<Verdict> {
    if remembered.secrets != Some(Kind::Vault) {
        return Vec::new();
    }
    let Some(at) = address(remembered, VAULT)
        .ok()
        .and_then(|at| Url::parse(&at).ok())
    else {
        return Vec::new();
    };
    let subject = format!("local {}", vault_subject(&at));
    let settings = VaultSettings::new(at, Login::TokenFile(data.at("openbao").join("token")));
    match VaultStore::new(hasty(settings, limit)) {
        Ok(store) => judge::vault::judge(&subject, &store.examine(&[], true).await, Timestamp::now(), true),
        Err(error) => vec![SETTINGS.bad(&subject, error.to_string())],
    }
}

/// Looks at several clusters with kubeconfigs of this machine.
async fn with_kubeconfigs(
    all: Vec<(String, PathBuf, Role)>,
    namespace: &str,
    limit: Duration,
) -> Vec<Verdict> {
    let look = |(subject, file, role): (String, PathBuf, Role)| async move {
        let source = file.display().to_string();
        match config_of(&file).await {
            Ok(config) => judged(&cluster::look((&subject, &source), config, (role, namespace), limit).await),
            Err(why) => vec![CLUSTER_ACCESS.bad(&subject, format!("{source}: {why}"))],
        }
    };
    join_all(all.into_iter().map(look))
        .await
        .into_iter()
        .flatten()
        .collect()
}
