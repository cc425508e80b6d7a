//! `nautes local up`: the platform, until somebody stops it.

use super::cli::Up;
use super::clusters;
use super::forge::{ADMIN, ALICE, BOB};
use super::instance::{Instance, Options};
use super::ports::{API, FORGE, HOOKS};
use crate::cmd::apply;
use crate::exit::{Exit, Failure, Outcome};
use crate::input;
use crate::output::{self, BOLD, DIM, GREEN};
use crate::settings::Environment;

/// Runs the command.
///
/// # Errors
/// The platform cannot be started, or a part of it fails.
pub async fn run(args: &Up, environment: &Environment) -> Outcome {
    let begun = std::time::Instant::now();
    let options = Options {
        data: super::folder(&args.folder, environment)?,
        port_base: args.port_base,
        secrets: super::keeping(&args.keeping, environment),
    };
    let instance = Instance::start(options).await?;
    if args.register {
        register(&instance).await?;
    }
    output::data(&welcome(&instance, args)?)?;
    output::say(&format!(
        "{GREEN}ready{GREEN:#} after {} ms; ctrl-C stops it",
        begun.elapsed().as_millis()
    ));
    let stop = instance.stopper().clone();
    tokio::spawn(async move {
        if asked_to_stop().await {
            output::say("stopping");
            stop.cancel();
        }
    });
    instance.finished().await?;
    Ok(Exit::Clean)
}

/// Registers the clusters, as the administrator would.
async fn register(instance: &Instance) -> Result<(), Failure> {
    let folder = instance
        .data()
        .at("manifests")
        .join("clusters")
        .display()
        .to_string();
    let request = nautes_api::wire::ApplyRequest {
        files: input::read(&[folder])?,
        product: None,
    };
    let mut reply = instance.client(ADMIN)?.write("apply", &request, &[]).await?;
    // Nobody asked for components that one machine has no use for.
    reply.warnings.retain(|f| f.rule != "ClusterComponentMissing");
    apply::print(&reply, crate::cli::Output::Table)
}

fn welcome(instance: &Instance, args: &Up) -> Result<String, Failure> {
    let remembered = instance.remembered();
    let data = instance.data().dir().display().to_string();
    let flag = args
        .folder
        .data
        .as_ref()
        .map(|_| format!(" --data {}", quoted(&data)))
        .unwrap_or_default();
    let mut text = format!("{BOLD}Nautes on this machine{BOLD:#}\n");
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<12} {value}\n"));
    line("API", &instance.url(API)?);
    line("forge", &instance.url(FORGE)?);
    line("webhooks", &instance.url(HOOKS)?);
    for (name, cluster) in instance.clusters().iter() {
        let address = cluster
            .address()
            .map(|a| format!("https://{a}"))
            .unwrap_or_default();
        let role = match name {
            clusters::TENANT => "where Nautes itself is",
            clusters::HOST => "carries the virtual cluster",
            clusters::PIPELINES => "runs pipelines (recorded, not executed)",
            clusters::STAGING => "virtual, for deployments",
            _ => "physical, for deployments",
        };
        line(name, &format!("{address}  {DIM}{role}{DIM:#}"));
    }
    if let Some(server) = instance.secrets().openbao() {
        let token = server.token_file();
        let address = server.address().as_str().trim_end_matches('/');
        line(
            "secrets",
            &format!(
                "{address}  {DIM}OpenBao; its root token is in {}{DIM:#}",
                token.display()
            ),
        );
    }
    line("data", &data);
    line(
        "kubeconfigs",
        &instance.data().at("kubeconfigs").display().to_string(),
    );
    text.push_str("\n  users and their tokens\n");
    for user in [ADMIN, ALICE, BOB] {
        let token = remembered.users.get(user).cloned().unwrap_or_default();
        let who = if user == ADMIN {
            "owns the tenant"
        } else {
            "a developer without rights yet"
        };
        text.push_str(&format!("  {user:<12} {token}  {DIM}{who}{DIM:#}\n"));
    }
    let manifests = quoted(
        &instance
            .data()
            .at("manifests")
            .join("clusters")
            .display()
            .to_string(),
    );
    text.push_str(&format!(
        "\n{BOLD}What to type next, in another terminal{BOLD:#}\n  \
         eval \"$(nautes local env{flag})\"                nautes, git and kubectl just work\n  \
         nautes apply -f {manifests}   registers the clusters\n  \
         nautes status\n  \
         nautes local demo --attach{flag}                the whole main process, step by step\n"
    ));
    Ok(text)
}

fn quoted(text: &str) -> String {
    if text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/._-+".contains(&b))
    {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Waits for ctrl-C or SIGTERM. `false` where the system gives no such signals: then nobody asks.
async fn asked_to_stop() -> bool {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut term) = signal(SignalKind::terminate()) else {
            return tokio::signal::ctrl_c().await.is_ok();
        };
        tokio::select! {
            ended = tokio::signal::ctrl_c() => ended.is_ok(),
            got = term.recv() => got.is_some(),
        }
    }
    #[cfg(not(unix))]
    {
        tokio::signal::ctrl_c().await.is_ok()
    }
}
