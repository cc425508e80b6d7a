//! What holds for every input.

use nautes_model::manifest::{self, Context, Form, Parsed};
use nautes_model::name::ProductName;
use nautes_model::resource::Resource;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::strategies;

fn parse(text: &str, form: Form) -> Parsed {
    let product: ProductName = "demo".parse().unwrap();
    manifest::parse(text, &Context::new("f", form).product(Some(&product)))
}

/// Pieces of which manifests, good and bad, are made.
fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "---\n",
            "...\n",
            "apiVersion: nautes.resource.nautes.io/v1alpha1\n",
            "kind: Cluster\n",
            "kind: Environment\n",
            "kind: List\n",
            "items:\n",
            "- ",
            "  ",
            "metadata:\n",
            "spec:\n",
            "name: a\n",
            "  name: a\n",
            "  product: b\n",
            "  kubeconfig: |\n",
            "    a: b\n",
            "&a ",
            "*a",
            "<<: ",
            "!!str ",
            "? ",
            ": ",
            "{",
            "}",
            "[",
            "]",
            "'",
            "\"",
            "|\n",
            ">-\n",
            "#",
            "%YAML 1.2\n",
            "\r\n",
            "\t",
            "\u{feff}",
            "\r",
            "\u{85}",
            "\u{2028}",
            ",",
            "a",
            "null",
            "  cluster: 1\n",
            "\n",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_rendered_reads_back_the_same(resource in strategies::resource()) {
        let text = manifest::render(&resource).unwrap();
        prop_assert!(text.ends_with('\n'));
        for form in [Form::Git, Form::Request] {
            let parsed = parse(&text, form);
            prop_assert_eq!(&parsed.findings, &[], "{}", text);
            prop_assert_eq!(&parsed.resources[0].resource, &resource, "{}", text);
            prop_assert_eq!(manifest::render(&parsed.resources[0].resource).unwrap(), text.clone());
        }
    }

    #[test]
    fn json_reads_as_the_same_resource(resource in strategies::resource()) {
        let product: ProductName = "demo".parse().unwrap();
        let context = Context::new("body", Form::Request).product(Some(&product));
        let json = resource.to_json().unwrap();
        let parsed = parse(&json.to_string(), Form::Request);
        prop_assert_eq!(&parsed.findings, &[]);
        prop_assert_eq!(&parsed.resources[0].resource, &resource);
        prop_assert_eq!(&manifest::parse_json(json, &context).resources[0].resource, &resource);
    }

    #[test]
    fn the_order_of_documents_does_not_matter(
        resources in vec(strategies::resource(), 1..8).prop_flat_map(|r| (Just(r.clone()), Just(r).prop_shuffle()))
    ) {
        let join = |all: &[Resource]| {
            let texts: Vec<String> = all.iter().map(|r| manifest::render(r).unwrap()).collect();
            parse(&texts.join("---\n"), Form::Git)
        };
        let (one, other) = (join(&resources.0), join(&resources.1));
        let set = |parsed: &Parsed| {
            let mut all: Vec<String> = parsed.resources.iter().map(|r| r.identity.to_string()).collect();
            all.sort();
            all
        };
        prop_assert_eq!(set(&one), set(&other));
        prop_assert_eq!(one.findings.len(), other.findings.len());
    }

    #[test]
    fn any_bytes_give_a_verdict(bytes in vec(any::<u8>(), 0..200)) {
        let _ = manifest::parse_bytes(&bytes, &Context::new("f", Form::Request));
    }

    #[test]
    fn any_fragments_give_a_verdict(parts in vec(fragment(), 0..30)) {
        let parsed = parse(&parts.concat(), Form::Request);
        for resource in &parsed.resources {
            prop_assert!(manifest::locate(&resource.source, "spec.cluster").is_some());
            prop_assert!(manifest::render(&resource.resource).is_ok());
        }
        let again = parse(&parts.concat(), Form::Request);
        prop_assert_eq!(parsed, again);
    }

    #[test]
    fn a_broken_document_leaves_its_neighbours_alone(parts in vec(fragment(), 0..20)) {
        let good = |name: &str| format!(
            "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\nmetadata:\n  name: {name}\nspec: {{}}\n"
        );
        // What stands between `...` and `---` are directives of the next document, so the broken one is ended.
        let text = format!("{}---\n{}\n...\n---\n{}", good("first-one"), parts.concat(), good("last-one"));
        let parsed = parse(&text, Form::Git);
        for name in ["first-one", "last-one"] {
            prop_assert!(parsed.resources.iter().any(|r| r.identity.name == *name), "{}", text);
        }
    }
}
