//! Processor time and memory of a whole verdict by size, each size in a process of its own, as tables.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

use std::process::Command;

use nautes_model::Scopes;
use nautes_model::manifest::{Context, Form, parse};
use nautes_validate::generate::{self, File, Options};
use nautes_validate::{Graph, RuleSet, check, check_change};

/// Processor time of this thread in nanoseconds, as the kernel counts it.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// A value of `/proc/self/status` in bytes.
fn memory(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|l| l.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// The least processor time of some runs, in milliseconds.
fn least<T>(runs: usize, mut run: impl FnMut() -> T) -> f64 {
    (0..runs)
        .map(|_| {
            let before = cpu();
            let out = run();
            let took = cpu() - before;
            drop(out);
            took as f64 / 1e6
        })
        .fold(f64::INFINITY, f64::min)
}

fn read(files: &[File]) -> Scopes {
    let mut scopes = Scopes::default();
    for file in files {
        let parsed = parse(
            &file.text,
            &Context::new(&file.path, Form::Git).product(file.product.as_ref()),
        );
        assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
        for resource in parsed.resources {
            scopes.insert(resource);
        }
    }
    scopes
}

/// Measures one size and prints its numbers.
fn measure(count: usize, runs: usize) {
    let files = generate::files(&Options::new(count, 1)).unwrap();
    let rules = RuleSet::standard();
    read(&files[..20.min(files.len())]);
    let before = memory("VmRSS");
    let scopes = read(&files);
    let held = memory("VmRSS") - before;
    drop(check(&scopes, &rules));
    let peak = memory("VmHWM") - before;
    let n = files.len() as f64;
    let mut changed = scopes.clone();
    changed.remove(&scopes.iter().last().unwrap().identity.clone());
    let reading = least(runs, || read(&files));
    let judging = least(runs, || check(&scopes, &rules));
    let change = least(runs, || check_change(&scopes, &changed, &rules));
    let graph = least(runs, || Graph::of(&scopes).apply_order());
    println!(
        "{} {reading} {judging} {change} {graph} {} {}",
        files.len(),
        held as f64 / n,
        peak as f64 / n
    );
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [what, count, runs] = args.as_slice() {
        let files = generate::files(&Options::new(count.parse().unwrap(), 1)).unwrap();
        let scopes = read(&files);
        let rules = RuleSet::standard();
        for _ in 0..runs.parse().unwrap() {
            match what.as_str() {
                "read" => drop(read(&files)),
                "check" => drop(check(&scopes, &rules)),
                _ => panic!(),
            }
        }
        return;
    }
    if let [count, runs] = args.as_slice() {
        return measure(count.parse().unwrap(), runs.parse().unwrap());
    }
    println!("resources | read ms | check ms | change ms | graph ms | held B | peak B");
    for (count, runs) in [
        ("100", "20"),
        ("1000", "10"),
        ("10000", "5"),
        ("50000", "3"),
        ("100000", "2"),
    ] {
        let out = Command::new(std::env::current_exe().unwrap())
            .args([count, runs])
            .output()
            .unwrap();
        print!("{}", String::from_utf8_lossy(&out.stdout));
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}
