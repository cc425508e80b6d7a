//! The client against servers that misbehave.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode as Status;
use axum::response::{IntoResponse as _, Response as Answer};
use tokio::net::TcpListener;

use super::*;

/// Serves what `answer` says to the n-th request, and returns the address.
async fn serve(answer: impl Fn(u32, &Request) -> Answer + Clone + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU32::new(0));
    let app = Router::new().fallback(move |request: Request| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let answer = answer(number, &request);
        async move { answer }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// A credential that no server here looks at.
fn anybody() -> Auth<'static> {
    static TOKEN: LazyLock<Secret> = LazyLock::new(|| Secret::from("anybody"));
    Auth::Basic("user", &TOKEN)
}

fn options() -> NetOptions {
    NetOptions {
        loopback: true,
        ..NetOptions::default()
    }
}

fn call<'a>(net: &Net, method: Method, auth: Auth<'a>) -> Call<'a> {
    Call {
        repeatable: method != Method::POST,
        method,
        url: net.address().join(["thing"]),
        auth,
        headers: Vec::new(),
        body: None,
        streams: false,
        limit: 1000,
        total: Duration::from_secs(10),
        attempt: Duration::from_secs(5),
    }
}

async fn ask(url: &str, method: Method) -> Result<Reply, Fault> {
    let net = Net::new(url, options()).unwrap();
    net.call(&Gate::default(), &call(&net, method, anybody())).await
}

#[tokio::test]
async fn a_bad_moment_is_survived_and_known() {
    let url = serve(|number, _| match number {
        0 => Status::BAD_GATEWAY.into_response(),
        _ => "good".into_response(),
    })
    .await;
    let reply = ask(&url, Method::DELETE).await.unwrap();
    assert_eq!((reply.bytes(), reply.again), (&b"good"[..], true));
}

#[tokio::test]
async fn what_may_not_be_done_twice_is_sent_once() {
    let url = serve(|number, _| match number {
        0 => Status::BAD_GATEWAY.into_response(),
        _ => "good".into_response(),
    })
    .await;
    assert_eq!(ask(&url, Method::POST).await.unwrap().status, Status::BAD_GATEWAY);
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_or_told() {
    let url = serve(|number, _| match number {
        0 => (Status::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response(),
        1 => "good".into_response(),
        _ => (Status::TOO_MANY_REQUESTS, [("retry-after", "500")]).into_response(),
    })
    .await;
    let net = Net::new(&url, options()).unwrap();
    let gate = Gate::default();
    let reply = net.call(&gate, &call(&net, Method::POST, anybody())).await;
    assert_eq!(reply.unwrap().bytes(), b"good");
    for _ in 0..2 {
        let reply = net.call(&gate, &call(&net, Method::GET, anybody())).await;
        assert!(matches!(reply, Err(Fault::Limited { after }) if after.as_secs() > 400));
    }
}

#[tokio::test]
async fn answers_have_a_largest_size() {
    let declared = serve(|_, _| "x".repeat(2000).into_response()).await;
    assert!(matches!(
        ask(&declared, Method::GET).await,
        Err(Fault::TooLarge { .. })
    ));
    let chunked = serve(|_, _| {
        let parts = (0..100).map(|_| Ok::<_, std::io::Error>("x".repeat(100)));
        Body::from_stream(futures::stream::iter(parts)).into_response()
    })
    .await;
    assert!(matches!(
        ask(&chunked, Method::GET).await,
        Err(Fault::TooLarge { .. })
    ));
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let net = Net::new(&format!("http://{}", listener.local_addr().unwrap()), options()).unwrap();
    let call = Call {
        total: Duration::from_millis(300),
        attempt: Duration::from_millis(100),
        ..call(&net, Method::GET, anybody())
    };
    assert!(matches!(
        net.call(&Gate::default(), &call).await,
        Err(Fault::Late)
    ));
}

#[tokio::test]
async fn credentials_stay_at_their_origin() {
    let stolen = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&stolen);
    let thief = serve(move |_, request| {
        seen.lock().unwrap().push(format!("{:?}", request.headers()));
        "thanks".into_response()
    })
    .await;
    let to = format!("{thief}/thing?token=canary-query");
    let url = serve(move |_, _| (Status::FOUND, [("location", to.clone())]).into_response()).await;
    let net = Net::new(&url, options()).unwrap();
    let token = Secret::from("canary-token");
    let fault = net
        .call(&Gate::default(), &call(&net, Method::GET, Auth::Bearer(&token)))
        .await
        .unwrap_err();
    let elsewhere = Call {
        url: Url::parse(&format!("{thief}/thing")).unwrap(),
        ..call(&net, Method::GET, Auth::Bearer(&token))
    };
    let other = net.call(&Gate::default(), &elsewhere).await.unwrap_err();
    assert!(matches!(other, Fault::Elsewhere));
    assert!(stolen.lock().unwrap().is_empty());
    let shown = format!(
        "{fault:?} {fault} {elsewhere:?} {net:?} {:?}",
        fault.source_text()
    );
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("302"), "{shown}");
}

#[tokio::test]
async fn names_do_not_lead_to_forbidden_addresses() {
    let url = serve(|_, _| "good".into_response()).await;
    let port = Url::parse(&url).unwrap().port().unwrap();
    let allowed = Net::new(&format!("http://localhost:{port}"), options()).unwrap();
    let gate = Gate::default();
    assert!(
        allowed
            .call(&gate, &call(&allowed, Method::GET, anybody()))
            .await
            .is_ok()
    );
    let forbidden = NetOptions {
        plain_http: true,
        attempts: 1,
        ..NetOptions::default()
    };
    let net = Net::new(&format!("http://localhost:{port}"), forbidden).unwrap();
    let reply = net.call(&gate, &call(&net, Method::GET, anybody())).await;
    assert!(matches!(reply, Err(Fault::Unsent(_))), "{reply:?}");
}

#[tokio::test]
async fn a_proxy_may_be_on_this_machine() {
    let proxy = serve(|_, request| format!("to {}", request.uri()).into_response()).await;
    let port = Url::parse(&proxy).unwrap().port().unwrap();
    let through = NetOptions {
        proxy: Some(format!("http://localhost:{port}")),
        plain_http: true,
        ..NetOptions::default()
    };
    let net = Net::new("http://gitlab.invalid", through).unwrap();
    let reply = net
        .call(&Gate::default(), &call(&net, Method::GET, anybody()))
        .await
        .unwrap();
    assert_eq!(reply.bytes(), b"to http://gitlab.invalid/thing");
}

#[test]
fn a_bundle_without_certificates_is_refused() {
    for bundle in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let options = NetOptions {
            ca_bundle: Some(bundle.into()),
            ..NetOptions::default()
        };
        assert!(
            Net::new("https://gitlab.example.com", options).is_err(),
            "{bundle}"
        );
    }
}

impl Fault {
    fn source_text(&self) -> String {
        std::error::Error::source(self).map_or_else(String::new, ToString::to_string)
    }
}
