//! `nautes crds`: what the tenant cluster has to know before Nautes works on it.

use nautes_runtime::admission::configuration;
use reqwest::Url;

use crate::cli::Crds;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// Runs the command.
///
/// # Errors
/// The address or the certificate cannot be used, or standard output cannot be written.
pub fn run(args: &Crds) -> Outcome {
    let mut text = nautes_model::crd::yaml().map_err(|e| Failure::new(Exit::Internal, e.to_string()))?;
    if let Some(webhook) = &args.webhook {
        let config = configuration(address(webhook)?.as_str(), certificate(args)?.as_deref());
        text.push_str("---\n");
        text.push_str(&output::yaml(&config)?);
    }
    output::data(&text)?;
    Ok(Exit::Clean)
}

fn address(text: &str) -> Result<Url, Failure> {
    let hint = "give an address such as https://nautes-controller.nautes.svc:8443/admission";
    let url = Url::parse(text).map_err(|e| Failure::usage(format!("--webhook {text}: {e}")).hint(hint))?;
    if url.scheme() != "https" {
        return Err(Failure::usage(format!("--webhook {text}: Kubernetes calls https only")).hint(hint));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(Failure::usage("--webhook: Kubernetes takes no user and no query").hint(hint));
    }
    Ok(url)
}

fn certificate(args: &Crds) -> Result<Option<String>, Failure> {
    let Some(file) = &args.webhook_ca else {
        return Ok(None);
    };
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|e| Failure::usage(format!("{shown}: {e}")))?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(Failure::usage(format!(
            "{shown}: there is no PEM certificate in it"
        )));
    }
    if text.contains("PRIVATE KEY-----") {
        return Err(Failure::usage(format!("{shown}: there is a private key in it"))
            .hint("give the certificate of the authority alone"));
    }
    Ok(Some(text))
}
