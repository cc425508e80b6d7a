//! The API under load: a server in a process of its own on loopback, asked over connections that are kept.
//!
//! `cargo bench -p nautes-api --bench load` prints the tables of `docs/reference/performance.md`; `-- short`, and
//! `cargo test`, do a little of everything, and check that nothing is lost; `-- reads` and `-- writes` do one part.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

#[path = "load/client.rs"]
mod client;
#[path = "load/reads.rs"]
mod reads;
#[path = "load/server.rs"]
mod server;
#[path = "load/writes.rs"]
mod writes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is done.
#[derive(Clone, Copy)]
struct Size {
    /// Resources of the product that is read.
    resources: usize,
    /// Requests of each kind at full speed, and at the pace that is aimed at.
    requests: usize,
    /// Requests over which memory is watched.
    steady: usize,
    writers: usize,
    products: usize,
    /// How long is written, in seconds.
    seconds: u64,
}

const FULL: Size = Size {
    resources: 1_000,
    requests: 20_000,
    steady: 100_000,
    writers: 100,
    products: 20,
    seconds: 60,
};

const SHORT: Size = Size {
    resources: 60,
    requests: 60,
    steady: 200,
    writers: 8,
    products: 3,
    seconds: 1,
};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if let ["serve", dir] = args.as_slice() {
        return server::serve(std::path::Path::new(dir));
    }
    // `cargo bench` says so; `cargo test` runs the short form, so that this keeps working.
    let full = args.contains(&"--bench") && !args.contains(&"short");
    let size = if full { FULL } else { SHORT };
    let what = args
        .iter()
        .copied()
        .find(|what| ["reads", "writes"].contains(what));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        if what != Some("writes") {
            reads::measure(size).await;
        }
        if what != Some("reads") {
            writes::measure(size).await;
        }
    });
}
