//! Reading cases.

use std::collections::BTreeMap;

use nautes_model::manifest::{self, Context, Form};
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::scope::Broken;
use nautes_model::{Identity, Kind, Known, Scopes, Sourced};
use nautes_runtime::plan::{Claims, ForgeEvent, Inputs};

/// The commit of events in cases.
const COMMIT: &str = "1111111111111111111111111111111111111111";
const BEFORE: &str = "0000000000000000000000000000000000000000";

/// What a file of a case says.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) scopes: Scopes,
    pub(crate) inputs: Inputs,
    pub(crate) products: Vec<ProductName>,
    pub(crate) events: Vec<ForgeEvent>,
    pub(crate) objects: bool,
}

/// Reads manifests that must be right.
pub(crate) fn parse(text: &str) -> Vec<Sourced> {
    let parsed = manifest::parse(text, &Context::new("case.yaml", Form::Request));
    assert_eq!(parsed.findings, []);
    parsed.resources
}

pub(crate) fn scopes(resources: impl IntoIterator<Item = Sourced>) -> Scopes {
    let mut scopes = Scopes::default();
    for resource in resources {
        scopes.insert(resource);
    }
    scopes
}

pub(crate) fn identity(text: &str) -> Identity {
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        [kind, name] => Identity::tenant(Kind::from_name(kind).unwrap(), ResourceName::new(name).unwrap()),
        [kind, product, name] => Identity::product(
            Kind::from_name(kind).unwrap(),
            product.parse().unwrap(),
            ResourceName::new(name).unwrap(),
        ),
        _ => unreachable!("{text}"),
    }
}

impl Case {
    pub(crate) fn read(text: &str) -> Self {
        let scopes = scopes(parse(text));
        let mut case = Self {
            products: scopes
                .tenant
                .products()
                .map(|(s, _)| s.identity.name.as_str().parse().unwrap())
                .collect(),
            scopes,
            inputs: Inputs::offline(),
            events: Vec::new(),
            objects: false,
        };
        let mut claims: BTreeMap<String, BTreeMap<String, Option<String>>> = BTreeMap::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("#! ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["objects"] => case.objects = true,
                ["holds", cluster, namespace, label] => {
                    let label = (*label != "-").then(|| (*label).to_owned());
                    claims
                        .entry((*cluster).to_owned())
                        .or_default()
                        .insert((*namespace).to_owned(), label);
                }
                ["unknown", cluster] => {
                    let why = Known::Unknown("it does not answer".to_owned());
                    case.inputs.claims.insert(cluster.parse().unwrap(), why);
                }
                ["digest", secret, value] => {
                    let (path, key) = secret.split_once('#').unwrap();
                    let reference = nautes_model::secret::SecretRef {
                        path: path.parse().unwrap(),
                        key: key.to_owned(),
                    };
                    let digest = match *value {
                        "absent" => Known::Absent,
                        digest => Known::Known(digest.to_owned()),
                    };
                    case.inputs.digests.insert(reference, digest);
                }
                ["broken", file, used @ ..] => case.break_file(file, used),
                ["unread", product] => {
                    case.scopes.products.remove(*product).unwrap();
                }
                ["event", repo, kind, ref_] => case.events.push(ForgeEvent {
                    repo: identity(&format!("CodeRepo/{repo}")),
                    kind: (*kind).to_owned(),
                    ref_: (*ref_).to_owned(),
                    target: None,
                    before: BEFORE.to_owned(),
                    after: COMMIT.to_owned(),
                }),
                other => unreachable!("{other:?}"),
            }
        }
        for (cluster, namespaces) in claims {
            let registered = &case.products;
            let namespaces = namespaces
                .into_iter()
                .map(|(name, label)| (name, Claims::holder(label.as_deref(), registered.iter())))
                .collect();
            case.inputs
                .claims
                .insert(cluster.parse().unwrap(), Known::Known(Claims { namespaces }));
        }
        case
    }

    fn break_file(&mut self, file: &str, used: &[&str]) {
        let identities: Vec<Identity> = used.iter().map(|text| identity(text)).collect();
        let broken = Broken {
            path: file.to_owned(),
            identities: identities.clone(),
            problems: vec!["line 3: not YAML".to_owned()],
        };
        for identity in &identities {
            self.scopes.remove(identity);
        }
        match identities.first().and_then(|i| i.product.clone()) {
            Some(product) => self
                .scopes
                .products
                .get_mut(&product)
                .unwrap()
                .broken
                .push(broken),
            None => self.scopes.tenant.broken.push(broken),
        }
    }
}
