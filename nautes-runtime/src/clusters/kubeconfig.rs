//! Kubeconfigs as they are accepted: everything inline, nothing that runs or reads files on this machine.

use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use nautes_model::Secret;
use nautes_model::yaml::{self, DocumentLimits};
use serde_json::Value;

/// The largest kubeconfig, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Why a kubeconfig is not accepted. Holds nothing of its content but names of fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// It is larger than is reasonable.
    #[error("it has {0} bytes, {MAX_BYTES} are allowed")]
    TooLarge(usize),
    /// It is not UTF-8 text, not YAML, or not a kubeconfig.
    #[error("it is not a kubeconfig: {0}")]
    NotOne(&'static str),
    /// It names a program or a plug-in that would have to run here.
    #[error("{0} is not accepted: it would run a program of this machine")]
    Plugin(&'static str),
    /// It names a file of this machine.
    #[error("{0} is not accepted: it names a file; use the field with inline data")]
    File(&'static str),
    /// The current context leads nowhere.
    #[error("its current context does not lead to a server and a user")]
    NoContext,
    /// The address of the server is not an http or https URL.
    #[error("the address of its server is not a URL")]
    Server,
    /// What it holds cannot be used, for example a certificate that is none.
    #[error("its certificates or credentials cannot be used")]
    Unusable,
}

impl KubeconfigError {
    /// Says what can be done about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Plugin(_) => Some("use a token or a client certificate of a service account"),
            Self::File(_) => Some("kubectl config view --raw --flatten puts files into the text"),
            Self::TooLarge(_) | Self::NotOne(_) | Self::NoContext | Self::Server | Self::Unusable => None,
        }
    }
}

/// Reads a kubeconfig and checks that it can be used here.
///
/// # Errors
/// Says what is wrong with it, without its content.
pub fn read(text: &Secret) -> Result<Kubeconfig, KubeconfigError> {
    let value = parse(text)?;
    let config: Kubeconfig =
        serde_json::from_value(value).map_err(|_| KubeconfigError::NotOne("a field does not fit"))?;
    check(&config)?;
    Ok(config)
}

/// Returns the kubeconfig with every server replaced; everything else stays as it is.
///
/// # Errors
/// It is not one that is accepted, or the address is not a URL.
pub fn with_server(text: &Secret, server: &str) -> Result<Secret, KubeconfigError> {
    check_server(server)?;
    read(text)?;
    let mut value = parse(text)?;
    let clusters = value.get_mut("clusters").and_then(Value::as_array_mut);
    for cluster in clusters.into_iter().flatten() {
        if let Some(cluster) = cluster.get_mut("cluster").and_then(Value::as_object_mut) {
            cluster.insert("server".to_owned(), server.into());
        }
    }
    let text = yaml::to_text(&value).map_err(|_| KubeconfigError::NotOne("it cannot be written again"))?;
    Ok(Secret::from(text))
}

/// Turns an accepted kubeconfig into settings of a client, with another server if one is given.
pub(super) async fn config(text: &Secret, server: Option<&str>) -> Result<Config, KubeconfigError> {
    let mut kubeconfig = read(text)?;
    if let Some(server) = server.filter(|server| !server.is_empty()) {
        check_server(server)?;
        for cluster in kubeconfig.clusters.iter_mut().filter_map(|c| c.cluster.as_mut()) {
            cluster.server = Some(server.to_owned());
        }
    }
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|_| KubeconfigError::Unusable)
}

fn parse(text: &Secret) -> Result<Value, KubeconfigError> {
    let size = text.expose().len();
    if size > MAX_BYTES {
        return Err(KubeconfigError::TooLarge(size));
    }
    let text = text
        .expose_str()
        .map_err(|_| KubeconfigError::NotOne("it is not UTF-8 text"))?;
    let documents = yaml::documents(text, &DocumentLimits::default())
        .map_err(|_| KubeconfigError::NotOne("it is not YAML"))?;
    let mut documents = documents.into_iter();
    match (documents.next(), documents.next()) {
        (Some(value @ Value::Object(_)), None) => Ok(value),
        _ => Err(KubeconfigError::NotOne("it is not one map")),
    }
}

fn check(config: &Kubeconfig) -> Result<(), KubeconfigError> {
    for user in config
        .auth_infos
        .iter()
        .filter_map(|user| user.auth_info.as_ref())
    {
        let refused = [
            (user.exec.is_some(), KubeconfigError::Plugin("exec")),
            (
                user.auth_provider.is_some(),
                KubeconfigError::Plugin("auth-provider"),
            ),
            (user.token_file.is_some(), KubeconfigError::File("tokenFile")),
            (
                user.client_certificate.is_some(),
                KubeconfigError::File("client-certificate"),
            ),
            (user.client_key.is_some(), KubeconfigError::File("client-key")),
        ];
        if let Some((_, error)) = refused.into_iter().find(|(found, _)| *found) {
            return Err(error);
        }
    }
    let clusters = || {
        config
            .clusters
            .iter()
            .filter_map(|cluster| cluster.cluster.as_ref())
    };
    if clusters().any(|cluster| cluster.certificate_authority.is_some()) {
        return Err(KubeconfigError::File("certificate-authority"));
    }
    let context = config
        .current_context
        .as_ref()
        .and_then(|name| config.contexts.iter().find(|context| context.name == *name))
        .and_then(|context| context.context.as_ref())
        .ok_or(KubeconfigError::NoContext)?;
    let server = config
        .clusters
        .iter()
        .find(|cluster| cluster.name == context.cluster)
        .and_then(|cluster| cluster.cluster.as_ref()?.server.as_deref());
    let user = context
        .user
        .as_ref()
        .is_some_and(|user| config.auth_infos.iter().any(|info| info.name == *user));
    match server {
        Some(server) if user => check_server(server),
        Some(_) | None => Err(KubeconfigError::NoContext),
    }
}

fn check_server(server: &str) -> Result<(), KubeconfigError> {
    let url = url::Url::parse(server).map_err(|_| KubeconfigError::Server)?;
    if matches!(url.scheme(), "https" | "http") && url.has_host() {
        Ok(())
    } else {
        Err(KubeconfigError::Server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r"
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: 'https://10.0.0.1:6443'}}]
users: [{name: u, user: {token: canary}}]
";

    #[tokio::test]
    async fn inline_data_is_accepted_and_the_server_can_be_replaced() {
        assert!(config(&GOOD.into(), None).await.is_ok());
        let other = config(&GOOD.into(), Some("https://example.test:1"))
            .await
            .unwrap();
        assert_eq!(other.cluster_url.to_string(), "https://example.test:1/");
        let text = with_server(&GOOD.into(), "https://example.test:1").unwrap();
        let again = with_server(&text, "https://example.test:1").unwrap();
        assert_eq!(text, again);
        let read = read(&text).unwrap();
        assert_eq!(
            read.clusters[0].cluster.as_ref().unwrap().server.as_deref(),
            Some("https://example.test:1")
        );
    }

    #[test]
    fn whatever_runs_or_reads_here_is_refused_without_showing_content() {
        for (from, to, part) in [
            ("token: canary", "exec: {command: canary, apiVersion: v1}", "exec"),
            ("token: canary", "auth-provider: {name: canary}", "auth-provider"),
            ("token: canary", "tokenFile: /canary", "tokenFile"),
            (
                "token: canary",
                "client-certificate: /canary",
                "client-certificate",
            ),
            ("token: canary", "client-key: /canary", "client-key"),
            (
                "cluster: {",
                "cluster: {certificate-authority: /canary, ",
                "certificate-authority",
            ),
            ("current-context: c", "current-context: canary", "context"),
            (
                "server: 'https://10.0.0.1:6443'",
                "server: 'file:///canary'",
                "server",
            ),
            ("users:", "canary: [", "YAML"),
            ("token: canary", "token: [canary]", "field"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            let error = read(&Secret::from(text.as_str())).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(part), "{part}: {shown}");
            assert!(!shown.contains("canary"), "{shown}");
        }
        assert!(read(&Secret::new(vec![0xff])).is_err());
        assert!(read(&Secret::new(vec![b' '; MAX_BYTES + 1])).is_err());
        assert!(read(&"".into()).is_err());
    }
}
