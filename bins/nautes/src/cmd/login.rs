//! `nautes login`: a server and the way to a token are remembered, once the server has said whose it is.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use nautes_api::wire::User;
use nautes_model::Secret;
use reqwest::Url;

use crate::cli::contexts::Login;
use crate::client::Client;
use crate::config::{Context, Credential, Files};
use crate::credential::{self, Source};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, BOLD, GREEN};
use crate::settings::{self, Connection, Settings};

/// Runs the command.
///
/// # Errors
/// There is no token, the server does not know it or does not answer, or the files cannot be written. Then nothing is
/// remembered.
pub async fn run(settings: &Settings, args: &Login) -> Outcome {
    let files = settings.files()?;
    let (name, server, ca_file) = where_to(settings, args, &files)?;
    if server.scheme() == "http" && !is_this_machine(&server) && !args.plain_http {
        return Err(
            Failure::usage(format!("{server} is not encrypted: others could read the token"))
                .hint("give an https address, or --plain-http if you mean it"),
        );
    }
    let connection = Connection {
        server,
        source: None,
        ca_file,
        context: Some(name.clone()),
    };
    // A wrong address, and what is wrong with certificates, is told before somebody types a token.
    let client = Client::new(&connection, settings.request_timeout)?;
    let answer: serde_json::Value = client.get("version").await.map_err(not_logged_in)?;
    if crate::client::text_at(&answer, "name") != "nautes-api" {
        return Err(not_logged_in(Failure::new(
            Exit::NotFound,
            format!("{} is something else", connection.server),
        )));
    }
    let (credential, token) = token(settings, args, &name, &files, &connection.server).await?;
    let client = client.with(token.clone(), credential.origin());
    let asked = tokio::select! {
        asked = client.get::<User>("api/v1/whoami") => asked,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "not logged in")),
    };
    let who = asked.map_err(not_logged_in)?;

    let lock = files.lock()?;
    if credential == (Credential::Kept {}) {
        files.keep(&lock, &name, connection.server.as_str(), &token)?;
    } else {
        files.forget(&lock, &name)?;
    }
    let mut config = files.read()?;
    let context = Context {
        server: connection.server.to_string(),
        ca_file: connection.ca_file,
        credential: Some(credential),
    };
    config.contexts.insert(name.clone(), context);
    config.current = Some(name.clone());
    files.write(&lock, &config)?;
    output::say(&format!(
        "{GREEN}logged in{GREEN:#} to {} as {BOLD}{}{BOLD:#}; context {name} is the current one",
        connection.server, who.name
    ));
    overruled(settings, &connection.server, &name);
    Ok(Exit::Clean)
}

fn not_logged_in(mut failure: Failure) -> Failure {
    match failure.exit {
        Exit::NotFound | Exit::Internal => {
            failure = failure.hint("is this the address of a Nautes API of this version?");
        }
        Exit::Denied => failure.hints.retain(|hint| !hint.contains("nautes login")),
        _ => {}
    }
    if failure.exit != Exit::Interrupted {
        failure.message = format!("not logged in: {}", failure.message);
    }
    failure
}

/// Decides the context, the server and its certificates.
fn where_to(
    settings: &Settings,
    args: &Login,
    files: &Files,
) -> Result<(String, Url, Option<PathBuf>), Failure> {
    let config = files.read()?;
    let given = match &args.server {
        Some(text) => Some(settings::url(text)?),
        None => None,
    };
    let named = settings
        .context
        .as_ref()
        .and_then(|name| config.contexts.get_key_value(name));
    let current = config
        .current
        .as_ref()
        .and_then(|name| config.contexts.get_key_value(name));
    let server = match (given, named, &settings.server, current) {
        (Some(server), ..) => server,
        (None, Some((_, context)), ..) => settings::url(&context.server)?,
        (None, None, Some(server), _) => server.clone(),
        (None, None, None, Some((_, context))) if settings.context.is_none() => {
            settings::url(&context.server)?
        }
        (None, None, None, _) => {
            return Err(Failure::usage("no server is given").hint("nautes login https://nautes.example.org"));
        }
    };
    let same = |context: &Context| context.server == server.as_str();
    // Logging in again renews the context that somebody is in.
    let name = settings
        .context
        .clone()
        .or_else(|| current.filter(|(_, c)| same(c)).map(|(name, _)| name.clone()))
        .unwrap_or_else(|| name_of(&server));
    let known = config.contexts.get(&name).filter(|c| same(c));
    let ca_file = match &settings.ca_file {
        Some(file) => Some(absolute(file)?),
        None => known.and_then(|c| c.ca_file.clone()),
    };
    Ok((name, server, ca_file))
}

/// Names a context after its server.
fn name_of(server: &Url) -> String {
    let host = server.host_str().unwrap_or("server");
    let port = server.port().map_or_else(String::new, |port| format!(":{port}"));
    let path = server.path().trim_end_matches('/');
    format!("{host}{port}{path}")
}

fn is_this_machine(server: &Url) -> bool {
    let host = server.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn absolute(file: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(file).map_err(|e| Failure::usage(format!("{}: {e}", file.display())))
}

/// Finds the token, and what is to be remembered of it.
async fn token(
    settings: &Settings,
    args: &Login,
    name: &str,
    files: &Files,
    server: &Url,
) -> Result<(Credential, Secret), Failure> {
    let remembered = if let Some(variable) = &args.token_env {
        Some(Credential::Environment {
            variable: variable.clone(),
        })
    } else if let Some(text) = &args.credential_helper {
        let command = shlex::split(text)
            .filter(|words| !words.is_empty())
            .ok_or_else(|| {
                Failure::usage(
                    "the credential helper is no command: a quote is not closed, or nothing is there",
                )
            })?;
        Some(Credential::Helper { command })
    } else if let Some(url) = &args.git_credentials {
        let url = Some(url).filter(|url| !url.is_empty());
        // The address is written down: it must not carry a password.
        let url = url
            .map(|url| settings::url(url).map(|url| url.to_string()))
            .transpose()?;
        Some(Credential::Git { url })
    } else {
        match &settings.token {
            Some(Source::Given { by: "--token", .. }) => {
                return Err(Failure::usage(
                    "a token is not taken from the command line, where others can read it",
                )
                .hint("leave --token away to be asked, or pipe the token to standard input"));
            }
            Some(Source::File(file)) if file.as_os_str() != "-" => Some(Credential::File {
                file: absolute(file)?,
            }),
            _ => None,
        }
    };
    if let Some(credential) = remembered {
        let token = credential::fetch(&credential, name, files, server).await?;
        return Ok((credential, token));
    }
    let is_stdin = matches!(&settings.token, Some(Source::File(_)));
    let token = if !is_stdin && credential::can_ask() {
        credential::ask(&format!("forge token for {server}")).await?
    } else {
        credential::of_stdin()?
    };
    Ok((Credential::Kept {}, token))
}

/// Says what of the environment wins over the context.
fn overruled(settings: &Settings, server: &Url, name: &str) {
    if let Some(Source::Given { by, .. }) = &settings.token {
        output::say(&format!(
            "note: {by} is set and wins over the token of the context"
        ));
    }
    if settings.server.as_ref().is_some_and(|other| other != server) {
        output::say(&format!(
            "note: NAUTES_SERVER or --server is set and wins over the context: unset it to use {name}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_named_after_its_server() {
        let name = |text: &str| name_of(&settings::url(text).unwrap());
        assert_eq!(name("https://nautes.example.org"), "nautes.example.org");
        assert_eq!(name("http://127.0.0.1:8080/"), "127.0.0.1:8080");
        assert_eq!(name("https://example.org/nautes"), "example.org/nautes");
    }

    #[test]
    fn only_loopback_is_this_machine() {
        let is = |text: &str| is_this_machine(&settings::url(text).unwrap());
        assert!(is("http://127.0.0.1:1") && is("http://localhost") && is("http://[::1]:8080"));
        assert!(
            !is("http://nautes.example.org") && !is("http://10.0.0.1") && !is("http://localhost.example.org")
        );
    }
}
