//! The logins of a cluster's accounts at the secret store: how the store asks the cluster who somebody is, or by which keys
//! the cluster signs its tokens.
//!
//! A store that asks reviews tokens with the token of an account of its own in the cluster, which may do that and nothing more. The
//! token is asked for (TokenRequest), ends within a day, and is replaced when two thirds of its life are over; one that is
//! made by hand, or the first that is found, is never used. A store that looks at signatures is told the keys that the cluster
//! tells (`/openid/v1/jwks`), so that it needs no way to the cluster; they are looked at again every hour.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use nautes_model::Secret;
use nautes_model::name::ClusterName;
use nautes_vault::StoreError;
use nautes_vault::vault::{ClusterAuth, ClusterIssuer, IssuerKeys, Judges, KeysError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::state::{Shared, lock};
use crate::clusters::kubeconfig;

/// The account that reviews tokens, its role, and what binds them.
const REVIEWER: &str = "nautes-token-reviewer";
/// The namespace of the account: it is in every cluster.
const NAMESPACE: &str = "kube-system";
/// How long a token of the reviewer is asked for, in seconds.
const LIFETIME: i64 = 86_400;

/// Where an API server tells who issues its tokens, and their keys.
const CONFIGURATION: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/openid/v1/jwks";
/// After how many seconds the keys of a cluster are read again.
const KEYS_READ: i64 = 3600;

/// Until when the logins of each cluster are configured, and for which address.
pub(crate) type Configured = BTreeMap<ClusterName, (String, Timestamp)>;

/// Why the accounts of a cluster cannot log in.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    #[error("the account that reviews tokens cannot be made")]
    Reviewer(#[source] kube::Error),
    #[error("it has given no token to the account that reviews tokens")]
    NoToken,
    #[error("its kubeconfig cannot be used for it: {0}")]
    Kubeconfig(String),
    #[error("it does not tell the keys of its tokens")]
    Untold(#[source] kube::Error),
    #[error("the keys of its tokens cannot be read")]
    Keys(#[source] KeysError),
    #[error("it does not say who issues its tokens: {CONFIGURATION} has no issuer")]
    NoIssuer,
    #[error("the secret store cannot be told how to judge its tokens")]
    Store(#[source] StoreError),
    #[error("it did not answer in time")]
    Late,
}

/// Makes sure that the store knows how to judge the tokens of a cluster. Returns how many writes of the store it took.
pub(super) async fn keep(shared: &Shared, name: &ClusterName, client: &Client) -> Result<u64, LoginError> {
    let store = shared.platform.store();
    let Some(logins) = store.logins() else {
        return Ok(0);
    };
    let at = nautes_vault::keys::kubeconfig(name);
    let Some(text) = store.resolve(&at).await.map_err(LoginError::Store)? else {
        return Ok(0);
    };
    let (host, ca) = place(&text)?;
    let now = Timestamp::now();
    let known = lock(&shared.logins).get(name).cloned();
    if known.is_some_and(|(told, until)| told == host && now < until) {
        return Ok(0);
    }
    let limit = shared.platform.timing().call;
    let (writes, until) = match logins.judges(name) {
        Judges::ByAsking => {
            let made = in_time(limit, reviewer(client)).await?;
            let (token, until) = made.map_err(LoginError::Reviewer)?.ok_or(LoginError::NoToken)?;
            let auth = ClusterAuth {
                host: host.clone(),
                ca,
                reviewer: Some(token),
            };
            let told = in_time(limit, logins.configure(name, &auth)).await?;
            told.map_err(LoginError::Store)?;
            (1, renewal(now, until))
        }
        Judges::BySignature => {
            let issuer = in_time(limit, issuer(client)).await??;
            let told = in_time(limit, logins.trust(name, &issuer)).await?;
            let wrote = told.map_err(LoginError::Store)?;
            let until = now.checked_add(SignedDuration::from_secs(KEYS_READ));
            (u64::from(wrote), until.unwrap_or(now))
        }
    };
    lock(&shared.logins).insert(name.clone(), (host, until));
    Ok(writes)
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, LoginError> {
    tokio::time::timeout(limit, work)
        .await
        .map_err(|_| LoginError::Late)
}

/// What an issuer tells about itself, as far as it is needed.
#[derive(serde::Deserialize)]
struct Told {
    issuer: String,
}

/// Asks a cluster who issues its tokens, and by which keys they are signed.
async fn issuer(client: &Client) -> Result<ClusterIssuer, LoginError> {
    let get = async |path: &str, media: &str| {
        let request = http::Request::get(path)
            .header(http::header::ACCEPT, media)
            .body(Vec::new());
        let request = request.map_err(|error| LoginError::Untold(kube::Error::HttpError(error)))?;
        client.request_text(request).await.map_err(LoginError::Untold)
    };
    let told: Option<Told> = serde_json::from_str(&get(CONFIGURATION, "application/json").await?).ok();
    let issuer = told.map(|told| told.issuer).filter(|issuer| !issuer.is_empty());
    let keys =
        IssuerKeys::from_jwks(&get(KEYS, "application/jwk-set+json").await?).map_err(LoginError::Keys)?;
    Ok(ClusterIssuer {
        keys,
        issuer: Some(issuer.ok_or(LoginError::NoIssuer)?),
    })
}

/// Takes the logins of a cluster away that is gone, and the reviewer where the cluster answers.
pub(super) async fn forget(shared: &Shared, name: &ClusterName) -> Result<u64, LoginError> {
    let store = shared.platform.store();
    let Some(logins) = store.logins() else {
        return Ok(0);
    };
    let limit = shared.platform.timing().call;
    let gone = in_time(limit, logins.retire(name)).await?;
    gone.map_err(LoginError::Store)?;
    lock(&shared.logins).remove(name);
    if let Ok(Ok(client)) = tokio::time::timeout(limit, shared.platform.clusters().client(name)).await {
        let removed = tokio::time::timeout(limit, remove(&client)).await;
        if let Ok(Err(error)) = removed {
            tracing::info!(cluster = %name, %error, "the account that reviews tokens stays");
        }
    }
    Ok(1)
}

/// Where the store finds the cluster, and the certificate by which it knows it.
fn place(text: &Secret) -> Result<(String, String), LoginError> {
    let wrong = |why: &str| LoginError::Kubeconfig(why.to_owned());
    let config = kubeconfig::read(text).map_err(|error| wrong(&error.to_string()))?;
    let current = config.current_context.unwrap_or_default();
    let context = config
        .contexts
        .into_iter()
        .find(|context| context.name == current);
    let context = context.and_then(|context| context.context);
    let named = context.map(|context| context.cluster).unwrap_or_default();
    let cluster = config.clusters.into_iter().find(|cluster| cluster.name == named);
    let cluster = cluster.and_then(|cluster| cluster.cluster);
    let cluster = cluster.ok_or_else(|| wrong("its context names no cluster"))?;
    let host = cluster.server.ok_or_else(|| wrong("its cluster has no server"))?;
    let ca = cluster.certificate_authority_data.unwrap_or_default();
    let ca = BASE64
        .decode(ca)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    Ok((
        host,
        ca.ok_or_else(|| wrong("its certificates are no base64 of a text"))?,
    ))
}

/// Makes the account that reviews tokens, with the rights that it needs, and asks for a token of it.
async fn reviewer(client: &Client) -> kube::Result<Option<(Secret, Timestamp)>> {
    let labels = json!({ "app.kubernetes.io/managed-by": "nautes" });
    let metadata = json!({ "name": REVIEWER, "labels": labels });
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
    put(
        &accounts,
        &json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata }),
    )
    .await?;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata,
        "rules": [
            { "apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"] },
            // Who may log in is said by labels of namespaces.
            { "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"] },
        ],
    });
    put(&Api::<ClusterRole>::all(client.clone()), &role).await?;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": metadata,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": REVIEWER },
        "subjects": [{ "kind": "ServiceAccount", "name": REVIEWER, "namespace": NAMESPACE }],
    });
    put(&Api::<ClusterRoleBinding>::all(client.clone()), &binding).await?;
    let asked = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(LIFETIME),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let made = accounts
        .create_token_request(REVIEWER, &PostParams::default(), &asked)
        .await?;
    let now = Timestamp::now();
    let status = made.status.unwrap_or_default();
    let until = status.expiration_timestamp.map_or(now, |until| until.0);
    Ok(status.token.map(|token| (Secret::from(token), until)))
}

async fn put<K>(api: &Api<K>, object: &serde_json::Value) -> kube::Result<()>
where
    K: Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    let params = PatchParams::apply("nautes-logins").force();
    api.patch(REVIEWER, &params, &Patch::Apply(object))
        .await
        .map(drop)
}

async fn remove(client: &Client) -> kube::Result<()> {
    let params = DeleteParams::default();
    let absent = |error: kube::Error| match error {
        kube::Error::Api(status) if status.code == 404 => Ok(()),
        error => Err(error),
    };
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    bindings
        .delete(REVIEWER, &params)
        .await
        .map(drop)
        .or_else(absent)?;
    let roles: Api<ClusterRole> = Api::all(client.clone());
    roles.delete(REVIEWER, &params).await.map(drop).or_else(absent)?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
    accounts.delete(REVIEWER, &params).await.map(drop).or_else(absent)
}

/// When a token that works until an instant is replaced.
fn renewal(now: Timestamp, until: Timestamp) -> Timestamp {
    let life = Duration::try_from(until.duration_since(now)).unwrap_or_default();
    now.checked_add(life / 3 * 2).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_replaced_when_two_thirds_of_its_life_are_over() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(renewal(at(100), at(400)), at(300));
        assert_eq!(renewal(at(100), at(50)), at(100));
    }

    #[test]
    fn the_place_of_a_cluster_is_that_of_the_current_context() {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: b\nclusters:\n- name: one\n  cluster: {{server: 'https://one:1'}}\n\
             - name: two\n  cluster: {{server: 'https://two:2', certificate-authority-data: {}}}\nusers:\n- name: u\n  user: \
             {{token: canary}}\ncontexts:\n- name: a\n  context: {{cluster: one, user: u}}\n- name: b\n  context: {{cluster: two, \
             user: u}}\n",
            BASE64.encode("PEM")
        );
        let (host, ca) = place(&Secret::from(text)).unwrap();
        assert_eq!((host.as_str(), ca.as_str()), ("https://two:2", "PEM"));
        let error = place(&Secret::from("token: canary")).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
}
