//! What callers give, looked at before a forge is asked.

use url::Url;

use crate::host::HostError;
use crate::host::types::HookSpec;

/// Returns a public key without its comment.
pub(crate) fn bare(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let (kind, blob) = (words.next()?, words.next()?);
    let known = kind.starts_with("ssh-") || kind.starts_with("ecdsa-sha2-") || kind.starts_with("sk-");
    (known && !text.contains(['\n', '\r'])).then(|| format!("{kind} {blob}"))
}

/// Returns a public key without its comment, or says that it is none.
pub(crate) fn need_bare(text: &str) -> Result<String, HostError> {
    bare(text).ok_or_else(|| HostError::invalid("deploy key", "it is not a public key in OpenSSH's form"))
}

/// Fails unless a hook can be made as it is wanted; returns its secret, which has to fit in a header.
pub(crate) fn hook_secret(spec: &HookSpec) -> Result<&str, HostError> {
    check_url(&spec.url)?;
    if spec.events.is_empty() {
        return Err(HostError::invalid("hook", "it has no events"));
    }
    let unsent = || HostError::invalid("hook", "its secret cannot be sent in a header");
    let secret = spec.secret.expose_str().map_err(|_| unsent())?;
    if !secret.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err(unsent());
    }
    Ok(secret)
}

fn check_url(text: &str) -> Result<(), HostError> {
    let wrong = |why: &str| HostError::invalid("address of the hook", why);
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("it begins with neither https:// nor http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it holds a credential; use the secret of the hook"));
    }
    Ok(())
}
