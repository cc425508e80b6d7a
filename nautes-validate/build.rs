//! Makes the table of the examples of the rules: one row for each folder of `tests/cases`.
//!
//! A rule is shown with one platform that breaks it (`bad.yaml`, else the first `bad*.yaml`), what is found in it
//! (the text of the same name), and one that keeps it (`good.yaml`, else the first `good*.yaml`).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a build script reads files and talks to Cargo"
)]

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let out = PathBuf::from(std::env::var("OUT_DIR").map_err(io::Error::other)?);
    let cases = here.join("tests/cases");
    println!("cargo::rerun-if-changed={}", cases.display());
    let mut rows = String::from("&[\n");
    for rule in entries(&cases)?.iter().filter(|path| path.is_dir()) {
        let files = entries(rule)?;
        if let (Some(bad), Some(good)) = (shown(&files, "bad"), shown(&files, "good")) {
            row(&mut rows, &name(rule), bad, good).map_err(io::Error::other)?;
        }
    }
    rows.push(']');
    std::fs::write(out.join("cases.rs"), rows)
}

fn row(out: &mut String, rule: &str, bad: &Path, good: &Path) -> std::fmt::Result {
    let text = bad.with_extension("txt");
    let findings = if text.is_file() {
        include(&text)
    } else {
        "\"\"".to_owned()
    };
    writeln!(
        out,
        "Case {{ rule: {rule:?}, bad: {}, findings: {findings}, good: {} }},",
        include(bad),
        include(good)
    )
}

fn include(path: &Path) -> String {
    format!("include_str!({:?})", path.display().to_string())
}

/// In order of name, so that the table does not depend on the file system.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        all.push(entry?.path());
    }
    all.sort();
    Ok(all)
}

fn shown<'f>(files: &'f [PathBuf], start: &str) -> Option<&'f PathBuf> {
    let exact = format!("{start}.yaml");
    let fits = |file: &&PathBuf| name(file).starts_with(start) && name(file).ends_with(".yaml");
    let first = files.iter().find(|file| name(file) == exact);
    first.or_else(|| files.iter().find(fits))
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
