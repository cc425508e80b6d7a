//! Deploying and bringing secrets without any component in the cluster (component `direct`).
//!
//! # Contract
//! * Deployment: the engine renders a [`DeployUnit`] and nothing else. A controller of ours reads the plain
//!   manifests of the folder at the revision and applies them as the account of the runtime.
//! * Secrets: the engine renders one Secret for each mount. Its values are placeholders that are filled from
//!   the secret store at the last moment; the account may read what it is given.

use serde_json::json;

use nautes_model::secret::{Grant, GrantLevel, Principal};

use super::{DeploymentEngine, On, Rendered, SecretSyncEngine, Unsupported, Wave, label};
use crate::intent::{Application, SecretMount};
use crate::plan::{DeployUnit, Planned, SecretMaterial};

/// The engine `direct` of the slot `deployment`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectDeployment;

impl DeploymentEngine for DirectDeployment {
    fn name(&self) -> &'static str {
        "direct"
    }

    fn render(&self, _on: On<'_>, application: &Application) -> Result<Rendered, Unsupported> {
        let Some(code_repo) = &application.code_repo else {
            return Err(Unsupported {
                engine: "direct",
                message: format!(
                    "{} is a URL; declare a CodeRepo for the repository and name it instead",
                    application.url
                ),
            });
        };
        let unit = DeployUnit {
            runtime: application.runtime.clone(),
            product: application.product.clone(),
            code_repo: code_repo.clone(),
            target_revision: application.target_revision.clone(),
            path: application.path.clone(),
            namespaces: application.namespaces.iter().map(ToString::to_string).collect(),
            account: application.account.to_string(),
            cluster_kinds: application.cluster_kinds.clone(),
        };
        Ok(Rendered {
            deploys: vec![unit],
            ..Rendered::default()
        })
    }
}

/// The engine `direct` of the slot `secretSync`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectSecrets;

impl SecretSyncEngine for DirectSecrets {
    fn name(&self) -> &'static str {
        "direct"
    }

    fn render(&self, on: On<'_>, mount: &SecretMount) -> Result<Rendered, Unsupported> {
        let mut object = label::frame(
            "v1",
            "Secret",
            Some(mount.namespace.as_str()),
            &mount.name,
            &mount.product,
            &mount.owners,
        );
        object["type"] = json!("Opaque");
        let mut rendered = Rendered::default();
        let mut planned = Planned::plain(object, &mount.owners);
        for (key, reference) in &mount.items {
            let pointer = format!("/data/{}", key.replace('~', "~0").replace('/', "~1"));
            let material = SecretMaterial {
                reference: reference.clone(),
                digest: None,
            };
            planned.secrets.insert(pointer, material);
            rendered.grants.insert(Grant {
                principal: Principal::Account {
                    cluster: on.cluster.clone(),
                    product: mount.product.clone(),
                    account: mount.account.clone(),
                },
                secret: reference.path.clone(),
                level: GrantLevel::Read,
            });
        }
        rendered.add(Wave::Secrets, planned);
        Ok(rendered)
    }
}
