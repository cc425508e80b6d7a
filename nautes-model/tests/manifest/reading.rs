//! Positions, secrets, limits, and what a file already says.

use nautes_model::Kind;
use nautes_model::manifest::{self, Context, Form, Limits, Parsed, locate, rule};
use nautes_model::name::ProductName;

const HEADER: &str = "apiVersion: nautes.resource.nautes.io/v1alpha1\n";

fn request(text: &str) -> Parsed {
    manifest::parse(text, &Context::new("f", Form::Request))
}

fn place(parsed: &Parsed, field: &str) -> (usize, usize) {
    let position = locate(&parsed.resources[0].source, field).unwrap();
    (position.line, position.column)
}

#[test]
fn fields_are_located_where_they_were_written() {
    let parsed = request(&format!(
        "# comment\n---\n{HEADER}kind: CodeRepoBinding\nspec:\n  productName: demo\n  name: b\n  coderepo: r\n  product: p\n  projects:\n  - one\n  - two\n  permissions: readonly\n"
    ));
    assert_eq!(parsed.findings, []);
    assert_eq!(place(&parsed, "metadata.name"), (7, 3));
    assert_eq!(place(&parsed, "spec.codeRepo"), (8, 3));
    assert_eq!(place(&parsed, "spec.product"), (9, 3));
    assert_eq!(place(&parsed, "spec.projects[1]"), (12, 5));
    assert_eq!(place(&parsed, "spec.projects[7]"), (10, 3));
    assert_eq!(place(&parsed, "spec.nothing.here"), (5, 1));
    assert_eq!(place(&parsed, "nothing"), (3, 1));
}

#[test]
fn keys_with_dots_and_brackets_are_located() {
    let parsed = request(&format!(
        "{HEADER}kind: Cluster\nmetadata:\n  name: c\n  labels:\n    a.b/c: d\nspec:\n  apiServer: https://a.b\n  clusterType: physical\n  usage: host\n  reservedNamespacesAllowedProducts:\n    a.b:\n    - x\n    a: [y]\n"
    ));
    assert_eq!(parsed.findings, []);
    assert_eq!(place(&parsed, "metadata.labels.a.b/c"), (6, 5));
    assert_eq!(
        place(&parsed, "spec.reservedNamespacesAllowedProducts.a.b[0]"),
        (13, 7)
    );
    assert_eq!(
        place(&parsed, "spec.reservedNamespacesAllowedProducts.a[0]"),
        (14, 9)
    );
}

#[test]
fn fields_of_list_items_are_located() {
    let parsed = request(&format!(
        "kind: List\nitems:\n- {{}}\n- {}  kind: Project\n  spec:\n    name: p\n    product: demo\n    language: go\n",
        HEADER
    ));
    assert_eq!(parsed.resources.len(), 1);
    assert_eq!(place(&parsed, "spec.language"), (9, 5));
    assert_eq!(place(&parsed, "metadata.name"), (7, 5));
}

#[test]
fn what_was_not_read_from_a_text_has_no_place() {
    let json = serde_json::json!({
        "apiVersion": "nautes.resource.nautes.io/v1alpha1", "kind": "Project",
        "spec": { "name": "p", "product": "demo", "languag": "go" },
    });
    let parsed = manifest::parse_json(json, &Context::new("body", Form::Request));
    assert_eq!(
        parsed.findings[0].to_string(),
        "body: error[ManifestFieldUnknown] Project/demo/p spec.languag: there is no such field\n  hint: did you mean language?"
    );
    assert_eq!(locate(&nautes_model::resource::Source::none(), "spec"), None);
}

fn cluster(kubeconfig: &str) -> String {
    format!(
        "{HEADER}kind: Cluster\nspec:\n  name: c\n  apiServer: https://a.b\n  clusterType: physical\n  usage: host\n  kubeconfig: {kubeconfig}\n"
    )
}

#[test]
fn a_kubeconfig_is_taken_into_custody() {
    let plain = "apiVersion: v1\nusers: [{token: canary}]\n";
    let encoded = "YXBpVmVyc2lvbjogdjEKdXNlcnM6IFt7dG9rZW46IGNhbmFyeX1dCg==";
    for written in [
        "|\n    apiVersion: v1\n    users: [{token: canary}]".to_owned(),
        encoded.to_owned(),
        format!("|\n    {}\n    {}", &encoded[..20], &encoded[20..]),
    ] {
        let parsed = request(&cluster(&written));
        assert_eq!(parsed.findings, [], "{written}");
        let resource = &parsed.resources[0];
        assert_eq!(resource.secrets.len(), 1);
        assert_eq!(resource.secrets[0].0, "spec.kubeconfig");
        assert_eq!(resource.secrets[0].1.expose_str(), Ok(plain));
        assert!(!format!("{parsed:?}").contains("canary"));
        assert!(!manifest::render(&resource.resource).unwrap().contains("canary"));
    }
    assert_eq!(request(&cluster("\"\"")).resources[0].secrets, []);
}

#[test]
fn no_finding_quotes_a_kubeconfig() {
    let broken = [
        cluster("canary"),
        cluster("[canary]"),
        cluster("{users: canary}"),
        cluster("!!python/canary canary"),
        cluster("&a canary\n  kubeconfig: *a"),
        cluster("\"canary"),
        cluster("|\n   a: canary\n  b: canary\n token: canary"),
        cluster("|\napiVersion: canary\nusers:\n- token: canary"),
        cluster("\n    canary: x\n")
            .replace("kubeconfig", "kubeConfig")
            .replace("canary: x", "x: canary"),
        cluster("|\n    a: canary").replace("usage: host", "usage: hots"),
        cluster("|\n    a: canary").replace("kubeconfig", "kubeConfig"),
    ];
    for text in broken {
        for form in [Form::Git, Form::Request] {
            let parsed = manifest::parse(&text, &Context::new("f", form));
            assert!(!parsed.findings.is_empty(), "{text}");
            assert_eq!(parsed.resources, [], "{text}");
            let said = format!("{parsed:?}");
            // A wrong apiVersion is quoted: it stands at the top of the document, not in a kubeconfig.
            assert!(
                !said.contains("canary") || text.contains("\napiVersion: canary"),
                "{said}"
            );
        }
    }
}

#[test]
fn line_ends_of_other_systems_are_read() {
    let text = format!(
        "{HEADER}kind: Project\nmetadata:\n  name: a\nspec:\n  product: demo\n  langauge: go\n---\n{HEADER}kind: Project\nmetadata:\n  name: b\nspec:\n  product: demo\n"
    );
    let parsed = request(&text.replace('\n', "\r\n"));
    assert_eq!(parsed.resources[0].identity.name, *"b");
    assert_eq!(parsed.findings, request(&text).findings);
    assert_eq!(
        parsed.findings[0].position.map(|p| (p.line, p.column)),
        Some((7, 3))
    );
}

#[test]
fn limits_are_kept() {
    let limits = Limits {
        bytes: 2000,
        documents: 3,
        depth: 5,
        nodes: 100,
        findings: 4,
    };
    let context = Context {
        limits,
        ..Context::new("f", Form::Request)
    };
    let one = format!("---\n{HEADER}kind: Product\nspec: {{name: x}}\n");
    for (text, message) in [
        ("#".repeat(2001), "the text has 2001 bytes, 2000 are allowed"),
        (one.repeat(4), "the text has more than 3 documents"),
        (
            format!("kind: List\nitems: [{}]", "1,".repeat(4)),
            "the text has more than 3 documents",
        ),
        (
            "a: ".to_owned() + &"[".repeat(9),
            "values are nested deeper than 5",
        ),
        (
            format!("[{}]", "1,".repeat(100)),
            "the document holds more than 100 values",
        ),
        (
            format!("{HEADER}kind: Product\nspec: {{{}}}", "a: 1, b: 1,".repeat(20)),
            "37 more findings are not shown",
        ),
    ] {
        let parsed = manifest::parse_bytes(text.as_bytes(), &context);
        let found = parsed.findings.iter().find(|f| f.rule == rule::LIMIT).unwrap();
        assert_eq!(found.message, message);
        assert_eq!(parsed.resources, []);
    }
}

#[test]
fn a_large_text_is_refused_unread() {
    // Not UTF-8 either, which nobody gets to see.
    let parsed = manifest::parse_bytes(&vec![0xff; 100 << 20], &Context::new("f", Form::Request));
    assert_eq!(parsed.findings.len(), 1);
    assert_eq!(parsed.findings[0].rule, rule::LIMIT);
}

#[test]
fn ten_thousand_documents_are_read() {
    let text: String = (0..10_000)
        .map(|i| format!("---\n{HEADER}kind: Project\nspec: {{name: p-{i}, product: demo}}\n"))
        .collect();
    let parsed = request(&text);
    assert_eq!((parsed.resources.len(), parsed.findings.len()), (10_000, 0));
    assert_eq!(parsed.resources[9_999].source.line, 39_998);
}

#[test]
fn a_file_that_says_the_same_is_recognised() {
    let product: ProductName = "demo".parse().unwrap();
    let context = Context::new("f", Form::Git).product(Some(&product));
    let text = format!(
        "# why\n{HEADER}kind: Project\nspec:\n  language: \"go\"   # because\nmetadata: {{name: p, namespace: product-demo}}\n"
    );
    let resource = manifest::parse(&text, &context).resources.remove(0).resource;
    assert_eq!(resource.kind(), Kind::Project);
    assert!(manifest::same_meaning(&text, &resource, &context));
    assert!(manifest::same_meaning(
        &manifest::render(&resource).unwrap(),
        &resource,
        &context
    ));
    for other in [
        text.replace("\"go\"", "rust"),
        text.replace("{name: p", "{name: q"),
        text.replace("{name: p", "{labels: {a: b}, name: p"),
        format!("{text}---\n{}", text.replace("{name: p", "{name: q")),
        format!("{text}---\n{text}"),
        format!("{text}x: y\n"),
        String::new(),
    ] {
        assert!(!manifest::same_meaning(&other, &resource, &context), "{other}");
    }
}

#[test]
fn the_canonical_form_is_this() {
    let parsed = request(&format!(
        "{HEADER}kind: DeploymentRuntime\nmetadata: {{annotations: {{z: 'yes'}}, labels: {{b: '1', a: x}}}}\nspec:\n  name: d\n  product: demo\n  destination: {{namespaces: [test-1], environment: test}}\n  manifestsource: {{codeRepo: r, path: '', targetRevision: '1.0'}}\n"
    ));
    assert_eq!(parsed.findings, []);
    assert_eq!(
        manifest::render(&parsed.resources[0].resource).unwrap(),
        r#"apiVersion: nautes.resource.nautes.io/v1alpha1
kind: DeploymentRuntime
metadata:
  name: d
  labels:
    a: x
    b: "1"
  annotations:
    z: "yes"
spec:
  destination:
    environment: test
    namespaces:
    - test-1
  manifestSource:
    codeRepo: r
    path: ""
    targetRevision: "1.0"
  product: demo
"#
    );
}

/// A cluster with as many entries in each list and mapping as is said.
fn crowded(products: usize, namespaces: usize, additions: usize) -> String {
    let list = |n: usize, text: &dyn Fn(usize) -> String| (0..n).map(text).collect::<Vec<_>>().join(", ");
    let products = list(products, &|i| format!("p{i}"));
    let namespaces = list(namespaces, &|i| format!("n{i}: [{products}]"));
    let additions = list(additions, &|i| format!("a{i}: x"));
    format!(
        "{HEADER}kind: Cluster\nmetadata:\n  name: c\nspec:\n  apiServer: https://a.b\n  clusterType: physical\n  usage: host\n  componentsList:\n    gateway: {{name: a, namespace: n0, additions: {{{additions}}}}}\n  reservedNamespacesAllowedProducts: {{{namespaces}}}\n"
    )
}

#[test]
fn lists_and_mappings_have_their_bounds() {
    assert_eq!(request(&crowded(1000, 1, 100)).findings, []);
    assert_eq!(request(&crowded(1, 100, 1)).findings, []);
    let said = |text: &str| -> Vec<String> {
        let findings = request(text).findings;
        assert!(
            findings
                .iter()
                .all(|f| f.rule == rule::FIELD_VALUE && f.position.is_some())
        );
        findings
            .into_iter()
            .map(|f| format!("{}: {}", f.field.unwrap(), f.message))
            .collect()
    };
    assert_eq!(
        said(&crowded(1001, 1, 101)),
        [
            "spec.componentsList.gateway.additions: the mapping has 101 entries, 100 are allowed",
            "spec.reservedNamespacesAllowedProducts.n0: the list has 1001 items, 1000 are allowed",
        ]
    );
    assert_eq!(
        said(&crowded(1, 101, 0)),
        ["spec.reservedNamespacesAllowedProducts: the mapping has 101 entries, 100 are allowed"]
    );
}

#[test]
fn what_stands_twice_is_found_in_long_lists_too() {
    let text = crowded(100, 1, 0)
        .replace("p77,", "p7,")
        .replace("p99]", "p99, p99]");
    let fields: Vec<String> = request(&text)
        .findings
        .into_iter()
        .filter_map(|f| f.field)
        .collect();
    let list = "spec.reservedNamespacesAllowedProducts.n0";
    assert_eq!(fields, [format!("{list}[77]"), format!("{list}[100]")]);
}

#[test]
fn faults_of_json_have_the_same_fields_as_those_of_yaml() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/manifest/bounds.yaml")).unwrap();
    let product: ProductName = "demo".parse().unwrap();
    let context = Context::new("f", Form::Git).product(Some(&product));
    for document in text.split("---\n") {
        let mut of_yaml = manifest::parse(document, &context).findings;
        let json =
            nautes_model::yaml::documents(document, &nautes_model::yaml::DocumentLimits::default()).unwrap();
        let of_text = manifest::parse(&serde_json::to_string_pretty(&json[0]).unwrap(), &context).findings;
        let mut of_json = manifest::parse_json(json[0].clone(), &context).findings;
        assert!(!of_yaml.is_empty() && of_yaml.len() == of_text.len());
        assert!(of_yaml.iter().chain(&of_text).all(|f| f.position.is_some()));
        for finding in of_yaml.iter_mut().chain(&mut of_json) {
            finding.position = None;
            for edit in finding.fix.iter_mut().flat_map(|fix| &mut fix.edits) {
                edit.line = None;
            }
        }
        of_yaml.sort();
        of_json.sort();
        assert_eq!(of_yaml, of_json);
    }
}
