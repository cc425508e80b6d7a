//! The commands, one module each; the smallest ones are here.

pub mod access;
pub mod apply;
pub mod audit;
pub mod context;
pub mod convert;
pub mod crds;
pub mod delete;
pub mod deployments;
pub mod doctor;
mod edit;
pub mod explain;
pub mod follow;
pub mod generate;
pub mod get;
pub mod graph;
pub mod impact;
pub mod import;
pub mod init;
pub mod login;
pub mod logout;
pub mod plan;
pub mod rotate;
pub mod runs;
pub mod secrets;
pub mod status;
pub mod validate;
pub mod wait;
pub mod whoami;
pub mod why;

use clap::CommandFactory as _;
use nautes_model::Kind;

use crate::cli::Cli;
use crate::client::Client;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::settings::Settings;
use crate::target;

/// `nautes version`: this program's, and the API's if there is one.
///
/// # Errors
/// Standard output cannot be written. A server that does not answer is said and is no failure.
pub async fn version(settings: &Settings) -> Outcome {
    output::data(&format!("nautes {}\n", env!("CARGO_PKG_VERSION")))?;
    if let Some(connection) = settings.find_connection()? {
        let client = Client::new(&connection, settings.request_timeout)?;
        match client.get::<serde_json::Value>("version").await {
            Ok(answer) => output::data(&format!(
                "{} {} at {}\n",
                crate::client::text_at(&answer, "name"),
                crate::client::text_at(&answer, "version"),
                client.server()
            ))?,
            Err(failure) => output::say(&failure.message),
        }
    }
    Ok(Exit::Clean)
}

/// `nautes completion SHELL`.
///
/// # Errors
/// Standard output cannot be written.
pub fn completion(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "nautes", &mut script);
    output::data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Clean)
}

/// Reads `KIND NAME..`, `KIND/NAME ..` and `KIND`.
///
/// # Errors
/// A word is no kind, or both forms are mixed.
pub fn targets(what: &[String]) -> Result<Vec<(Kind, Option<String>)>, Failure> {
    if what.iter().any(|w| w.contains('/')) {
        return what
            .iter()
            .map(|word| match word.split_once('/') {
                Some((k, name)) if !name.is_empty() => Ok((target::kind(k)?, Some(name.to_owned()))),
                _ => Err(Failure::usage(format!(
                    "{word:?} is not KIND/NAME; all words must be, or none"
                ))),
            })
            .collect();
    }
    let Some((first, names)) = what.split_first() else {
        return Err(Failure::usage("no kind is given"));
    };
    let first = target::kind(first)?;
    if names.is_empty() {
        return Ok(vec![(first, None)]);
    }
    Ok(names.iter().map(|name| (first, Some(name.clone()))).collect())
}

/// Returns the path of a kind, or of one resource, in the API.
///
/// # Errors
/// The kind belongs to a product and none is given, or it has no route.
pub fn path(kind: Kind, product: Option<&str>, name: Option<&str>) -> Result<String, Failure> {
    let info = kind.info();
    let tail = name.map(|n| format!("/{n}")).unwrap_or_default();
    if !kind.is_of_product() {
        return Ok(format!("api/v1/{}{tail}", info.api_path));
    }
    let product = product.ok_or_else(|| {
        Failure::usage(format!("{} belongs to a product", kind.name()))
            .hint("name it with -p, or set NAUTES_PRODUCT")
    })?;
    Ok(format!("api/v1/products/{product}/{}{tail}", info.api_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn kubectl_habits_are_understood() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(targets(&words("env")).unwrap(), [(Kind::Environment, None)]);
        assert_eq!(
            targets(&words("dr web")).unwrap(),
            [(Kind::DeploymentRuntime, some("web"))]
        );
        assert_eq!(
            targets(&words("cr/a crb/b")).unwrap(),
            [(Kind::CodeRepo, some("a")), (Kind::CodeRepoBinding, some("b"))]
        );
        assert!(targets(&words("nonsense")).is_err());
        assert!(targets(&words("cr/a b")).is_err());
        assert!(targets(&words("cr/")).is_err());
    }
}
