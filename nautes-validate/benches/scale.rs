//! Processor time and memory of a verdict by size, each size in a process of its own, as the tables of
//! `docs/reference/performance.md`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use cpu_time::ThreadTime;
use nautes_model::manifest::{Context, Form, parse};
use nautes_model::name::ProductName;
use nautes_model::{Kind, Resource, Scopes, Sourced};
use nautes_validate::generate::{self, Options};
use nautes_validate::{Access, Change, Checked, Graph, Judge, RuleSet, check, check_change};

/// Stands before each file of the input; no manifest has it.
const MARK: char = '\u{1}';

/// The manifests of a platform as one text: before each a line with its product and its path.
fn input(count: usize) -> String {
    let mut text = String::new();
    for file in generate::files(&Options::new(count, 1)).unwrap() {
        let product = file.product.as_ref().map_or("", |p| p.as_str());
        text.push_str(&format!("{MARK}{product} {}\n{}", file.path, file.text));
    }
    text
}

fn read(input: &str) -> Scopes {
    let mut scopes = Scopes::default();
    for file in input.split(MARK).skip(1) {
        let (head, text) = file.split_once('\n').unwrap();
        let (product, path) = head.split_once(' ').unwrap();
        let product = ProductName::new(product).ok();
        let parsed = parse(text, &Context::new(path, Form::Git).product(product.as_ref()));
        assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
        for resource in parsed.resources {
            scopes.insert(resource);
        }
    }
    scopes
}

/// A line of `/proc/self/status` in bytes.
fn memory(key: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|l| l.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

/// The processor time of one run, in milliseconds.
fn took<T>(run: impl FnOnce() -> T) -> (f64, T) {
    let before = ThreadTime::now();
    let result = run();
    (before.elapsed().as_secs_f64() * 1000.0, result)
}

/// The least processor time of some runs, in milliseconds.
fn least<T>(runs: usize, mut run: impl FnMut() -> T) -> f64 {
    (0..runs).map(|_| took(&mut run).0).fold(f64::INFINITY, f64::min)
}

/// What the input costs in memory: held as resources, and at the worst moment of reading and judging.
fn measure_memory(bytes: usize) {
    // What a growing text leaves behind would be taken for free memory, or for that of the verdict.
    let mut text = String::with_capacity(bytes);
    std::io::stdin().read_to_string(&mut text).unwrap();
    // What the first document needs once, such as the schemas, is no part of what each needs.
    let first = text.match_indices(MARK).nth(20).map_or(text.len(), |(i, _)| i);
    drop(check(&read(&text[..first]), &RuleSet::standard()));
    let before = memory("VmRSS");
    // The worst moment is counted from here.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let scopes = read(&text);
    let held = memory("VmRSS") - before;
    drop(check(&scopes, &RuleSet::standard()));
    let peak = memory("VmHWM") - before;
    let count = scopes.iter().count() as f64;
    println!("{} {}", held / count, peak / count);
}

/// What each step takes once, in a process that has done nothing else: as for somebody who runs it.
fn measure_time(count: usize) {
    let text = input(count);
    let rules = RuleSet::standard();
    let (reading, scopes) = took(|| read(&text));
    let (judging, report) = took(|| check(&scopes, &rules));
    assert!(report.is_ok());
    let mut changed = scopes.clone();
    changed.remove(&scopes.iter().last().unwrap().identity.clone());
    let (change, _) = took(|| check_change(&scopes, &changed, &rules));
    let (graph, _) = took(|| Graph::of(&scopes).apply_order());
    println!("{} {reading} {judging} {change} {graph}", scopes.iter().count());
}

/// Another version of a resource, as somebody who edits a file makes it.
fn edited(of: &Sourced) -> Sourced {
    let mut copy = of.clone();
    match &mut copy.resource {
        Resource::Cluster(r) => r.spec.primary_domain = "elsewhere.example.org".to_owned(),
        Resource::Environment(r) => r.spec.env_type = "other".to_owned(),
        Resource::Project(r) => r.spec.language = "go".to_owned(),
        Resource::CodeRepo(r) => r.spec.project = "project-9".to_owned(),
        Resource::CodeRepoBinding(r) => r.spec.projects = vec!["project-9".to_owned()],
        Resource::DeploymentRuntime(r) => r.spec.destination.namespaces = vec!["shared".to_owned()],
        Resource::ProjectPipelineRuntime(r) => r.spec.pipeline_source = "source-9".to_owned(),
        _ => {}
    }
    copy
}

/// How long the verdict on one edit takes, by kind: the median, and the most, in milliseconds of a clock.
fn measure_edits(count: usize) {
    let scopes = read(&input(count));
    let mut judge = Judge::new(scopes.clone(), RuleSet::standard());
    for kind in [
        Kind::Project,
        Kind::Environment,
        Kind::CodeRepo,
        Kind::CodeRepoBinding,
        Kind::DeploymentRuntime,
        Kind::ProjectPipelineRuntime,
        Kind::Cluster,
        Kind::Product,
    ] {
        let all: Vec<&Arc<Sourced>> = scopes.iter().filter(|s| s.identity.kind == kind).collect();
        let (mut took, mut looked_at) = (Vec::new(), 0);
        for one in all.iter().step_by((all.len() / 40).max(1)) {
            for version in [Arc::new(edited(one)), Arc::clone(one)] {
                let before = Instant::now();
                let difference = judge.apply([Change::Put(version)]);
                took.push(before.elapsed().as_secs_f64() * 1000.0);
                looked_at = looked_at.max(difference.looked_at);
            }
        }
        took.sort_by(f64::total_cmp);
        println!(
            "| {kind} | {:.2} ms | {:.2} ms | {looked_at} |",
            took[took.len() / 2],
            took[took.len() * 9 / 10]
        );
    }
    assert_eq!(judge.report(), check(&scopes, &RuleSet::standard()));
}

/// What the parts of a verdict cost, in nanoseconds of processor time by resource.
fn measure_stages(count: usize) {
    let scopes = read(&input(count));
    let rules = RuleSet::standard();
    let each = scopes.iter().count() as f64 / 1e6;
    println!("{:8.0} all", least(3, || check(&scopes, &rules)) / each);
    let built = least(3, || Checked::new(&scopes, rules.facts()));
    println!("{:8.0} indexes", built / each);
    println!("{:8.0} of them the graph", least(3, || Graph::of(&scopes)) / each);
    println!("{:8.0} of them access", least(3, || Access::of(&scopes)) / each);
    let on = Checked::new(&scopes, rules.facts());
    let mut all: Vec<(f64, &str)> = rules
        .iter()
        .map(|rule| {
            let took = least(3, || {
                let mut out = Vec::new();
                rule.check(&on, &mut out);
                out
            });
            (took / each, rule.id())
        })
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (took, id) in all {
        println!("{took:8.0} {id}");
    }
}

fn again(args: &[&str], input: Option<&str>) -> Vec<f64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.unwrap_or_default().as_bytes()).unwrap();
    drop(stdin);
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    let text = String::from_utf8(out.stdout).unwrap();
    text.split_whitespace().map(|n| n.parse().unwrap()).collect()
}

/// The least of each number that some processes print.
fn least_of(rounds: usize, args: &[&str]) -> Vec<f64> {
    let mut all = again(args, None);
    for _ in 1..rounds {
        for (least, number) in all.iter_mut().zip(again(args, None)) {
            *least = least.min(number);
        }
    }
    all
}

fn tables() {
    println!(
        "| resources | reading | all rules | both, each | growth | a change | graph, order | held | at most |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut last: Option<(f64, f64)> = None;
    for (count, rounds) in [(100, 15), (1_000, 15), (10_000, 9), (50_000, 5), (100_000, 5)] {
        let times = least_of(rounds, &["time", &count.to_string()]);
        let text = input(count);
        let bytes = again(&["memory", &text.len().to_string()], Some(&text));
        let [n, reading, judging, change, graph] = times[..] else {
            panic!()
        };
        let [held, peak] = bytes[..] else { panic!() };
        let both = reading + judging;
        // Growth as if the sizes were exactly ten times each other.
        let growth = last
            .filter(|_| count != 50_000)
            .map_or(String::new(), |(before, of)| {
                format!("× {:.1}", both / before * (10.0 * of / n))
            });
        if count != 50_000 {
            last = Some((both, n));
        }
        println!(
            "| {n} | {reading:.1} ms | {judging:.1} ms | {:.1} µs | {growth} | {change:.1} ms | {graph:.1} ms | {:.1} kB | {:.1} kB |",
            both / n * 1000.0,
            held / 1000.0,
            peak / 1000.0
        );
    }
    println!("\n| edited, of 10,000 | half take less than | nine of ten less than | looked at, at most |");
    println!("|---|---|---|---|");
    measure_edits(10_000);
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["time", count] => measure_time(count.parse().unwrap()),
        ["memory", bytes] => measure_memory(bytes.parse().unwrap()),
        // For comparisons of whole processes: a platform as one text, and reading one against the schemas.
        ["print", count] => {
            let files = generate::files(&Options::new(count.parse().unwrap(), 1)).unwrap();
            print!("{}", generate::joined(&files));
        }
        ["schema"] => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).unwrap();
            let parsed = parse(&text, &Context::new("-", Form::Request));
            assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
            println!("{}", parsed.resources.len());
        }
        ["stages", count] => measure_stages(count.parse().unwrap()),
        ["edits", count] => measure_edits(count.parse().unwrap()),
        ["read", count, runs] => {
            let text = input(count.parse().unwrap());
            (0..runs.parse().unwrap()).for_each(|_: u32| drop(read(&text)));
        }
        ["check", count, runs] => {
            let scopes = read(&input(count.parse().unwrap()));
            (0..runs.parse().unwrap()).for_each(|_: u32| drop(check(&scopes, &RuleSet::standard())));
        }
        _ => tables(),
    }
}
