//! `nautes whoami`: who the server takes somebody for.

use nautes_api::wire::User;
use serde_json::json;

use crate::cli::contexts;
use crate::client::Client;
use crate::cmd::context::lines;
use crate::exit::{Exit, Outcome};
use crate::output;
use crate::settings::Settings;

/// Runs the command.
///
/// # Errors
/// The server does not know the token, or does not answer.
pub async fn run(settings: &Settings, args: &contexts::Whoami) -> Outcome {
    let context = settings.connection()?.context;
    let client = Client::connect(settings).await?;
    let who: User = client.get("api/v1/whoami").await?;
    let value = json!({
        "name": who.name,
        "email": who.email,
        "forge": who.forge,
        "server": client.server().as_str(),
        "context": context,
        "token": client.origin(),
    });
    output::show(args.output, &value, || {
        lines(&[
            ("name", Some(who.name.clone())),
            ("email", Some(who.email.clone()).filter(|e| !e.is_empty())),
            ("forge", Some(who.forge.clone())),
            ("server", Some(client.server().to_string())),
            ("context", context.clone()),
            ("token", Some(client.origin().to_owned())),
        ])
    })?;
    Ok(Exit::Clean)
}
