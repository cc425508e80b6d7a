//! The HTTP API of Nautes as a program.

use std::process::ExitCode;

fn main() -> ExitCode {
    nautes_api::program::main()
}
