//! Any input has a verdict: what the fuzz targets do, with the seeds, with all examples, and with mutations of them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nautes_model::Scopes;
use nautes_model::manifest::{Context, Form, parse};
use nautes_validate::{RuleSet, check};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

#[path = "../../fuzz/bodies.rs"]
mod bodies;

/// The folders whose files are replayed.
const FOLDERS: &[&str] = &[
    "fuzz/seeds",
    "tests/cases",
    "../nautes-model/tests/manifest",
    "../nautes-model/tests/convert",
    "../examples/manifests",
];

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            found.push(path);
        }
    }
}

/// Every input, by its path.
fn inputs() -> &'static [(PathBuf, Vec<u8>)] {
    static INPUTS: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    INPUTS.get_or_init(|| {
        let mut paths = Vec::new();
        for folder in FOLDERS {
            walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut paths);
        }
        paths.sort();
        paths
            .into_iter()
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect()
    })
}

fn every_body(data: &[u8]) {
    bodies::reader(data);
    bodies::converter(data);
    bodies::mender(data);
    bodies::rules(data);
    bodies::organisation(data);
}

#[test]
fn every_seed_and_example_has_a_verdict() {
    assert!(inputs().len() > 150, "{}", inputs().len());
    for (path, data) in inputs() {
        println!("{}", path.display());
        every_body(data);
    }
}

/// A change of a text.
#[derive(Clone, Debug)]
enum Mutation {
    Cut(Index, usize),
    Double(Index, usize),
    Insert(Index, Vec<u8>),
    SwapLines(Index, Index),
    Splice(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let word = select(vec![
        "---\n",
        "...\n",
        "\n",
        "\r\n",
        "  ",
        "\t",
        "- ",
        "? ",
        ": ",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "|\n",
        ">-\n",
        "#",
        "'",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        "null",
        "~",
        "0",
        "1e999",
        "\u{feff}",
        "\u{0}",
        "\u{85}",
        "name: a\n",
        "spec:\n",
        "kind: Cluster\n",
        "destination: x\n",
        "  argocdHost: h\n",
        "  traefik: {httpNodePort: 1}\n",
        "  coderepo: r\n",
        "  productName: p\n",
        "  api_server: x\n",
    ]);
    let bytes = prop_oneof![
        3 => word.prop_map(|w| w.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..8),
    ];
    prop_oneof![
        (any::<Index>(), 1..40_usize).prop_map(|(at, n)| Mutation::Cut(at, n)),
        (any::<Index>(), 1..80_usize).prop_map(|(at, n)| Mutation::Double(at, n)),
        (any::<Index>(), bytes).prop_map(|(at, b)| Mutation::Insert(at, b)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Mutation::SwapLines(a, b)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, at)| Mutation::Splice(from, at)),
    ]
}

fn mutate(data: &mut Vec<u8>, mutation: Mutation) {
    let range = |data: &[u8], at: Index, n: usize| {
        let start = at.index(data.len() + 1);
        start..(start + n).min(data.len())
    };
    match mutation {
        Mutation::Cut(at, n) => {
            let range = range(data, at, n);
            data.drain(range);
        }
        Mutation::Double(at, n) => {
            let range = range(data, at, n);
            let piece = data[range.clone()].to_vec();
            data.splice(range.start..range.start, piece);
        }
        Mutation::Insert(at, bytes) => {
            let at = at.index(data.len() + 1);
            data.splice(at..at, bytes);
        }
        Mutation::SwapLines(a, b) => {
            let mut lines: Vec<&[u8]> = data.split_inclusive(|b| *b == b'\n').collect();
            if !lines.is_empty() {
                let (a, b) = (a.index(lines.len()), b.index(lines.len()));
                lines.swap(a, b);
            }
            *data = lines.concat();
        }
        Mutation::Splice(from, at) => {
            let other = &inputs()[from.index(inputs().len())].1;
            let at = at.index(data.len() + 1);
            data.truncate(at);
            data.extend(&other[at.min(other.len())..]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_have_a_verdict(data in vec(any::<u8>(), 0..300)) {
        every_body(&data);
    }

    #[test]
    fn mutated_manifests_have_a_verdict(which in any::<Index>(), mutations in vec(mutation(), 1..6)) {
        let mut data = inputs()[which.index(inputs().len())].1.clone();
        for one in mutations {
            mutate(&mut data, one);
        }
        every_body(&data);
    }

    #[test]
    fn the_order_of_documents_and_files_is_no_matter(
        order in Just((0..14_usize).collect::<Vec<_>>()).prop_shuffle(),
        cuts in vec(any::<bool>(), 14),
    ) {
        let text = include_str!("../../fuzz/seeds/every-kind.yaml");
        let documents: Vec<&str> = text.split("---\n").collect();
        prop_assert_eq!(documents.len(), order.len());
        let verdict = |order: &[usize], cuts: &[bool]| {
            let mut files = vec![String::new()];
            for (index, cut) in order.iter().zip(cuts) {
                if *cut {
                    files.push(String::new());
                }
                let file = files.last_mut().unwrap();
                if !file.is_empty() {
                    file.push_str("---\n");
                }
                file.push_str(documents[*index]);
            }
            let mut scopes = Scopes::default();
            for file in files {
                let parsed = parse(&file, &Context::new("f", Form::Git));
                assert_eq!(parsed.findings, []);
                parsed.resources.into_iter().for_each(|r| scopes.insert(r));
            }
            let mut found: Vec<_> = check(&scopes, &RuleSet::standard())
                .findings
                .into_iter()
                .map(|f| (f.rule, f.resource, f.field, f.message, f.hint))
                .collect();
            found.sort();
            found
        };
        let straight: Vec<usize> = (0..14).collect();
        prop_assert_eq!(verdict(&order, &cuts), verdict(&straight, &[false; 14]));
    }
}
