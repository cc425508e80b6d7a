//! Which port is for what: fixed by `--port-base`, else as it was the last time, else any free one.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use super::clusters;

/// The HTTP API.
pub const API: &str = "api";
/// The forge.
pub const FORGE: &str = "forge";
/// The webhook receiver.
pub const HOOKS: &str = "hooks";
/// The server of OpenBao, if secrets are kept in one.
pub const VAULT: &str = "vault";
/// What `nautes local` itself asks of the running process.
pub const DESK: &str = "desk";

/// The ports of one platform.
#[derive(Clone, Debug)]
pub struct Ports {
    base: Option<u16>,
    known: BTreeMap<String, u16>,
}

impl Ports {
    /// Begins with what is remembered; `base` wins.
    #[must_use]
    pub const fn new(base: Option<u16>, known: BTreeMap<String, u16>) -> Self {
        Self { base, known }
    }

    /// Returns the port to be asked for; 0 for any free one.
    #[must_use]
    pub fn wanted(&self, name: &str) -> u16 {
        if let Some(base) = self.base {
            let order = [API, FORGE, HOOKS, DESK]
                .iter()
                .chain(clusters::ALL)
                .chain([&VAULT]);
            let offset = order.take_while(|n| **n != name).count();
            return u16::try_from(offset)
                .ok()
                .and_then(|o| base.checked_add(o))
                .unwrap_or(base);
        }
        self.known.get(name).copied().unwrap_or(0)
    }

    /// Returns the address to listen on.
    #[must_use]
    pub fn address(&self, name: &str) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.wanted(name)))
    }

    /// Says which port it has become.
    pub fn got(&mut self, name: &str, port: u16) {
        self.known.insert(name.to_owned(), port);
    }

    /// Returns what is to be remembered.
    #[must_use]
    pub const fn known(&self) -> &BTreeMap<String, u16> {
        &self.known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_gives_each_its_own() {
        let ports = Ports::new(Some(7000), BTreeMap::new());
        let names: Vec<_> = [API, FORGE, HOOKS, DESK, VAULT]
            .iter()
            .chain(clusters::ALL)
            .collect();
        let all: std::collections::BTreeSet<u16> = names.iter().map(|n| ports.wanted(n)).collect();
        assert_eq!(all.len(), names.len());
        assert_eq!(
            (all.first(), all.last()),
            (Some(&7000), Some(&7009)),
            "ten in a row"
        );
    }

    #[test]
    fn without_a_base_it_is_the_last_one() {
        let mut ports = Ports::new(None, BTreeMap::new());
        assert_eq!(ports.wanted(API), 0);
        ports.got(API, 4711);
        assert_eq!(ports.wanted(API), 4711);
    }
}
