//! Waiting until what was committed is in place, and saying what is still open.

mod bell;
mod progress;

use std::time::Duration;

use nautes_api::wire::ApplyReply;
use nautes_model::{Identity, Kind};
use nautes_runtime::status_report::{State, StatusNode, StatusTree};
use tokio::time::{Instant, timeout_at};

use self::bell::Bell;
use self::progress::Progress;
use crate::client::Client;
use crate::cmd::status;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, GREEN};
use crate::settings::Settings;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Every resource is ready.
    Ready,
    /// No resource is left.
    Gone,
}

impl Until {
    /// Whether a resource has come so far.
    fn holds(self, node: Option<&StatusNode>) -> bool {
        match self {
            Self::Ready => node.is_some_and(|n| n.state == State::Ready),
            Self::Gone => node.is_none(),
        }
    }

    /// Whether it will not come so far by itself.
    fn is_hopeless(self, node: Option<&StatusNode>) -> bool {
        self == Self::Ready && node.is_some_and(|n| n.state == State::Failed)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Gone => "gone",
        }
    }
}

/// The state of one resource, as it was last seen.
type Seen = (Identity, Option<StatusNode>);

/// Waits for every resource of a reply, and says on stderr what becomes of them.
///
/// # Errors
/// Something failed for good, or is not there in time, or ctrl-C was pressed; the failure names what and the way on.
pub async fn run(
    settings: &Settings,
    client: &Client,
    reply: &ApplyReply,
    until: Until,
    limit: Duration,
) -> Outcome {
    let wanted: Vec<Identity> = reply
        .repositories
        .iter()
        .flat_map(|r| &r.resources)
        .map(|o| o.resource.clone())
        .collect();
    let mut seen: Vec<Seen> = wanted.into_iter().map(|identity| (identity, None)).collect();
    let mut is_known = false;
    let mut progress = Progress::begin(until, settings.is_dumb);
    let ended = tokio::select! {
        ended = watch(client, &mut seen, &mut is_known, until, limit, &mut progress) => ended,
        _ = tokio::signal::ctrl_c() => Ok(End::Interrupted),
    };
    progress.end();
    let open: Vec<&Seen> = seen
        .iter()
        .filter(|(_, node)| !is_known || !until.holds(node.as_ref()))
        .collect();
    let (exit, why) = match ended? {
        End::Reached => {
            output::say(&format!("{GREEN}{}{GREEN:#}: {}", until.word(), seen.len()));
            return Ok(Exit::Clean);
        }
        End::Hopeless => (Exit::Findings, String::new()),
        End::Late => (
            Exit::Findings,
            format!(" after {}", indicatif::HumanDuration(limit)),
        ),
        End::Interrupted => (Exit::Interrupted, "; no longer waiting".to_owned()),
    };
    let verb = match until {
        Until::Ready => "not ready",
        Until::Gone => "still there",
    };
    let message = format!("{} of {} are {verb}{why}", open.len(), seen.len());
    let failure = open
        .iter()
        .fold(Failure::new(exit, message), |failure, (identity, node)| {
            let what = node
                .as_ref()
                .filter(|_| until == Until::Ready)
                .map_or_else(String::new, |n| format!(": {:?} {}", n.state, n.message));
            failure.hint(format!("{identity}{what}").trim_end().to_owned())
        });
    Err(failure.hint(
        "what was committed stays, and the controllers go on with it: nautes status --watch shows it, and the same \
         command again waits on",
    ))
}

/// How the waiting ended.
enum End {
    Reached,
    Hopeless,
    Late,
    Interrupted,
}

async fn watch(
    client: &Client,
    seen: &mut [Seen],
    is_known: &mut bool,
    until: Until,
    limit: Duration,
    progress: &mut Progress,
) -> Result<End, Failure> {
    let product = product(seen);
    let path = status::path("status", product.as_deref());
    let end = Instant::now() + limit;
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let mut bell = Bell::new(client, product, progress.voice());
    let unheard = || Failure::new(Exit::Unavailable, "the status did not come in time");
    loop {
        let tree = match timeout_at(end, client.get::<StatusTree>(&path)).await {
            Ok(Ok(tree)) => Some(tree),
            // A product that is gone has no status, and nothing in it is left.
            Ok(Err(failure)) if failure.exit == Exit::NotFound && until == Until::Gone => {
                Some(StatusTree::default())
            }
            // The server may be restarting; what stays wrong is told at the end.
            Ok(Err(failure)) if failure.exit == Exit::Unavailable => None,
            Ok(Err(failure)) => return Err(failure),
            Err(_) if *is_known => return Ok(End::Late),
            Err(_) => return Err(unheard()),
        };
        if let Some(tree) = tree {
            *is_known = true;
            for (identity, node) in seen.iter_mut() {
                *node = tree.get(identity).cloned();
            }
            progress.show(seen);
            if seen.iter().all(|(_, node)| until.holds(node.as_ref())) {
                return Ok(End::Reached);
            }
            if seen.iter().any(|(_, node)| until.is_hopeless(node.as_ref())) {
                return Ok(End::Hopeless);
            }
        }
        let wanted = |identity: &Identity| seen.iter().any(|(one, _)| one == identity);
        let rung = timeout_at(end, bell.ring(wanted));
        tokio::pin!(rung);
        // On a terminal somebody sees that time goes on.
        let is_late = loop {
            tokio::select! {
                rung = &mut rung => break rung.is_err(),
                _ = seconds.tick() => progress.show(seen),
            }
        };
        if is_late || Instant::now() >= end {
            return if *is_known { Ok(End::Late) } else { Err(unheard()) };
        }
    }
}

/// Returns the product of which everything is, if there is one.
fn product(seen: &[Seen]) -> Option<String> {
    let mut products = seen.iter().map(|(identity, _)| match identity.kind {
        Kind::Product => Some(identity.name.as_str()),
        _ => identity.product.as_ref().map(|p| p.as_str()),
    });
    let first = products.next().flatten();
    first
        .filter(|_| products.all(|other| other == first))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    fn seen(all: &[&str]) -> Vec<Seen> {
        let identity = |text: &&str| {
            let name = |text: &str| text.parse().unwrap();
            match text.split('/').collect::<Vec<_>>().as_slice() {
                ["product", it] => Identity::tenant(Kind::Product, name(it)),
                ["cluster", it] => Identity::tenant(Kind::Cluster, name(it)),
                [product, it] => Identity::product(Kind::Project, product.parse().unwrap(), name(it)),
                _ => panic!("{text}"),
            }
        };
        all.iter().map(|text| (identity(text), None)).collect()
    }

    #[test]
    fn one_product_is_asked_about_alone() {
        assert_eq!(
            product(&seen(&["shop/web", "product/shop", "shop/api"])).as_deref(),
            Some("shop")
        );
        for all in [
            &["shop/web", "books/web"][..],
            &["cluster/live", "shop/web"],
            &["shop/web", "cluster/live"],
            &[],
        ] {
            assert_eq!(product(&seen(all)), None, "{all:?}");
        }
    }

    /// What a server answers to a path, with the id of the last event that somebody has seen.
    type Answers = dyn Fn(&str, Option<&str>) -> String + Send + Sync;

    /// A server that is asked over connections of one request each.
    async fn serve(answers: Arc<Answers>) -> Client {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connection = crate::settings::Connection {
            server: format!("http://{}/", listener.local_addr().unwrap())
                .parse()
                .unwrap(),
            source: None,
            ca_file: None,
            context: None,
        };
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answers = Arc::clone(&answers);
                tokio::spawn(async move {
                    let mut text = String::new();
                    while !text.contains("\r\n\r\n") {
                        let mut some = [0; 4096];
                        let count = stream.read(&mut some).await.unwrap();
                        text.push_str(&String::from_utf8_lossy(&some[..count]));
                    }
                    let path = text.split_whitespace().nth(1).unwrap_or_default();
                    let last = text.lines().find_map(|l| l.strip_prefix("last-event-id: "));
                    let _ = stream.write_all(answers(path, last).as_bytes()).await;
                });
            }
        });
        Client::new(&connection, Duration::from_secs(30)).unwrap()
    }

    fn answer(status: &str, kind: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: {kind}\r\n\r\n{body}")
    }

    fn status(state: &str) -> String {
        let project = serde_json::to_value(seen(&["shop/web"])[0].0.clone()).unwrap();
        let product = serde_json::to_value(seen(&["product/shop"])[0].0.clone()).unwrap();
        let tree = serde_json::json!({ "products": [{
            "resource": product, "state": "Ready",
            "children": [{ "resource": project, "state": state, "message": "so it is" }],
        }] });
        answer("200 OK", "application/json", &tree.to_string())
    }

    fn reply() -> ApplyReply {
        let resource = seen(&["shop/web"]).remove(0).0;
        let resource = serde_json::to_value(resource).unwrap();
        serde_json::from_value(serde_json::json!({
            "message": "done", "requestId": "r",
            "repositories": [{ "repository": "shop/default.project", "resources": [{ "resource": resource, "done": "created" }] }],
        }))
        .unwrap()
    }

    fn settings() -> Settings {
        use clap::Parser as _;
        let cli = crate::cli::Cli::parse_from(["nautes", "version"]);
        Settings::resolve(&cli.global, &crate::settings::Environment::default()).unwrap()
    }

    const LONG: Duration = Duration::from_secs(120);

    #[tokio::test]
    async fn what_breaks_off_is_taken_up_again_where_it_was() {
        let is_ready = Arc::new(AtomicBool::new(false));
        let told = Arc::new(AtomicUsize::new(0));
        let (state, count) = (Arc::clone(&is_ready), Arc::clone(&told));
        let client = serve(Arc::new(move |path, last| {
            if !path.starts_with("/api/v1/watch") {
                return status(if state.load(Ordering::SeqCst) {
                    "Ready"
                } else {
                    "Pending"
                });
            }
            count.fetch_add(1, Ordering::SeqCst);
            let event = match last {
                None => {
                    "id: 7\nevent: reset\ndata: {\"type\":\"reset\",\"reason\":\"begin\",\"items\":[]}\n\n"
                }
                Some("7") => {
                    state.store(true, Ordering::SeqCst);
                    ": heartbeat\n\n"
                }
                Some(other) => panic!("{other}"),
            };
            answer("200 OK", "text/event-stream", event)
        }))
        .await;
        let ended = run(&settings(), &client, &reply(), Until::Ready, LONG).await;
        assert_eq!(ended.unwrap(), Exit::Clean);
        assert!(told.load(Ordering::SeqCst) >= 2);
    }

    #[tokio::test]
    async fn a_server_that_lets_nobody_watch_is_asked_again_and_again() {
        for refusal in ["404 Not Found", "429 Too Many Requests", "503 Busy", "401 Who"] {
            let asked = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&asked);
            let client = serve(Arc::new(move |path, _| {
                if path.starts_with("/api/v1/watch") {
                    return answer(refusal, "application/json", "{}");
                }
                let before = count.fetch_add(1, Ordering::SeqCst);
                status(if before < 3 { "Pending" } else { "Ready" })
            }))
            .await;
            let ended = run(&settings(), &client, &reply(), Until::Ready, LONG).await;
            assert_eq!(ended.unwrap(), Exit::Clean, "{refusal}");
        }
    }

    #[tokio::test]
    async fn what_has_failed_is_not_waited_for() {
        let client = serve(Arc::new(|path, _| {
            assert!(!path.starts_with("/api/v1/watch"), "there is nothing to wait for");
            status("Failed")
        }))
        .await;
        let failure = run(&settings(), &client, &reply(), Until::Ready, LONG)
            .await
            .unwrap_err();
        assert_eq!(failure.exit, Exit::Findings);
        assert!(
            failure.hints[0].contains("Project/shop/web: Failed so it is"),
            "{failure:?}"
        );
    }
}
