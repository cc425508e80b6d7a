//! The local cluster on loopback, and beside it the API server that `KUBECONFIG` names, asked by the same client in the same
//! run.
//!
//! `cargo bench -p nautes-runtime --bench local` prints the table of `docs/reference/performance.md`; without `--bench`, and
//! with `-- short`, a little of everything is done. `NAUTES_BENCH_PIDS` names the processes of the other server
//! (`kube-apiserver` and `etcd`, with commas) for their memory. It writes to a namespace of its own, and deletes it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

#[path = "local/measure.rs"]
mod measure;
#[path = "local/server.rs"]
mod server;

use measure::{Numbers, measure};
use server::Target;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is done.
#[derive(Clone, Copy)]
struct Size {
    /// Requests of each kind, one after the other.
    requests: usize,
    /// Objects of the long list.
    objects: usize,
    watchers: usize,
    starts: usize,
}

const FULL: Size = Size {
    requests: 2_000,
    objects: 10_000,
    watchers: 100,
    starts: 20,
};

const SHORT: Size = Size {
    requests: 20,
    objects: 100,
    watchers: 10,
    starts: 2,
};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if let ["serve", folder @ ..] = args.as_slice() {
        return server::serve(folder.first().map(AsRef::as_ref));
    }
    let full = args.contains(&"--bench") && !args.contains(&"short");
    let size = if full { FULL } else { SHORT };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (bare, listening) = server::starts(size.starts).await;
        println!("starts in {bare:.1} ms, with a port and certificates in {listening:.1} ms");
        let mut columns = Vec::new();
        let folder = tempfile::tempdir().unwrap();
        for target in Target::all(folder.path()).await {
            columns.push(measure(&target, size).await);
        }
        print(&columns);
    });
}

/// One row for each number, one column for each server; beside another server, how many times better the first one's is.
fn print(columns: &[Numbers]) {
    let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    let ratio = columns.len() > 2;
    println!(
        "| | {} |{}",
        names.join(" | "),
        if ratio { " times better |" } else { "" }
    );
    println!(
        "|---|{}{}",
        "---|".repeat(columns.len()),
        if ratio { "---|" } else { "" }
    );
    for (row, (label, _)) in columns[0].rows.iter().enumerate() {
        let values: Vec<f64> = columns.iter().map(|c| c.rows[row].1).collect();
        let cells: Vec<String> = values.iter().map(|v| format!("{v:.1}")).collect();
        let times = match values.as_slice() {
            [own, _, other] if label.contains("a second") => format!(" {:.1} |", own / other),
            [own, _, other] => format!(" {:.1} |", other / own),
            _ => String::new(),
        };
        println!("| {label} | {} |{times}", cells.join(" | "));
    }
}
