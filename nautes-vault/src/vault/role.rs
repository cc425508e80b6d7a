//! Roles: which service account gets which policies. A role is of the Kubernetes auth method, or of the JWT method where the
//! settings say so of its cluster.

use std::collections::{BTreeMap, BTreeSet};

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

/// An auth method by which service accounts log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Method {
    /// The server asks the cluster whose a token is.
    Kubernetes,
    /// The server looks at the signature of a token, and at what it says.
    Jwt,
}

impl Method {
    /// Returns the method of a mount, named without the prefix of the installation.
    pub(super) fn of(settings: &VaultSettings, mount: &str) -> Self {
        if settings.jwt_clusters.contains_key(mount) {
            Self::Jwt
        } else {
            Self::Kubernetes
        }
    }

    /// Returns its name at the server.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Jwt => "jwt",
        }
    }

    /// Reads the name of the server; `None` for a method that is none for clusters.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Kubernetes, Self::Jwt]
            .into_iter()
            .find(|method| method.name() == name)
    }
}

/// One role as it shall be.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) mount: String,
    pub(super) name: String,
    pub(super) policies: BTreeSet<String>,
    bound: Bound,
}

/// Who may log in.
#[derive(Clone, Debug)]
enum Bound {
    Kubernetes {
        accounts: Vec<String>,
        namespaces: Vec<String>,
        selector: String,
    },
    Jwt {
        audiences: BTreeSet<String>,
        /// Names as tokens have them: `system:serviceaccount:<namespace>:<account>`.
        subjects: BTreeSet<String>,
    },
}

/// One role as it is, of any method.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Live {
    token_policies: Option<BTreeSet<String>>,
    bound_service_account_names: Option<Vec<String>>,
    bound_service_account_namespaces: Option<Vec<String>>,
    bound_service_account_namespace_selector: Option<String>,
    audience: Option<String>,
    role_type: Option<String>,
    user_claim: Option<String>,
    bound_audiences: Option<BTreeSet<String>>,
    bound_subject: Option<String>,
    bound_claims_type: Option<String>,
    bound_claims: Option<BTreeMap<String, Value>>,
    groups_claim: Option<String>,
    token_bound_cidrs: Option<Vec<Value>>,
    token_no_default_policy: bool,
    token_ttl: u64,
    token_max_ttl: u64,
    token_explicit_max_ttl: u64,
    token_num_uses: u64,
    token_period: u64,
}

impl Live {
    /// Whether this installation made the role.
    pub(super) fn is_ours(&self, settings: &VaultSettings) -> bool {
        self.policies().contains(&Policy::mark(settings).name)
    }

    /// Returns the service accounts that may log in by the Kubernetes method.
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
        let mount = names::mount(principal, &settings.tenant_mount);
        let bound = match settings.jwt_clusters.get(mount) {
            Some(audiences) => Bound::Jwt {
                audiences: audiences.clone(),
                subjects: subjects(settings, principal),
            },
            None => reviewed(settings, principal),
        };
        Self {
            mount: settings.mount(mount),
            name: names::role(principal),
            policies,
            bound,
        }
    }

    /// Returns the method that its mount has to be of.
    pub(super) const fn method(&self) -> Method {
        match self.bound {
            Bound::Kubernetes { .. } => Method::Kubernetes,
            Bound::Jwt { .. } => Method::Jwt,
        }
    }

    /// Returns the path of the role.
    pub(super) fn path(&self) -> String {
        format!("auth/{}/role/{}", self.mount, self.name)
    }

    /// Returns the whole role as the server takes it: what is not named here would stay as it is there.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "token_policies": self.policies,
            "token_ttl": TTL,
            "token_max_ttl": MAX_TTL,
            "token_explicit_max_ttl": 0,
            "token_num_uses": 0,
            "token_period": 0,
            "token_bound_cidrs": [],
            "token_no_default_policy": false,
            "token_type": "default",
        });
        let bound = match &self.bound {
            Bound::Kubernetes {
                accounts,
                namespaces,
                selector,
            } => json!({
                "bound_service_account_names": accounts,
                "bound_service_account_namespaces": namespaces,
                "bound_service_account_namespace_selector": selector,
                "audience": "",
            }),
            Bound::Jwt { audiences, subjects } => json!({
                "role_type": "jwt",
                "user_claim": "sub",
                "groups_claim": "",
                "bound_audiences": audiences,
                "bound_subject": "",
                "bound_claims_type": "string",
                "bound_claims": { "sub": subjects },
            }),
        };
        if let (Value::Object(body), Value::Object(bound)) = (&mut body, bound) {
            body.extend(bound);
        }
        body
    }

    /// Whether a role is exactly as it shall be.
    pub(super) fn is(&self, live: &Live) -> bool {
        live.token_policies.as_ref() == Some(&self.policies)
            && live.token_bound_cidrs.as_ref().is_none_or(Vec::is_empty)
            && !live.token_no_default_policy
            && (live.token_ttl, live.token_max_ttl) == (TTL, MAX_TTL)
            && (
                live.token_explicit_max_ttl,
                live.token_num_uses,
                live.token_period,
            ) == (0, 0, 0)
            && self.binds(live)
    }

    /// Whether the same may log in.
    fn binds(&self, live: &Live) -> bool {
        let empty = |text: &Option<String>| text.as_deref().unwrap_or_default().is_empty();
        match &self.bound {
            Bound::Kubernetes {
                accounts,
                namespaces,
                selector,
            } => {
                let same = |list: &Option<Vec<String>>, wanted: &[String]| {
                    list.as_deref().unwrap_or_default() == wanted
                };
                let live_selector = live.bound_service_account_namespace_selector.as_deref();
                same(&live.bound_service_account_names, accounts)
                    && same(&live.bound_service_account_namespaces, namespaces)
                    && live_selector.unwrap_or_default() == selector
                    && empty(&live.audience)
            }
            Bound::Jwt { audiences, subjects } => {
                let wanted = BTreeMap::from([("sub".to_owned(), claim(subjects))]);
                let live_claims = live.bound_claims.as_ref().map(|claims| {
                    let sorted = claims.iter().map(|(name, value)| (name.clone(), sorted(value)));
                    sorted.collect::<BTreeMap<_, _>>()
                });
                live.role_type.as_deref() == Some("jwt")
                    && live.user_claim.as_deref() == Some("sub")
                    && live.bound_audiences.as_ref() == Some(audiences)
                    && live.bound_claims_type.as_deref() == Some("string")
                    && live_claims.as_ref() == Some(&wanted)
                    && empty(&live.bound_subject)
                    && empty(&live.groups_claim)
            }
        }
    }
}

/// Returns who may log in by the Kubernetes method.
fn reviewed(settings: &VaultSettings, principal: &Principal) -> Bound {
    match principal {
        Principal::Account { product, account, .. } => Bound::Kubernetes {
            accounts: vec![account.to_string()],
            namespaces: Vec::new(),
            // Namespaces of a product come and go; only the platform gives them this label.
            selector: json!({"matchLabels": {BELONGS_TO: product.namespace()}}).to_string(),
        },
        Principal::Component { component, .. } | Principal::Platform { component } => {
            let (namespace, account) = home(settings, component);
            Bound::Kubernetes {
                accounts: vec![account.to_owned()],
                namespaces: vec![namespace.to_owned()],
                selector: String::new(),
            }
        }
    }
}

/// Returns who may log in by the JWT method. A token tells its namespace and not whose that is: only those that are known to
/// be the product's are let in.
fn subjects(settings: &VaultSettings, principal: &Principal) -> BTreeSet<String> {
    let subject = |namespace: &str, account: &str| format!("system:serviceaccount:{namespace}:{account}");
    match principal {
        Principal::Account {
            cluster,
            product,
            account,
        } => {
            let own = product.namespace();
            let told = settings
                .jwt_namespaces
                .get(&(cluster.to_string(), product.clone()));
            let all = told
                .into_iter()
                .flatten()
                .map(String::as_str)
                .chain([own.as_ref()]);
            all.map(|namespace| subject(namespace, account.as_str()))
                .collect()
        }
        Principal::Component { component, .. } | Principal::Platform { component } => {
            let (namespace, account) = home(settings, component);
            BTreeSet::from([subject(namespace, account)])
        }
    }
}

/// Returns namespace and account of a component of the platform.
fn home<'a>(settings: &'a VaultSettings, component: &'a str) -> (&'a str, &'a str) {
    match settings.components.get(component) {
        Some(home) => (&home.namespace, &home.account),
        None => (COMPONENTS, component),
    }
}

fn claim(subjects: &BTreeSet<String>) -> Value {
    subjects
        .iter()
        .cloned()
        .map(Value::from)
        .collect::<Vec<Value>>()
        .into()
}

/// Lists of claims have no order, and a list of one may be told as the one.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(values) => {
            let mut texts: Vec<String> = values
                .iter()
                .map(|v| v.as_str().unwrap_or_default().to_owned())
                .collect();
            texts.sort_unstable();
            texts.into()
        }
        other => vec![other.clone()].into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::settings::{Home, Login};

    fn settings() -> VaultSettings {
        let mut settings = VaultSettings::new("https://vault".parse().unwrap(), Login::Token("t".into()));
        let audiences = BTreeSet::from(["vault".to_owned()]);
        settings.jwt_clusters = BTreeMap::from([("edge".to_owned(), audiences)]);
        let namespaces = BTreeSet::from(["shop-web".to_owned()]);
        settings.jwt_namespaces =
            BTreeMap::from([(("edge".to_owned(), "shop".parse().unwrap()), namespaces)]);
        settings.components = BTreeMap::from([(
            "sync".to_owned(),
            Home {
                namespace: "external".to_owned(),
                account: "secrets".to_owned(),
            },
        )]);
        settings
    }

    fn account(cluster: &str, product: &str) -> Principal {
        Principal::Account {
            cluster: cluster.parse().unwrap(),
            product: product.parse().unwrap(),
            account: "ci".parse().unwrap(),
        }
    }

    fn subjects_of(principal: &Principal) -> Vec<String> {
        let body = Role::of(&settings(), principal, BTreeSet::new()).body();
        let claims = body["bound_claims"]["sub"].as_array().unwrap();
        claims
            .iter()
            .map(|claim| claim.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_signed_token_is_bound_to_the_namespaces_that_are_known_to_be_the_products() {
        let shop = subjects_of(&account("edge", "shop"));
        assert_eq!(
            shop,
            [
                "system:serviceaccount:product-shop:ci",
                "system:serviceaccount:shop-web:ci"
            ]
        );
        assert_eq!(
            subjects_of(&account("edge", "bank")),
            ["system:serviceaccount:product-bank:ci"]
        );
        let component = Principal::Component {
            cluster: "edge".parse().unwrap(),
            component: "sync".to_owned(),
        };
        assert_eq!(
            subjects_of(&component),
            ["system:serviceaccount:external:secrets"]
        );
        let other = Role::of(&settings(), &account("live", "shop"), BTreeSet::new());
        assert_eq!(other.method(), Method::Kubernetes);
        assert!(other.body().get("bound_claims").is_none());
    }

    #[test]
    fn whatever_lets_in_more_is_another_role() {
        let role = Role::of(&settings(), &account("edge", "shop"), BTreeSet::new());
        let live = |change: &dyn Fn(&mut Value)| {
            let mut body = role.body();
            change(&mut body);
            serde_json::from_value::<Live>(body).unwrap()
        };
        assert!(role.is(&live(&|_| {})));
        let reordered = |body: &mut Value| {
            let list = body["bound_claims"]["sub"].as_array_mut().unwrap();
            list.reverse();
        };
        assert!(role.is(&live(&reordered)));
        for change in [
            (&|body: &mut Value| body["bound_claims"]["sub"] = "*".into()) as &dyn Fn(&mut Value),
            &|body| body["bound_claims_type"] = "glob".into(),
            &|body| body["bound_audiences"] = json!(["vault", "other"]),
            &|body| body["bound_claims"] = Value::Null,
            &|body| body["role_type"] = "oidc".into(),
            &|body| body["user_claim"] = "iss".into(),
            &|body| body["token_ttl"] = 1.into(),
        ] {
            assert!(!role.is(&live(change)));
        }
    }
}
