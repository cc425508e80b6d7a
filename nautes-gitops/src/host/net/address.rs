//! Where a forge is.

use url::{Host, Url};

use super::fault::Fault;
use super::guard::is_forbidden;
use super::options::NetOptions;
use crate::host::HostError;

/// The address of a forge: an origin, and the path below which it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    base: Url,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// It is no address, holds a credential, or leads where no forge is.
    pub(crate) fn parse(text: &str, options: &NetOptions) -> Result<Self, HostError> {
        let wrong = |why: &str| HostError::invalid("the address of the forge", why);
        let mut base = Url::parse(text.trim()).map_err(|error| wrong(&error.to_string()))?;
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong("it holds a credential; tokens are given apart from it"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(wrong("it has a query or a fragment"));
        }
        let local = match base.host() {
            None => return Err(wrong("it has no host")),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(ip)) => {
                refuse(is_forbidden(ip.into(), options.loopback))?;
                ip.is_loopback()
            }
            Some(Host::Ipv6(ip)) => {
                refuse(is_forbidden(ip.into(), options.loopback))?;
                ip.is_loopback()
            }
        };
        match base.scheme() {
            "https" => {}
            "http" if options.plain_http || (local && options.loopback) => {}
            "http" => {
                return Err(wrong(
                    "with http, tokens would go over the network in clear; use https",
                ));
            }
            _ => return Err(wrong("it begins with neither https:// nor http://")),
        }
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        Ok(Self { base })
    }

    /// Returns the address of something below the forge. Each segment is one segment afterwards, whatever it holds.
    pub(crate) fn join<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Returns the address as text, without a slash at its end.
    pub(crate) fn text(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Returns the host.
    pub(crate) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// Fails unless `url` is below the forge.
    pub(crate) fn owns(&self, url: &Url) -> Result<(), Fault> {
        if url.origin() == self.base.origin() && url.path().starts_with(self.base.path()) {
            Ok(())
        } else {
            Err(Fault::Elsewhere)
        }
    }
}

fn refuse(forbidden: bool) -> Result<(), HostError> {
    if forbidden {
        let why = "no forge is at such an address (this machine, link-local, or a metadata service)";
        return Err(HostError::invalid("the address of the forge", why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, loopback: bool) -> Result<Address, HostError> {
        let options = NetOptions {
            loopback,
            ..NetOptions::default()
        };
        Address::parse(text, &options)
    }

    #[test]
    fn addresses_are_https_without_a_credential() {
        for good in [
            "https://gitlab.example.com",
            "https://example.com:8443/gitlab/",
            "https://10.1.2.3/",
        ] {
            assert!(parse(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "gitlab.example.com",
            "ssh://git@example.com",
            "http://gitlab.example.com",
            "http://127.0.0.1:3000",
            "https://127.0.0.1",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/",
            "https://[fe80::1]/",
            "https://2852039166/",
            "https://0.0.0.0/",
            "https://user:glpat-x@example.com",
            "https://example.com/?private_token=x",
        ] {
            assert!(parse(bad, false).is_err(), "{bad}");
        }
        assert!(parse("http://127.0.0.1:3000", true).is_ok());
        assert!(parse("http://169.254.169.254", true).is_err());
        let error = parse("https://user:glpat-x@example.com", false).unwrap_err();
        assert!(!format!("{error:?}").contains("glpat"), "{error:?}");
    }

    #[test]
    fn a_segment_stays_one_segment() {
        let at = parse("https://example.com/gitlab", false).unwrap();
        let url = at.join(["api", "v4", "projects", "demo/../x", "a b?c#d%2F"]);
        assert_eq!(
            url.as_str(),
            "https://example.com/gitlab/api/v4/projects/demo%2F..%2Fx/a%20b%3Fc%23d%252F"
        );
        assert!(at.owns(&url).is_ok());
        for other in [
            "https://example.com/api/v4",
            "http://example.com/gitlab/",
            "https://example.com:444/gitlab/",
            "https://evil.example/gitlab/",
        ] {
            assert!(at.owns(&Url::parse(other).unwrap()).is_err(), "{other}");
        }
    }
}
