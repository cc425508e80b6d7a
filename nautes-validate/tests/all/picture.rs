//! The picture of the example product, made from its manifests. `UPDATE=1` draws it anew.

use std::path::{Path, PathBuf};

use nautes_model::manifest::{Context, Form, parse};
use nautes_model::{Kind, Scopes};
use nautes_validate::{Graph, RuleSet, check, generate};
use regex::Regex;

use crate::support::scopes;

/// What a local platform declares itself.
const PROVIDER: &str = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepoProvider
metadata: {name: gitlab}
spec: {apiServer: 'https://forge.example.org', httpAddress: 'https://forge.example.org', sshAddress: '', providerType: gitlab}
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn add(scopes: &mut Scopes, text: &str, form: Form) {
    let parsed = parse(text, &Context::new("example.yaml", form));
    assert_eq!(parsed.findings, []);
    for resource in parsed.resources {
        scopes.insert(resource);
    }
}

fn shop() -> Graph {
    let examples = root().join("examples/manifests");
    let mut scopes = Scopes::default();
    add(&mut scopes, PROVIDER, Form::Git);
    for file in [
        "shop",
        "clusters/host",
        "clusters/live",
        "clusters/pipelines",
        "clusters/staging",
    ] {
        let text = std::fs::read_to_string(examples.join(format!("{file}.yaml"))).unwrap();
        let text = text
            .replace("$API_SERVER", "https://cluster.example.org:6443")
            .replace("  kubeconfig: |\n    $KUBECONFIG\n", "");
        add(&mut scopes, &text, Form::Request);
    }
    Graph::of(&scopes)
}

#[test]
fn the_picture_of_the_shop_shows_its_manifests() {
    let svg = shop().svg();
    let path = root().join("docs/pictures/shop.svg");
    if std::env::vars().any(|(key, value)| key == "UPDATE" && value == "1") {
        std::fs::write(&path, &svg).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == svg,
        "docs/pictures/shop.svg is not what the manifests say (UPDATE=1 draws it)"
    );
}

#[test]
fn every_resource_and_every_reference_is_drawn_once() {
    let graph = shop();
    let svg = graph.svg();
    let mut arrows = std::collections::BTreeSet::new();
    for link in graph.links() {
        let title = format!("<title>{}</title>", link.from);
        if link.from.kind != Kind::Product {
            assert_eq!(svg.matches(&title).count(), 1, "{title}");
        }
        if let Some(to) = link.to.found().filter(|to| to.kind != Kind::Product) {
            // All repositories of the shop are on one provider: the frame says so with one arrow.
            let bundled = to.kind == Kind::CodeRepoProvider;
            arrows.insert((if bundled { None } else { Some(&link.from) }, to));
        }
    }
    let samples = svg.matches(" sample\"").count();
    assert_eq!(svg.matches("class=\"wire").count() - samples, arrows.len());
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn what_is_not_declared_is_drawn_as_missing() {
    let svg = Graph::of(&scopes("x.yaml", "# remove: Cluster/run-1\n")).svg();
    assert_eq!(svg.matches("class=\"node missing\"").count(), 1);
}

#[test]
fn nothing_declared_is_a_picture_too() {
    let svg = Graph::default().svg();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn what_breaks_a_rule_is_red_and_says_what() {
    let scopes = scopes(
        "x.yaml",
        "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
metadata: {name: dev}
spec: {product: demo, cluster: host-1, envType: dev}
",
    );
    let findings = check(&scopes, &RuleSet::standard()).findings;
    let view = Graph::of(&scopes).view().with_findings(&findings);
    let svg = view.svg();
    assert!(
        svg.contains("Environment/demo/dev\nEnvironmentClusterUsage: "),
        "{svg}"
    );
    assert!(
        svg.contains("class=\"node fault\"") && svg.contains(">breaks a rule<"),
        "{svg}"
    );
}

#[test]
fn the_legend_names_only_what_is_there() {
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
metadata: {name: web}
spec: {product: shop, language: go}
";
    let mut one = Scopes::default();
    add(&mut one, text, Form::Git);
    let svg = Graph::of(&one).svg();
    assert_eq!(svg.matches("class=\"legend\"").count(), 1, "{svg}");
    assert!(svg.contains(">project<") && !svg.contains(">permits<"), "{svg}");
}

/// A rectangle: left, top, right, bottom.
type Rect = [f64; 4];

/// A text and where it is.
type Label = (String, Rect);

/// What a picture shows: boxes with the texts in them, and frames.
struct Seen {
    size: (f64, f64),
    boxes: Vec<(String, Rect, Vec<Label>)>,
    frames: Vec<Rect>,
}

fn rect(text: &str) -> Rect {
    let of = |key: &str| -> f64 {
        let found = Regex::new(&format!(" {key}=\"(-?[0-9]+)\"")).unwrap();
        found.captures(text).unwrap()[1].parse().unwrap()
    };
    [of("x"), of("y"), of("x") + of("width"), of("y") + of("height")]
}

fn see(svg: &str) -> Seen {
    let size = rect(&format!(" x=\"0\" y=\"0\"{}", svg.lines().next().unwrap()));
    let mut seen = Seen {
        size: (size[2], size[3]),
        boxes: Vec::new(),
        frames: Vec::new(),
    };
    let label = Regex::new(
        "<text(?: class=\"([a-z]+)\")? x=\"([0-9]+)\" y=\"([0-9]+)\" text-anchor=\"([a-z]+)\">([^<]+)</text>",
    )
    .unwrap();
    for part in svg.split("<g>").skip(1) {
        let part = part.split("</g>").next().unwrap();
        let at = part.find("<rect").unwrap();
        let tag = part[at..].split('>').next().unwrap();
        if tag.contains("class=\"frame") {
            seen.frames.push(rect(tag));
            continue;
        }
        let texts = label.captures_iter(part).map(|c| {
            let class = c.get(1).map_or("", |c| c.as_str());
            let size = if class.is_empty() { 13.0 } else { 10.0 };
            // Wider than any usual font without serifs.
            let width = c[5].chars().count() as f64 * size * 0.58;
            let (x, y): (f64, f64) = (c[2].parse().unwrap(), c[3].parse().unwrap());
            let left = if &c[4] == "end" {
                x - width
            } else {
                x - width / 2.0
            };
            (
                c[5].to_owned(),
                [left, y - size * 0.8, left + width, y + size * 0.25],
            )
        });
        let title = part
            .split("<title>")
            .nth(1)
            .unwrap()
            .split(['<', '\n'])
            .next()
            .unwrap();
        seen.boxes.push((title.to_owned(), rect(tag), texts.collect()));
    }
    seen
}

fn overlap(a: &Rect, b: &Rect) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

fn inside(inner: &Rect, outer: &Rect) -> bool {
    inner[0] >= outer[0] && inner[1] >= outer[1] && inner[2] <= outer[2] && inner[3] <= outer[3]
}

#[test]
fn boxes_and_labels_of_large_platforms_do_not_overlap() {
    for (size, faulty) in [(50, false), (50, true), (300, false), (300, true), (1000, true)] {
        let mut all = generate::platform(size, 3).unwrap();
        if faulty {
            // Some are not there any more, and some go in circles.
            let mut n = 0;
            all.retain(|_| {
                n += 1;
                n % 17 != 0
            });
        }
        let scopes = generate::scopes(&all);
        let findings = check(&scopes, &RuleSet::standard()).findings;
        let graph = Graph::of(&scopes);
        let seen = see(&graph.view().with_findings(&findings).svg());
        let page = [0.0, 0.0, seen.size.0, seen.size.1];
        for (i, (name, at, texts)) in seen.boxes.iter().enumerate() {
            assert!(inside(at, &page), "{size}: {name} is on the page");
            for (other, there, _) in &seen.boxes[i + 1..] {
                assert!(
                    !overlap(at, there),
                    "{size}: {name} and {other}: {at:?} {there:?}"
                );
            }
            for (text, place) in texts {
                assert!(
                    inside(place, at),
                    "{size}: {text:?} of {name}: {place:?} in {at:?}"
                );
            }
            for (j, (text, place)) in texts.iter().enumerate() {
                for (other, there) in &texts[j + 1..] {
                    assert!(!overlap(place, there), "{size}: {text:?} and {other:?} of {name}");
                }
            }
        }
        for (i, frame) in seen.frames.iter().enumerate() {
            for other in &seen.frames[i + 1..] {
                assert!(!overlap(frame, other), "{size}: {frame:?} and {other:?}");
            }
            for (name, at, _) in &seen.boxes {
                assert!(
                    !overlap(frame, at) || inside(at, frame),
                    "{size}: {name} stands on the edge"
                );
            }
        }
        // Each product has one frame; what is used of another one is drawn in a frame of its own.
        let empty = seen
            .frames
            .iter()
            .filter(|frame| !seen.boxes.iter().any(|(_, at, _)| inside(at, frame)));
        assert_eq!(empty.count(), 0, "{size}: frames without anything");
        let (width, height) = seen.size;
        assert!(height <= width * 1.8, "{size}: {width} x {height}");
        for resource in graph.identities().filter(|i| i.kind != Kind::Product) {
            let title = resource.to_string();
            assert!(
                seen.boxes.iter().any(|(name, ..)| *name == title),
                "{size}: {title}"
            );
        }
    }
}

#[test]
fn every_member_of_a_circle_is_red() {
    let cluster = |name: &str, host: &str| {
        format!(
            "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Cluster
metadata: {{name: {name}}}
spec: {{apiServer: 'https://{name}.example.org', clusterType: virtual, usage: host, hostCluster: {host}, componentsList: {{}}}}
---
"
        )
    };
    let mut scopes = Scopes::default();
    add(
        &mut scopes,
        &format!("{}{}", cluster("v-1", "v-2"), cluster("v-2", "v-1")),
        Form::Git,
    );
    let findings = check(&scopes, &RuleSet::standard()).findings;
    let cycle = findings.into_iter().filter(|f| f.rule == "ReferenceCycle");
    let cycle: Vec<_> = cycle.collect();
    assert_eq!(cycle.len(), 1);
    let graph = Graph::of(&scopes);
    let svg = graph.view().with_findings(&cycle).svg();
    assert_eq!(svg.matches("class=\"node fault\"").count(), 2, "{svg}");
    // What waits is told of it once.
    for member in ["Cluster/v-1", "Cluster/v-2"] {
        let blockers = graph.blockers(&crate::support::identity(member), &cycle);
        assert_eq!(blockers.len(), 1, "{member}: {blockers:?}");
    }
}
