//! What makes Kubernetes ask.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    RuleWithOperations, ValidatingWebhook, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nautes_model::kind::{GROUP, VERSION};

/// How long Kubernetes waits for a verdict, in seconds.
const TIMEOUT: i32 = 5;

/// Returns the configuration that makes the tenant cluster ask the webhook at `url`, such as
/// `https://nautes-controller.nautes.svc:8443/admission`. `ca` is the PEM of what signed its certificate; `None` trusts
/// what the API server trusts.
///
/// A webhook that does not answer stops nobody (`failurePolicy: Ignore`): what is written by hand is healed anyway.
#[must_use]
pub fn configuration(url: &str, ca: Option<&str>) -> ValidatingWebhookConfiguration {
    let words = |all: &[&str]| Some(all.iter().map(|word| (*word).to_owned()).collect());
    let webhook = ValidatingWebhook {
        name: format!("verdict.{GROUP}"),
        admission_review_versions: vec!["v1".to_owned()],
        client_config: WebhookClientConfig {
            url: Some(url.to_owned()),
            ca_bundle: ca.map(|pem| ByteString(pem.as_bytes().to_vec())),
            service: None,
        },
        failure_policy: Some("Ignore".to_owned()),
        match_policy: Some("Equivalent".to_owned()),
        rules: Some(vec![RuleWithOperations {
            api_groups: words(&[GROUP]),
            api_versions: words(&[VERSION]),
            operations: words(&["CREATE", "UPDATE", "DELETE"]),
            resources: words(&["*"]),
            scope: Some("Namespaced".to_owned()),
        }]),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(TIMEOUT),
        ..ValidatingWebhook::default()
    };
    ValidatingWebhookConfiguration {
        metadata: ObjectMeta {
            name: Some("nautes".to_owned()),
            ..ObjectMeta::default()
        },
        webhooks: Some(vec![webhook]),
    }
}
