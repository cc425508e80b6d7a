//! Whether a server answers, who it says that it is, and what time it has. No credential is sent.

use std::error::Error as StdError;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nautes_model::Secret;
use reqwest::header::DATE;
use rustls::CertificateError;
use url::Url;

use super::certificate::{Bundle, Certificate};
use super::chain;

/// Where a server is, and whom to trust for it.
#[derive(Clone, Debug)]
pub struct Way {
    /// What it is for people: `forge gitlab at https://gitlab.example.com`.
    pub subject: String,
    /// What is asked for.
    pub url: Url,
    /// The certificates that are trusted, as they are in a file or a kubeconfig, and their text.
    pub bundle: Option<(Bundle, Vec<reqwest::Certificate>)>,
    /// Whether they are trusted instead of those of the system.
    pub only: bool,
    /// The proxy.
    pub proxy: Option<Secret>,
    /// The certificate and the key of the client, PEM, where the server asks for them.
    pub identity: Option<Secret>,
}

impl Way {
    /// Trusts those whom the system trusts, and goes straight.
    #[must_use]
    pub fn new(subject: impl Into<String>, url: Url) -> Self {
        Self {
            subject: subject.into(),
            url,
            bundle: None,
            only: false,
            proxy: None,
            identity: None,
        }
    }
}

/// What is known of the way to a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Reach {
    /// What it is for people.
    pub subject: String,
    /// What was asked for.
    pub url: Url,
    /// The certificates that are trusted.
    pub bundle: Option<Bundle>,
    /// What came back.
    pub outcome: Result<Answer, Silence>,
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What a server allows where it says so (`Allow`).
    pub allows: Option<String>,
    /// The server's clock, in seconds since 1970, where it says so.
    pub date: Option<i64>,
    /// This machine's clock in the middle of the request.
    pub here: Timestamp,
    /// How long the answer took.
    pub took: Duration,
    /// The server's certificate.
    pub certificate: Option<Certificate>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// There was none in time.
    Late,
    /// No connection came about, or it broke.
    Lost(String),
    /// Who issued the certificate is not trusted.
    Issuer,
    /// The certificate is for other names.
    Name(Vec<String>),
    /// The certificate has ended.
    Ended(Option<Timestamp>),
    /// The certificate is not valid yet.
    Early(Option<Timestamp>),
    /// Something else is wrong with TLS.
    Tls(String),
    /// A setting cannot be used.
    Setting(String),
}

/// Asks a server.
pub async fn reach(way: Way, limit: Duration) -> Reach {
    let bundle = way.bundle.as_ref().map(|(bundle, _)| bundle.clone());
    let outcome = tokio::time::timeout(limit, ask(&way, limit)).await;
    Reach {
        outcome: outcome.unwrap_or(Err(Silence::Late)),
        subject: way.subject,
        url: way.url,
        bundle,
    }
}

async fn ask(way: &Way, limit: Duration) -> Result<Answer, Silence> {
    let client = client(way, limit)?;
    let (begun, clock) = (Instant::now(), Timestamp::now());
    let answer = client
        .get(way.url.clone())
        .send()
        .await
        .map_err(|error| silence(&error.without_url()))?;
    let took = begun.elapsed();
    let header = |name| answer.headers().get(name)?.to_str().ok();
    let date = header(DATE).and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
    let tls = answer.extensions().get::<reqwest::tls::TlsInfo>();
    Ok(Answer {
        status: answer.status().as_u16(),
        allows: header(reqwest::header::ALLOW).map(|text| text.chars().take(60).collect()),
        date: date.map(|date| date.timestamp().as_second()),
        here: clock.checked_add(took / 2).unwrap_or(clock),
        took,
        certificate: tls.and_then(|tls| Certificate::of(tls.peer_certificate()?)),
    })
}

/// Makes a client for a way. It follows no redirect.
pub(super) fn client(way: &Way, limit: Duration) -> Result<reqwest::Client, Silence> {
    crate::tls();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("nautes/", env!("CARGO_PKG_VERSION")))
        .timeout(limit)
        .connect_timeout(limit)
        .redirect(reqwest::redirect::Policy::none())
        .tls_info(true)
        .no_proxy();
    if let Some(proxy) = &way.proxy {
        let wrong = || Silence::Setting("the address of the proxy cannot be read".to_owned());
        let proxy = proxy.expose_str().map_err(|_| wrong())?;
        builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(|_| wrong())?);
    }
    if let Some(identity) = &way.identity {
        let identity = reqwest::Identity::from_pem(identity.expose()).map_err(|_| {
            Silence::Setting("the certificate and the key of the client cannot be used together".to_owned())
        })?;
        builder = builder.identity(identity);
    }
    if let Some((_, certificates)) = &way.bundle {
        builder = if way.only {
            builder.tls_certs_only(certificates.clone())
        } else {
            builder.tls_certs_merge(certificates.clone())
        };
    }
    builder.build().map_err(|error| Silence::Setting(chain(&error)))
}

/// Tells why there is no answer.
fn silence(error: &reqwest::Error) -> Silence {
    if let Some(why) = tls_error(error) {
        return match why {
            rustls::Error::InvalidCertificate(why) => certificate(why),
            other => Silence::Tls(other.to_string()),
        };
    }
    if error.is_timeout() {
        Silence::Late
    } else {
        Silence::Lost(chain(error))
    }
}

fn certificate(why: &CertificateError) -> Silence {
    let time = |time: &rustls::pki_types::UnixTime| {
        i64::try_from(time.as_secs())
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
    };
    match why {
        // An authority of the same name with another key has not issued it either.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Silence::Issuer,
        CertificateError::NotValidForName => Silence::Name(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => Silence::Name(presented.clone()),
        CertificateError::Expired => Silence::Ended(None),
        CertificateError::ExpiredContext { not_after, .. } => Silence::Ended(time(not_after)),
        CertificateError::NotValidYet => Silence::Early(None),
        CertificateError::NotValidYetContext { not_before, .. } => Silence::Early(time(not_before)),
        other => Silence::Tls(other.to_string()),
    }
}

/// Finds what TLS says among the causes of an error.
fn tls_error<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // What an I/O error carries is not among its sources.
        let carried = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match carried {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
