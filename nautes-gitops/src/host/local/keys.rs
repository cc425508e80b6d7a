//! Deploy keys and hooks of repositories.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::seal::Sealer;
use super::state::{HookRecord, KeyRecord, State};
use crate::host::HostError;
use crate::host::types::{AccessLevel, DeployKey, DeployKeySpec, Hook, HookSpec, RepoPath};

/// How many keys or hooks one repository may have.
const MAX_PER_REPOSITORY: usize = 500;

impl State {
    pub(super) fn show_keys(&self, user: u64, path: &RepoPath) -> Result<Vec<DeployKey>, HostError> {
        self.need(
            user,
            &path.into(),
            AccessLevel::Maintainer,
            "see the deploy keys of",
        )?;
        let keys = self.repositories.get(path).map(|repo| &repo.keys);
        Ok(keys
            .into_iter()
            .flatten()
            .filter_map(|(id, can_push)| self.show_key(*id, *can_push))
            .collect())
    }

    fn show_key(&self, id: u64, can_push: bool) -> Option<DeployKey> {
        let KeyRecord { title, public_key } = self.keys.get(&id)?.clone();
        Some(DeployKey {
            id,
            title,
            public_key,
            can_push,
        })
    }

    pub(super) fn create_key(
        &mut self,
        user: u64,
        path: &RepoPath,
        spec: &DeployKeySpec,
    ) -> Result<DeployKey, HostError> {
        self.need(user, &path.into(), AccessLevel::Maintainer, "add a deploy key to")?;
        let public_key = check_public_key(&spec.public_key)?;
        if let Some((id, known)) = self.keys.iter().find(|(_, known)| known.public_key == public_key) {
            let why = format!("the forge has this key already, as {id} ({})", known.title);
            return Err(HostError::conflict("deploy key", why));
        }
        if spec.title.is_empty() || spec.title.len() > 255 {
            return Err(HostError::invalid("deploy key", "the title has 1 to 255 bytes"));
        }
        let id = self.next_id();
        self.keys.insert(
            id,
            KeyRecord {
                title: spec.title.clone(),
                public_key,
            },
        );
        self.put_key(path, id, spec.can_push)
    }

    pub(super) fn enable_key(
        &mut self,
        user: u64,
        path: &RepoPath,
        id: u64,
        can_push: bool,
    ) -> Result<DeployKey, HostError> {
        self.need(
            user,
            &path.into(),
            AccessLevel::Maintainer,
            "enable a deploy key for",
        )?;
        let holds = |path: &RepoPath| self.level(user, &path.into()) >= AccessLevel::Maintainer;
        if !self
            .repositories
            .iter()
            .any(|(other, repo)| repo.keys.contains_key(&id) && holds(other))
        {
            return Err(HostError::not_found(format!("deploy key {id}")));
        }
        self.put_key(path, id, can_push)
    }

    fn put_key(&mut self, path: &RepoPath, id: u64, can_push: bool) -> Result<DeployKey, HostError> {
        let repo = self.repository_mut(path)?;
        if repo.keys.len() >= MAX_PER_REPOSITORY {
            return Err(HostError::conflict(
                format!("repository {path}"),
                "it has too many deploy keys",
            ));
        }
        repo.keys.insert(id, can_push);
        self.show_key(id, can_push)
            .ok_or_else(|| HostError::not_found(format!("deploy key {id}")))
    }

    pub(super) fn delete_key(&mut self, user: u64, path: &RepoPath, id: u64) -> Result<(), HostError> {
        self.need(
            user,
            &path.into(),
            AccessLevel::Maintainer,
            "take a deploy key from",
        )?;
        if self.repository_mut(path)?.keys.remove(&id).is_none() {
            return Err(HostError::not_found(format!("deploy key {id} of {path}")));
        }
        self.drop_unused_keys();
        Ok(())
    }

    pub(super) fn drop_unused_keys(&mut self) {
        let repositories = &self.repositories;
        self.keys
            .retain(|id, _| repositories.values().any(|repo| repo.keys.contains_key(id)));
    }

    pub(super) fn show_hooks(&self, user: u64, path: &RepoPath) -> Result<Vec<Hook>, HostError> {
        self.need(user, &path.into(), AccessLevel::Maintainer, "see the hooks of")?;
        let hooks = self.repositories.get(path).map(|repo| &repo.hooks);
        Ok(hooks
            .into_iter()
            .flatten()
            .map(|(id, record)| show_hook(*id, record))
            .collect())
    }

    pub(super) fn create_hook(
        &mut self,
        user: u64,
        path: &RepoPath,
        spec: &HookSpec,
        sealer: &Sealer,
    ) -> Result<Hook, HostError> {
        self.need(user, &path.into(), AccessLevel::Maintainer, "add a hook to")?;
        let url = check_url(&spec.url)?;
        if spec.events.is_empty() {
            return Err(HostError::invalid("hook", "it has no events"));
        }
        if !spec
            .secret
            .expose()
            .iter()
            .all(|byte| (0x20..0x7f).contains(byte))
        {
            return Err(HostError::invalid(
                "hook",
                "its secret cannot be sent in a header",
            ));
        }
        let id = self.next_id();
        let sealed = sealer.seal(id, &spec.secret)?;
        let mut events = spec.events.clone();
        events.sort();
        events.dedup();
        let repo = self.repository_mut(path)?;
        if repo.hooks.len() >= MAX_PER_REPOSITORY {
            return Err(HostError::conflict(
                format!("repository {path}"),
                "it has too many hooks",
            ));
        }
        let record = HookRecord { url, events, sealed };
        let shown = show_hook(id, &record);
        repo.hooks.insert(id, record);
        Ok(shown)
    }

    pub(super) fn delete_hook(&mut self, user: u64, path: &RepoPath, id: u64) -> Result<(), HostError> {
        self.need(user, &path.into(), AccessLevel::Maintainer, "delete a hook of")?;
        match self.repository_mut(path)?.hooks.remove(&id) {
            Some(_) => Ok(()),
            None => Err(HostError::not_found(format!("hook {id} of {path}"))),
        }
    }
}

fn show_hook(id: u64, record: &HookRecord) -> Hook {
    Hook {
        id,
        url: record.url.clone(),
        events: record.events.clone(),
    }
}

/// Checks a public key in OpenSSH's form, and returns it without its comment.
fn check_public_key(text: &str) -> Result<String, HostError> {
    let wrong = || HostError::invalid("deploy key", "it is not a public key in OpenSSH's form");
    let mut words = text.split_whitespace();
    let (Some(kind), Some(blob)) = (words.next(), words.next()) else {
        return Err(wrong());
    };
    let bytes = STANDARD.decode(blob).map_err(|_| wrong())?;
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(wrong)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| wrong())?;
    let known = kind.starts_with("ssh-") || kind.starts_with("ecdsa-sha2-") || kind.starts_with("sk-");
    if !known || rest.get(..length) != Some(kind.as_bytes()) || rest.len() <= length {
        return Err(wrong());
    }
    Ok(format!("{kind} {blob}"))
}

fn check_url(text: &str) -> Result<String, HostError> {
    let wrong = |why: &str| HostError::invalid("address of the hook", why);
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if url.scheme() != "http" || url.host().is_none() {
        return Err(wrong("the local forge calls http only"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it holds a credential; use the secret of the hook"));
    }
    Ok(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_keys_are_deploy_keys() {
        let blob = STANDARD.encode([&[0, 0, 0, 11][..], b"ssh-ed25519", &[0, 0, 0, 1, 7]].concat());
        assert_eq!(
            check_public_key(&format!("ssh-ed25519 {blob} me@there")).unwrap(),
            format!("ssh-ed25519 {blob}")
        );
        for bad in [
            "",
            "ssh-ed25519",
            "ssh-rsa AAAA",
            &format!("ssh-rsa {blob}"),
            "-----BEGIN PRIVATE KEY-----",
        ] {
            assert!(check_public_key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_of_hooks_hold_no_credential() {
        assert!(check_url("http://127.0.0.1:8080/hook?x=1").is_ok());
        for bad in [
            "",
            "ftp://x/y",
            "http://user:pw@x/",
            "http://user@x/",
            "file:///etc/passwd",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
