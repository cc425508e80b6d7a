//! The forge that the settings name: opened, and its way known.

use std::path::Path;
use std::sync::Arc;

use nautes_gitops::GitHost;
use nautes_gitops::host::{Connection, ForgeType};
use url::Url;

use super::certificate::Bundle;
use super::reach::Way;
use super::{chain, private};
use crate::doctor::check::{SETTINGS, Verdict};
use crate::doctor::told::Told;

/// A forge.
#[derive(Debug)]
pub struct Forge {
    /// What it is for people.
    pub subject: String,
    /// Of what type it is.
    pub kind: ForgeType,
    /// The way to it.
    pub way: Way,
    /// The forge; `None` where the settings cannot be used.
    pub host: Option<Arc<dyn GitHost>>,
}

/// Opens the forge that the settings name. Nobody is asked yet.
pub async fn open(told: &Told) -> Option<(Forge, Vec<Verdict>)> {
    let config = &told.config;
    let url = config.forge_url.as_ref()?;
    let kind = config.forge_type;
    let subject = format!("forge {kind} at {}", bare(url));
    let mut found = Vec::new();
    let bundle = config
        .forge_ca_file
        .as_deref()
        .map(|file| bundle("--forge-ca-file", file));
    let way = Way {
        bundle,
        proxy: config.forge_proxy.clone(),
        ..Way::new(&subject, url.clone())
    };
    let host = match config.forge_token_file.as_deref() {
        Some(file) => {
            found.extend(private(&subject, "--forge-token-file", file));
            match host(told, url, file).await {
                Ok(host) => Some(host),
                Err(why) => {
                    found.push(SETTINGS.bad(&subject, why));
                    None
                }
            }
        }
        None => {
            found.push(SETTINGS.bad(&subject, "--forge-token-file is not set"));
            None
        }
    };
    let forge = Forge {
        subject,
        kind,
        way,
        host,
    };
    Some((forge, found))
}

async fn host(told: &Told, url: &Url, token: &Path) -> Result<Arc<dyn GitHost>, String> {
    let config = &told.config;
    let (token, ca_bundle) = Connection::files(token, config.forge_ca_file.as_deref())
        .await
        .map_err(|error| chain(&error))?;
    let connection = Connection {
        kind: config.forge_type,
        name: config.forge_name.clone(),
        url: url.to_string(),
        token,
        ca_bundle,
        proxy: config.forge_proxy.clone(),
        loopback: config.forge_loopback,
        known: config.tenant_repo.clone(),
    };
    connection.open().map_err(|error| chain(&error))
}

/// Returns certificates that are trusted, from a file; none where it cannot be read, which is judged.
#[must_use]
pub fn bundle(setting: &'static str, file: &Path) -> (Bundle, Vec<reqwest::Certificate>) {
    let (bundle, pem) = Bundle::read(setting, file);
    let certificates = pem.and_then(|pem| reqwest::Certificate::from_pem_bundle(&pem).ok());
    (bundle, certificates.unwrap_or_default())
}

/// Returns an address for people, without a user, a password or a query.
#[must_use]
pub fn bare(url: &Url) -> String {
    let path = url.path().trim_end_matches('/');
    format!("{}{path}", url.origin().ascii_serialization())
}
