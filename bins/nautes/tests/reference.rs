//! The reference page of the command line is what its help says. `UPDATE=1` writes it anew.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads files, is told by the environment, and may fail"
)]

use std::fmt::Write as _;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use nautes::cli::Cli;

const HEAD: &str = "# Command line

<!-- Written by a test from the command line itself (UPDATE=1); do not edit. -->

Data goes to stdout, talk to stderr. The guide shows the commands at work: [the main process](../guide/main-process.md),
[Nautes on one machine](../guide/local.md), [working offline](../guide/offline.md), [servers, contexts and credentials](../guide/contexts.md).

The options of `nautes` itself, listed first, hold for every command.
";

fn section(page: &mut String, path: &str, command: &Command) {
    let nested = path.contains(' ');
    let help = command
        .clone()
        .bin_name(path)
        .mut_args(|arg| {
            if nested && arg.is_global_set() {
                arg.hide(true)
            } else {
                arg
            }
        })
        .render_long_help()
        .to_string();
    let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    write!(page, "\n## {path}\n\n```text\n{}\n```\n", lines.join("\n")).unwrap();
    let shown = |c: &&Command| c.get_name() != "help" && !c.is_hide_set();
    for inner in command.get_subcommands().filter(shown) {
        section(page, &format!("{path} {}", inner.get_name()), inner);
    }
}

#[test]
fn the_page_of_the_command_line_is_what_the_help_says() {
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut page = HEAD.to_owned();
    section(&mut page, "nautes", &root);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    if std::env::var("UPDATE").is_ok_and(|v| v == "1") {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/reference/cli.md is not what the help says (UPDATE=1 writes it)"
    );
}
