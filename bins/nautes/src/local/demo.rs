//! `nautes local demo`: the whole main process, step by step, through the doors that everybody has.
//!
//! Each step does something and then observes what became of it, by reading: nothing is taken for granted. The
//! program ends with 0 only if every observation held.

pub mod git;
pub mod stage;
pub mod steps;
pub mod tell;
pub mod until;

use std::time::Instant;

use super::cli::Demo;
use super::data::Data;
use super::instance::{Instance, Options};
use crate::exit::{Exit, Failure, Outcome};
use crate::settings::Environment;

use self::stage::Stage;
use self::steps::STEPS;
use self::tell::Teller;

/// Runs the command.
///
/// # Errors
/// The platform cannot be started, or an observation did not hold.
pub async fn run(args: &Demo, environment: &Environment) -> Outcome {
    let mut teller = Teller::new(args.output);
    if args.attach {
        let data = Data::look(&super::folder(&args.folder, environment)?)?;
        if !data.is_taken() {
            return Err(Failure::new(Exit::Unavailable, "no local platform runs there")
                .hint("start it with `nautes local up` in another terminal, or leave --attach out"));
        }
        let mut stage = Stage::of(&data, &data.remembered()?, environment).await?;
        stage.check_free().await?;
        return walk(&mut stage, &mut teller).await;
    }
    let begun = Instant::now();
    teller.begin(
        0,
        "start a platform: API, controllers, forge, secret store, five clusters",
    );
    let folder = tempfile::tempdir()?;
    let options = Options {
        data: folder.path().join("platform"),
        port_base: None,
        secrets: super::keeping(&args.keeping, environment),
    };
    let instance = Instance::start(options).await?;
    let kept = match instance.secrets().openbao() {
        Some(server) => format!("secrets are in OpenBao at {}", server.address()),
        None => "secrets are in an encrypted file".to_owned(),
    };
    let mut stage = Stage::of(instance.data(), instance.remembered(), environment).await?;
    teller.end(
        begun.elapsed(),
        &["every door is open, on loopback".to_owned(), kept],
    )?;
    let outcome = walk(&mut stage, &mut teller).await;
    let stopped = instance.stop().await;
    let exit = outcome?;
    stopped?;
    Ok(exit)
}

/// Walks through all steps; ends with the first whose observations do not hold.
///
/// # Errors
/// An observation did not hold.
pub async fn walk(stage: &mut Stage, teller: &mut Teller) -> Outcome {
    let begun = Instant::now();
    for step in STEPS {
        let since = Instant::now();
        teller.begin(step.number, step.title);
        let mut saw = Vec::new();
        match steps::take(step.number, stage, &mut saw).await {
            Ok(()) => teller.end(since.elapsed(), &saw)?,
            Err(failure) => {
                teller.failed(since.elapsed(), &saw, &failure)?;
                return Err(failure);
            }
        }
    }
    teller.done(begun.elapsed())?;
    Ok(Exit::Clean)
}
