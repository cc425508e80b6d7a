//! `nautes logout`: a token is forgotten; the context stays for the next login.

use crate::cli::contexts::Logout;
use crate::config::Credential;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::settings::Settings;

/// Runs the command.
///
/// # Errors
/// There is no such context, or the files cannot be read or written.
pub fn run(settings: &Settings, args: &Logout) -> Outcome {
    let files = settings.files()?;
    let lock = files.lock()?;
    let mut config = files.read()?;
    let names: Vec<String> = if args.all {
        config.contexts.keys().cloned().collect()
    } else {
        let name = args
            .name
            .as_ref()
            .or(settings.context.as_ref())
            .or(config.current.as_ref());
        let name = name
            .cloned()
            .ok_or_else(|| Failure::usage("no context is current").hint("name one: nautes context list"))?;
        config.context(&name)?;
        vec![name]
    };
    for name in &names {
        let kept = files.forget(&lock, name)?;
        let was = config.contexts.get_mut(name).and_then(|c| c.credential.take());
        output::say(&match was {
            _ if kept => format!(
                "{name}: the token is forgotten here; the forge still knows it until it is revoked there"
            ),
            Some(Credential::Kept {}) | None => format!("{name}: there was no token"),
            Some(other) => format!(
                "{name}: not asked any more: {} (what is there stays)",
                other.origin()
            ),
        });
    }
    files.write(&lock, &config)?;
    Ok(Exit::Clean)
}
