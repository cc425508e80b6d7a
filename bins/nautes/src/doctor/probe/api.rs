//! What the API says of itself, and whom it takes the caller for.

use std::collections::BTreeMap;
use std::time::Duration;

use nautes_model::Secret;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::chain;
use super::reach::{Reach, Way, client, reach};
use crate::client::{Client, text_at};
use crate::settings::Connection;

/// What is known of an API.
#[derive(Debug)]
pub struct Api {
    /// The way to it.
    pub reach: Reach,
    /// What it says of what it stands on; an error where it does not say.
    pub ready: Result<Ready, String>,
    /// Its version.
    pub version: Result<String, String>,
    /// Who the caller is to it; `None` where there is no token.
    pub caller: Option<Result<String, String>>,
}

/// What an API says of what it stands on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Ready {
    /// Whether everything answers.
    pub ready: bool,
    /// What of each system.
    #[serde(default)]
    pub checks: BTreeMap<String, String>,
}

/// Looks at an API. The token goes to it, and nowhere else.
pub async fn look(
    subject: &str,
    connection: &Connection,
    token: Option<Result<Secret, String>>,
    limit: Duration,
) -> Api {
    let bundle = connection
        .ca_file
        .as_deref()
        .map(|file| super::forge::bundle("--ca-file", file));
    let at = |path: &str| {
        connection
            .server
            .join(path)
            .unwrap_or_else(|_| connection.server.clone())
    };
    let way = Way {
        bundle,
        ..Way::new(subject, at("healthz"))
    };
    let ready = ready(&way, at("readyz"), limit);
    let asked = async {
        let client = match Client::new(connection, limit) {
            Ok(client) => client,
            Err(failure) => return (Err(failure.message.clone()), token.map(|_| Err(failure.message))),
        };
        let version = client.get::<Value>("version").await;
        let version = version
            .map(|answer| text_at(&answer, "version"))
            .map_err(|failure| failure.message);
        let caller = match token {
            Some(Ok(token)) => {
                let client = client.with(token, String::new());
                let who = client.get::<Value>("api/v1/whoami").await;
                Some(
                    who.map(|who| text_at(&who, "name"))
                        .map_err(|failure| failure.message),
                )
            }
            Some(Err(why)) => Some(Err(why)),
            None => None,
        };
        (version, caller)
    };
    let reached = reach(way.clone(), limit);
    let (reach, ready, (version, caller)) = futures::future::join3(reached, ready, asked).await;
    Api {
        reach,
        ready,
        version,
        caller,
    }
}

async fn ready(way: &Way, url: Url, limit: Duration) -> Result<Ready, String> {
    let client = client(way, limit).map_err(|_| "a setting cannot be used".to_owned())?;
    let asked = async {
        let answer = client
            .get(url)
            .send()
            .await
            .map_err(reqwest::Error::without_url)?;
        answer.json::<Ready>().await.map_err(reqwest::Error::without_url)
    };
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => answer.map_err(|error| chain(&error)),
        Err(_) => Err("there was no answer in time".to_owned()),
    }
}
