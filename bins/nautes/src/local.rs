//! `nautes local`: the whole platform on this machine.
//!
//! | module | what is in it |
//! |---|---|
//! | [`instance`] | the platform as one value: [`Instance::start`](instance::Instance::start) |
//! | [`clusters`], [`forge`], [`secrets`], [`data`], [`ports`] | its parts, and what is remembered |
//! | [`desk`] | what a running platform is asked by `nautes local` |
//! | [`up`], [`mod@env`] | commands |
//! | [`demo`] | the main process, step by step, observed |

pub mod cli;
pub mod clusters;
pub mod data;
pub mod demo;
pub mod desk;
pub mod env;
pub mod forge;
pub mod gate;
pub mod instance;
pub mod ports;
pub mod secrets;
pub mod up;

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use self::cli::{Command, Env, Folder, Keeping, Kubeconfig, Local, Reset};
use self::data::Data;
use self::desk::DeskClient;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::settings::Environment;

/// How long a platform may take to stop.
const STOP: Duration = Duration::from_secs(30);

/// Runs the command.
///
/// # Errors
/// See the commands.
pub async fn run(args: Local, environment: &Environment) -> Outcome {
    match args.command {
        Command::Up(args) => up::run(&args, environment).await,
        Command::Env(args) => print_env(&args, environment),
        Command::Kubeconfig(args) => kubeconfig(&args, environment),
        Command::Down(folder) => down(&folder, environment).await,
        Command::Reset(args) => reset(&args, environment),
        Command::Demo(args) => demo::run(&args, environment).await,
    }
}

/// Returns the data folder: the given one, else `local` in `NAUTES_HOME`.
fn folder(given: &Folder, environment: &Environment) -> Result<PathBuf, Failure> {
    given
        .data
        .clone()
        .or_else(|| environment.home.as_ref().map(|home| home.join("local")))
        .ok_or_else(|| {
            Failure::usage("there is no home folder to keep the platform in")
                .hint("say where with --data DIR")
        })
}

/// Decides where secrets are kept.
fn keeping(given: &Keeping, environment: &Environment) -> secrets::Options {
    let named = given.openbao.as_ref().or(environment.openbao.as_ref());
    secrets::Options {
        kind: given.secrets,
        openbao: nautes_vault::openbao::find(
            named.map(PathBuf::as_path),
            environment.path.as_deref().map(std::ffi::OsStr::new),
        ),
        key: environment.store_key.clone(),
        ..secrets::Options::default()
    }
}

fn print_env(args: &Env, environment: &Environment) -> Outcome {
    let data = Data::look(&folder(&args.folder, environment)?)?;
    if !data.is_taken() {
        output::say("note: the platform does not run; start it with `nautes local up`");
    }
    let variables = env::variables(&data, &data.remembered()?, &args.user, &args.cluster)?;
    output::data(&env::script(&variables, args.shell))?;
    Ok(Exit::Clean)
}

fn kubeconfig(args: &Kubeconfig, environment: &Environment) -> Outcome {
    let data = Data::look(&folder(&args.folder, environment)?)?;
    if !clusters::ALL.contains(&args.cluster.as_str()) {
        return Err(
            Failure::new(Exit::NotFound, format!("there is no cluster {:?}", args.cluster))
                .hint(format!("the clusters are {}", clusters::ALL.join(", "))),
        );
    }
    let file = data.kubeconfig(&args.cluster);
    let text = std::fs::read_to_string(&file)
        .map_err(|e| Failure::new(Exit::NotFound, format!("{}: {e}", file.display())))?;
    output::data(&text)?;
    Ok(Exit::Clean)
}

async fn down(args: &Folder, environment: &Environment) -> Outcome {
    let data = Data::look(&folder(args, environment)?)?;
    if !data.is_taken() {
        output::say("no platform runs there");
        return Ok(Exit::Clean);
    }
    let remembered = data.remembered()?;
    let by_hand = format!(
        "process {} has the folder; end it by hand if need be",
        remembered.process
    );
    let asked = async {
        let port = remembered.ports.get(ports::DESK).copied().unwrap_or_default();
        DeskClient::new(port, instance::token_of(&remembered, forge::ADMIN)?)?
            .stop()
            .await
    };
    asked.await.map_err(|failure| failure.hint(by_hand.clone()))?;
    let end = Instant::now() + STOP;
    let mut ticks = interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while data.is_taken() {
        if Instant::now() >= end {
            return Err(
                Failure::new(Exit::Unavailable, "the platform was asked to stop and has not").hint(by_hand),
            );
        }
        ticks.tick().await;
    }
    output::say("stopped");
    Ok(Exit::Clean)
}

fn reset(args: &Reset, environment: &Environment) -> Outcome {
    let data = Data::look(&folder(&args.folder, environment)?)?;
    let shown = data.dir().display().to_string();
    if !args.yes && std::io::stdin().is_terminal() {
        output::say(&format!("delete {shown} with everything in it? [y/N]"));
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Err(Failure::new(Exit::Findings, "nothing was deleted"));
        }
    }
    data.delete()?;
    output::say(&format!("deleted {shown}"));
    Ok(Exit::Clean)
}
