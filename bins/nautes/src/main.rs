//! The command line of Nautes.

use std::process::ExitCode;

fn main() -> ExitCode {
    nautes::main(std::env::args_os())
}
