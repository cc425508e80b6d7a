//! The command line of Nautes, as a library: [`main`] is all that the program calls.

pub mod cli;
pub mod client;
pub mod cmd;
pub mod config;
pub mod credential;
pub mod doctor;
pub mod exit;
pub mod input;
#[cfg(feature = "local")]
pub mod local;
pub mod output;
pub mod settings;
pub mod suggest;
pub mod target;
pub mod tree;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::exit::{Exit, Outcome};
use crate::settings::{Environment, Settings};

/// Runs the program: reads the command line, does what it says, prints, and returns the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed through the same road as errors.
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Clean
            };
            return error
                .print()
                .map_or_else(|_| Exit::Internal.into(), |()| exit.into());
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::say(&format!("error: the program cannot start: {error}"));
            return Exit::Internal.into();
        }
    };
    tls();
    match runtime.block_on(run(cli)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::failure(&failure);
            failure.exit.into()
        }
    }
}

/// Says which cryptography TLS uses. Another part may have said the same already.
pub(crate) fn tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn run(cli: Cli) -> Outcome {
    let environment = Environment::read();
    log(cli.global.verbose);
    let settings = Settings::resolve(&cli.global, &environment)?;
    match cli.command {
        Command::Apply(args) => cmd::apply::run(&settings, &args, cmd::apply::Verb::Apply).await,
        Command::Remove(args) => cmd::apply::run(&settings, &args, cmd::apply::Verb::Remove).await,
        Command::Get(args) => cmd::get::run(&settings, &args).await,
        Command::Delete(args) => cmd::delete::run(&settings, &args).await,
        Command::Validate(args) => cmd::validate::run(&settings, &args),
        Command::Convert(args) => cmd::convert::run(&settings, &args),
        Command::Plan(args) => cmd::plan::run(&settings, &args).await,
        Command::Status(args) => cmd::status::run(&settings, &args).await,
        Command::Events(args) => cmd::follow::events(&settings, &args).await,
        Command::Runs(args) => cmd::runs::list(&settings, &args).await,
        Command::Logs(args) => cmd::runs::logs(&settings, &args).await,
        Command::Deployments(args) => cmd::deployments::run(&settings, &args).await,
        Command::Audit(args) => cmd::audit::run(&settings, &args).await,
        Command::Generate(args) => cmd::generate::run(&args),
        Command::Why(args) => cmd::why::run(&settings, &args).await,
        Command::Impact(args) => cmd::impact::run(&settings, &args),
        Command::Access(args) => cmd::access::run(&settings, &args).await,
        Command::Graph(args) => cmd::graph::run(&settings, &args).await,
        Command::Login(args) => cmd::login::run(&settings, &args).await,
        Command::Logout(args) => cmd::logout::run(&settings, &args),
        Command::Context(args) => cmd::context::run(&settings, &args),
        Command::Whoami(args) => cmd::whoami::run(&settings, &args).await,
        Command::Explain(args) => cmd::explain::run(&settings, &args).await,
        Command::Import(args) => cmd::import::run(&settings, &args).await,
        Command::Init(args) => cmd::init::run(&args),
        Command::Crds(args) => cmd::crds::run(&args),
        Command::Rotate(args) => cmd::rotate::run(&settings, &args).await,
        Command::Doctor(args) => cmd::doctor::run(&settings, &args, &environment).await,
        Command::Secrets(args) => cmd::secrets::run(&args, &environment).await,
        #[cfg(feature = "local")]
        Command::Local(args) => local::run(args, &environment).await,
        Command::Version => cmd::version(&settings).await,
        Command::Completion { shell } => cmd::completion(shell),
    }
}

/// Sends the log of the libraries to stderr: warnings, or more with `-v`.
fn log(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => "nautes=info,nautes_api=info,nautes_runtime=info,nautes_gitops=info,warn",
        _ => "debug",
    };
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .try_init();
}
