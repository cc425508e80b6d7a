//! `nautes doctor`: what an installation stands on, looked at and judged.

use crate::cli::doctor::Doctor;
use crate::doctor::examine::{Wanted, examine};
use crate::doctor::report::Report;
use crate::doctor::told::Told;
use crate::exit::{Failure, Outcome};
use crate::output;
use crate::settings::{Environment, Settings};

/// Runs the command.
///
/// # Errors
/// A setting cannot be used, or nothing is named that could be looked at. Findings are no error.
pub async fn run(settings: &Settings, args: &Doctor, environment: &Environment) -> Outcome {
    let told = Told::decide(&args.told)?;
    let api = settings.find_connection()?;
    let local = local(&told, environment)?;
    if api.is_none() && local.is_none() && !told.is_some() {
        return Err(Failure::usage("nothing is named that could be looked at")
            .hint("nautes login SERVER, or set NAUTES_SERVER, for the API")
            .hint("name forge, secret store and cluster as nautes-api is told them: --config FILE, --forge-url, --vault-address")
            .hint("for the platform on this machine: nautes local up"));
    }
    let wanted = Wanted {
        told,
        branch: args.branch.clone(),
        namespace: args.namespace.clone(),
        api,
        local,
        limit: args.limit,
    };
    let report = Report::new(examine(&wanted).await?);
    output::show(args.output, &report, || report.text(args.all))?;
    Ok(report.exit())
}

/// Finds the folder of a local platform: the one that is named, or the usual one while a platform runs on it.
#[cfg(feature = "local")]
fn local(told: &Told, environment: &Environment) -> Result<Option<std::path::PathBuf>, Failure> {
    use crate::local::data::Data;
    if told.says("data") {
        let folder = &told.config.data;
        // A folder of nautes-api is no local platform, and there is nothing to look at from outside.
        return Ok(Data::look(folder).is_ok().then(|| folder.clone()));
    }
    let usual = environment.home.as_ref().map(|home| home.join("local"));
    Ok(usual.filter(|folder| Data::look(folder).is_ok_and(|data| data.is_taken())))
}

#[cfg(not(feature = "local"))]
const fn local(_: &Told, _: &Environment) -> Result<Option<std::path::PathBuf>, Failure> {
    Ok(None)
}
