//! Where no connection goes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

use super::options::NetOptions;
use crate::host::HostError;

/// The metadata services that are not at a link-local address.
const METADATA: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
];

/// Whether no forge can be at an address.
pub(super) fn is_forbidden(ip: IpAddr, loopback: bool) -> bool {
    if METADATA.contains(&ip) || ip.is_multicast() || ip.is_unspecified() {
        return true;
    }
    if ip.is_loopback() {
        return !loopback;
    }
    match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => {
            let inner = ip.to_ipv4_mapped().or_else(|| translated(ip));
            ip.is_unicast_link_local() || inner.is_some_and(|ip| is_forbidden(ip.into(), loopback))
        }
    }
}

/// Returns the address behind one that is translated by NAT64.
fn translated(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = ip.segments() else {
        return None;
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

/// Resolves names, and leaves out addresses at which no forge can be. Since it is asked for every connection, a name
/// that changes its mind later gains nothing.
#[derive(Debug)]
pub(super) struct Guard {
    loopback: bool,
    /// The name of the proxy, which may be anywhere.
    proxy: Option<String>,
}

impl Guard {
    pub(super) fn new(options: &NetOptions) -> Result<Self, HostError> {
        let proxy = match &options.proxy {
            None => None,
            Some(proxy) => {
                let wrong = || HostError::invalid("the proxy", "its address cannot be read");
                let url = Url::parse(proxy).map_err(|_| wrong())?;
                Some(url.host_str().ok_or_else(wrong)?.to_owned())
            }
        };
        Ok(Self {
            loopback: options.loopback,
            proxy,
        })
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let is_proxy = self
            .proxy
            .as_deref()
            .is_some_and(|proxy| proxy.eq_ignore_ascii_case(name.as_str()));
        let loopback = self.loopback;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<SocketAddr> = found
                .filter(|address| is_proxy || !is_forbidden(address.ip(), loopback))
                .collect();
            if kept.is_empty() {
                let why = "the name leads to no address at which a forge may be";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why).into());
            }
            let addresses: Addrs = Box::new(kept.into_iter());
            Ok(addresses)
        })
    }
}
