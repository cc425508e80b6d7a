//! Roles of the Kubernetes auth method: which service account gets which policies.

use std::collections::BTreeSet;

use nautes_model::secret::Principal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::names;
use super::policy::Policy;
use super::settings::VaultSettings;

/// How long a token of a role is valid, and for how long it can be renewed, in seconds.
const TTL: u64 = 1200;
const MAX_TTL: u64 = 4 * 3600;

/// The label that the namespaces of a product have.
const BELONGS_TO: &str = "resource.nautes.io/belongsto";

/// The namespace of the platform's own components, where the settings name no other.
const COMPONENTS: &str = "nautes";

/// One role as it shall be.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) mount: String,
    pub(super) name: String,
    pub(super) policies: BTreeSet<String>,
    accounts: Vec<String>,
    namespaces: Vec<String>,
    selector: String,
}

/// One role as it is.
#[derive(Debug, Deserialize)]
pub(super) struct Live {
    #[serde(default)]
    token_policies: Option<BTreeSet<String>>,
    #[serde(default)]
    bound_service_account_names: Option<Vec<String>>,
    #[serde(default)]
    bound_service_account_namespaces: Option<Vec<String>>,
    #[serde(default)]
    bound_service_account_namespace_selector: Option<String>,
    #[serde(default)]
    token_bound_cidrs: Option<Vec<Value>>,
    #[serde(default)]
    token_no_default_policy: bool,
    #[serde(default)]
    token_ttl: u64,
    #[serde(default)]
    token_max_ttl: u64,
    #[serde(default)]
    token_explicit_max_ttl: u64,
    #[serde(default)]
    token_num_uses: u64,
    #[serde(default)]
    token_period: u64,
    #[serde(default)]
    audience: Option<String>,
}

impl Live {
    /// Whether this installation made the role.
    pub(super) fn is_ours(&self, settings: &VaultSettings) -> bool {
        self.policies().contains(&Policy::mark(settings).name)
    }

    /// Returns the service accounts that may log in.
    pub(super) fn accounts(&self) -> &[String] {
        self.bound_service_account_names.as_deref().unwrap_or_default()
    }

    /// Returns the policies that a login gets.
    pub(super) fn policies(&self) -> BTreeSet<String> {
        self.token_policies.clone().unwrap_or_default()
    }
}

impl Role {
    /// Returns the role of a principal that has these policies, and the mark of the installation.
    pub(super) fn of(
        settings: &VaultSettings,
        principal: &Principal,
        mut policies: BTreeSet<String>,
    ) -> Self {
        policies.insert(Policy::mark(settings).name);
        let mut role = Self {
            mount: settings.mount(names::mount(principal, &settings.tenant_mount)),
            name: names::role(principal),
            policies,
            accounts: Vec::new(),
            namespaces: Vec::new(),
            selector: String::new(),
        };
        match principal {
            Principal::Account { product, account, .. } => {
                role.accounts.push(account.to_string());
                // Namespaces of a product come and go; only the platform gives them this label.
                role.selector = json!({"matchLabels": {BELONGS_TO: product.namespace()}}).to_string();
            }
            Principal::Component { component, .. } | Principal::Platform { component } => {
                match settings.components.get(component) {
                    Some(home) => {
                        role.accounts.push(home.account.clone());
                        role.namespaces.push(home.namespace.clone());
                    }
                    None => {
                        role.accounts.push(component.clone());
                        role.namespaces.push(COMPONENTS.to_owned());
                    }
                }
            }
        }
        role
    }

    /// Returns the path of the role.
    pub(super) fn path(&self) -> String {
        format!("auth/{}/role/{}", self.mount, self.name)
    }

    /// Returns the whole role as the server takes it: what is not named here would stay as it is there.
    pub(super) fn body(&self) -> Value {
        json!({
            "bound_service_account_names": self.accounts,
            "bound_service_account_namespaces": self.namespaces,
            "bound_service_account_namespace_selector": self.selector,
            "token_policies": self.policies,
            "token_ttl": TTL,
            "token_max_ttl": MAX_TTL,
            "token_explicit_max_ttl": 0,
            "token_num_uses": 0,
            "token_period": 0,
            "token_bound_cidrs": [],
            "token_no_default_policy": false,
            "token_type": "default",
            "audience": "",
        })
    }

    /// Whether a role is exactly as it shall be.
    pub(super) fn is(&self, live: &Live) -> bool {
        let Live {
            token_policies,
            bound_service_account_names,
            bound_service_account_namespaces,
            bound_service_account_namespace_selector,
            token_bound_cidrs,
            token_no_default_policy,
            token_ttl,
            token_max_ttl,
            token_explicit_max_ttl,
            token_num_uses,
            token_period,
            audience,
        } = live;
        let same =
            |list: &Option<Vec<String>>, wanted: &[String]| list.as_deref().unwrap_or_default() == wanted;
        token_policies.as_ref() == Some(&self.policies)
            && same(bound_service_account_names, &self.accounts)
            && same(bound_service_account_namespaces, &self.namespaces)
            && bound_service_account_namespace_selector
                .as_deref()
                .unwrap_or_default()
                == self.selector
            && token_bound_cidrs.as_ref().is_none_or(Vec::is_empty)
            && !token_no_default_policy
            && (*token_ttl, *token_max_ttl) == (TTL, MAX_TTL)
            && (*token_explicit_max_ttl, *token_num_uses, *token_period) == (0, 0, 0)
            && audience.as_deref().unwrap_or_default().is_empty()
    }
}
