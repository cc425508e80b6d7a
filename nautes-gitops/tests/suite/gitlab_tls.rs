//! TLS with certificates of an authority of one's own, and a proxy: who is trusted, which way it goes, and who sees what.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use nautes_gitops::host::gitlab::fake::{Injection, Weather};
use nautes_gitops::host::gitlab::{Gitlab, Options};
use nautes_gitops::{GitHost as _, GroupSpec, HostError, Mirror, RepoPath, RepoSpec};
use nautes_model::Secret;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::gitlab::World;
use super::gitlab_git::commit;

/// The name of the forge, which leads nowhere.
const NAME: &str = "gitlab.example.test";

/// An authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Issues a certificate for names.
    fn acceptor(&self, names: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = CertificateParams::new(names).unwrap();
        let made = made.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Speaks TLS in front of what speaks in clear.
async fn front(acceptor: TlsAcceptor, inner: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut inner = TcpStream::connect(inner).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut inner).await;
                }
            });
        }
    });
    address
}

/// A proxy that leads every name to one address. It keeps all that it is told in clear.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn new(to: SocketAddr, answer: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    kept.lock().unwrap().push(String::from_utf8(head).unwrap());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if answer.contains(" 200 ") {
                        let mut inner = TcpStream::connect(to).await.unwrap();
                        let _ = copy_bidirectional(&mut stream, &mut inner).await;
                    }
                });
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

const TUNNEL: &str = "HTTP/1.1 200 Connection established\r\n\r\n";
const WHO: &str = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";

fn inner(world: &World) -> SocketAddr {
    world.fake.url().strip_prefix("http://").unwrap().parse().unwrap()
}

fn gitlab(url: String, token: &Secret, change: impl FnOnce(&mut Options)) -> Gitlab {
    let mut options = Options::new("gitlab", url, token.clone());
    change(&mut options);
    Gitlab::new(options).unwrap()
}

/// All that an error says, to its last source.
fn said(error: &HostError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text} {error}");
        source = error.source();
    }
    text
}

/// A group, a repository, a push and a fetch.
async fn use_it(world: &World, gitlab: &Gitlab, group: &str) {
    let session = gitlab.platform().await.unwrap();
    let spec = GroupSpec {
        name: group.to_owned(),
        ..GroupSpec::default()
    };
    session.create_group(&spec).await.unwrap();
    let path: RepoPath = format!("{group}/app").parse().unwrap();
    session
        .create_repository(&path, &RepoSpec::default())
        .await
        .unwrap();
    let mirror = async |name: &str| {
        let dir = world.dir.path().join(format!("{group}-{name}"));
        Mirror::open_or_create(dir).await.unwrap()
    };
    let here = mirror("here").await;
    let new = commit(&here, None, "a").await;
    session.push(&path, &here, "main", None, new).await.unwrap();
    let refs = session.fetch(&path, &mirror("there").await).await.unwrap();
    assert_eq!(refs["refs/heads/main"], new);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_authority_is_trusted_and_no_other() {
    let world = World::new().await;
    let (right, wrong) = (Authority::new(), Authority::new());
    let at = front(right.acceptor(&["127.0.0.1"]), inner(&world)).await;
    let with = |bundle: Option<String>| {
        gitlab(format!("https://{at}"), &world.tokens[0], |options| {
            options.net.loopback = true;
            options.net.ca_bundle = bundle.map(String::into_bytes);
        })
    };
    use_it(&world, &with(Some(right.pem.clone())), "direct").await;
    // A bundle may hold more than one.
    let both = with(Some(format!("{}{}", wrong.pem, right.pem)));
    both.platform().await.unwrap();

    let before = world.fake.exchanges().len();
    for bundle in [None, Some(wrong.pem)] {
        let error = with(bundle).platform().await.unwrap_err();
        let said = said(&error);
        assert!(said.contains("its certificate is not trusted"), "{said}");
        assert!(said.contains("--forge-ca-file"), "{said}");
        assert!(!said.contains(world.tokens[0].expose_str().unwrap()), "{said}");
    }
    assert_eq!(world.fake.exchanges().len(), before);
    // The right authority, and the certificate of somebody else.
    let other = front(right.acceptor(&[NAME]), inner(&world)).await;
    let other = gitlab(format!("https://{other}"), &world.tokens[0], |options| {
        options.net.loopback = true;
        options.net.ca_bundle = Some(right.pem.clone().into_bytes());
    });
    let error = other.platform().await.unwrap_err();
    assert!(said(&error).contains("not trusted"), "{}", said(&error));
    assert_eq!(world.fake.exchanges().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_leads_the_way_and_sees_no_token() {
    let world = World::new().await;
    let authority = Authority::new();
    let at = front(authority.acceptor(&[NAME]), inner(&world)).await;
    let proxy = Proxy::new(at, TUNNEL).await;
    let through = |user: &str| {
        gitlab(format!("https://{NAME}:8443"), &world.tokens[0], |options| {
            options.net.proxy = Some(format!("http://{user}{}", proxy.address));
            options.net.ca_bundle = Some(authority.pem.clone().into_bytes());
        })
    };
    use_it(&world, &through(""), "proxied").await;
    let heads = proxy.heads();
    assert!(!heads.is_empty());
    let token = world.tokens[0].expose_str().unwrap();
    for head in &heads {
        assert!(
            head.starts_with("CONNECT gitlab.example.test:8443 HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(
            !head.contains(token) && !head.to_lowercase().contains("authorization"),
            "{head}"
        );
    }
    // A proxy that wants to know who it is: that goes to the proxy, and the token does not.
    through("user:canary@").platform().await.unwrap();
    let head = proxy.heads().pop().unwrap();
    assert!(
        head.to_lowercase()
            .contains("proxy-authorization: basic dxnlcjpjyw5hcnk="),
        "{head}"
    );
    assert!(!head.contains(token), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_is_told_without_its_password() {
    let world = World::new().await;
    let proxy = Proxy::new(inner(&world), WHO).await;
    let gitlab = gitlab(format!("https://{NAME}"), &world.tokens[0], |options| {
        options.net.proxy = Some(format!("http://user:canary@{}", proxy.address));
        options.net.attempts = 1;
    });
    let before = world.fake.exchanges().len();
    let error = gitlab.platform().await.unwrap_err();
    let text = format!("{} {:?} {gitlab:?}", said(&error), error.hint());
    assert!(matches!(error, HostError::Unreachable { .. }), "{text}");
    for secret in [
        "canary",
        "dXNlcjpjYW5hcnk=",
        world.tokens[0].expose_str().unwrap(),
    ] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(world.fake.exchanges().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_another_host_is_refused_and_gets_no_token() {
    let world = World::new().await;
    let authority = Authority::new();
    let at = front(authority.acceptor(&["127.0.0.1"]), inner(&world)).await;
    let other = World::new().await;
    let elsewhere = front(authority.acceptor(&["127.0.0.1"]), inner(&other)).await;
    let gitlab = gitlab(format!("https://{at}"), &world.tokens[0], |options| {
        options.net.loopback = true;
        options.net.ca_bundle = Some(authority.pem.clone().into_bytes());
    });
    let to = Weather::Redirect(format!("https://{elsewhere}/api/v4/user"));
    world.fake.inject(Injection::once("GET", "/api/v4/user", to));
    let before = other.fake.exchanges().len();
    let error = gitlab.platform().await.unwrap_err();
    let text = format!("{} {}", said(&error), error.hint().unwrap_or_default());
    assert!(text.contains("redirects are not followed"), "{text}");
    assert!(text.contains(&format!("https://{elsewhere}")), "{text}");
    assert_eq!(other.fake.exchanges().len(), before);
}
