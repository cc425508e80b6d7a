//! Watching: server-sent events.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use nautes_api::{App, Settings, WatchLimits, router};
use nautes_model::Secret;
use nautes_runtime::controller::reconcile_all;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::support::{World, pipelines, product};

/// So long that only a fault makes a test wait for it.
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn limits() -> WatchLimits {
    WatchLimits {
        heartbeat: LONG,
        recheck: LONG,
        lifetime: LONG,
        patience: LONG,
        ..WatchLimits::default()
    }
}

pub(crate) struct Api {
    app: App,
    router: Router,
}

impl Api {
    pub(crate) fn of(world: &World, limits: WatchLimits) -> Self {
        let app = App::with_watch(world.platform.clone(), limits);
        let settings = Settings::on(SocketAddr::from(([127, 0, 0, 1], 0)));
        let router = router(app.clone(), &settings);
        Self { app, router }
    }

    pub(crate) async fn open(&self, token: &Secret, query: &str, last: Option<&str>) -> Stream {
        let mut request = Request::builder()
            .uri(format!("/api/v1/watch{query}"))
            .header("authorization", format!("Bearer {}", token.expose_str().unwrap()));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = self
            .router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        Stream {
            status: response.status(),
            content_type: response.headers()["content-type"].to_str().unwrap().to_owned(),
            body: response.into_body(),
            text: String::new(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) event: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

pub(crate) struct Stream {
    status: StatusCode,
    content_type: String,
    body: Body,
    text: String,
}

impl Stream {
    /// The next block: an event or a comment. `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let frame = tokio::time::timeout(LONG, self.body.frame()).await;
            let bytes = frame.expect("something comes")?.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name));
                line.map(|v| v.trim().to_owned()).unwrap_or_default()
            };
            if block.starts_with(':') {
                continue;
            }
            let data = serde_json::from_str(&field("data:")).unwrap();
            let told = Told {
                event: field("event:"),
                id: field("id:"),
                data,
            };
            assert_eq!(told.data["type"], told.event.as_str());
            return Some(told);
        }
    }

    /// Reads on until something holds.
    pub(crate) async fn until(&mut self, holds: impl Fn(&Told) -> bool) -> Told {
        loop {
            let told = self.next().await.expect("it comes before the end");
            if holds(&told) {
                return told;
            }
        }
    }

    /// Reads on until the end, and returns why it ended.
    async fn end(&mut self) -> String {
        let last = self.until(|told| told.event == "end").await;
        assert!(self.block().await.is_none(), "the end is the last");
        assert!(!last.data["hint"].as_str().unwrap().is_empty());
        last.data["reason"].as_str().unwrap().to_owned()
    }
}

fn is_ready(told: &Told, name: &str) -> bool {
    told.event == "status"
        && told.data["item"]["resource"]["name"] == name
        && told.data["item"]["state"] == "Ready"
}

fn names(reset: &Told) -> Vec<String> {
    assert_eq!(reset.event, "reset");
    let items = reset.data["items"].as_array().unwrap();
    let name = |item: &Value| {
        let of = &item["resource"];
        format!(
            "{} {}",
            of["kind"].as_str().unwrap(),
            of["name"].as_str().unwrap()
        )
    };
    items.iter().map(name).collect()
}

async fn world() -> World {
    let world = World::new().await;
    world.serve_kinds().await;
    let text = [
        pipelines(),
        product("shop", "pipelines"),
        product("books", "pipelines"),
    ]
    .join("---\n");
    world.apply(&world.admin, &text).await;
    reconcile_all(&world.platform).await.unwrap();
    world
}

fn project(name: &str) -> String {
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\n\
         spec: {{name: {name}, product: shop, language: go}}\n"
    )
}

#[tokio::test]
async fn what_happens_is_told_and_what_was_missed_is_told_again() {
    let world = world().await;
    let api = Api::of(&world, limits());
    let mark = world.cluster.audit().mark();
    let mut all = api.open(&world.admin, "", None).await;
    assert_eq!(all.status, StatusCode::OK);
    assert_eq!(all.content_type, "text/event-stream");
    let mut shop = api
        .open(
            &world.admin,
            "?product=shop&kind=proj&events=status,removed",
            None,
        )
        .await;
    let begin = all.next().await.unwrap();
    assert_eq!(begin.data["reason"], "begin");
    assert!(
        names(&begin).contains(&"Cluster pipelines".to_owned()),
        "{begin:?}"
    );
    assert!(names(&begin).contains(&"Product books".to_owned()));
    let first = shop.next().await.unwrap();
    assert_eq!(names(&first), ["Project web"], "only what was asked for");
    let lists = world
        .cluster
        .audit()
        .since(mark)
        .into_iter()
        .filter(|e| e.verb == "list");
    assert_eq!(
        lists.count(),
        nautes_model::kind::KINDS.len(),
        "one follower for all watchers"
    );

    world.apply(&world.admin, &project("api")).await;
    reconcile_all(&world.platform).await.unwrap();
    let ready = shop.until(|told| is_ready(told, "api")).await;
    let tip = world.tip("shop/default.project").await.unwrap();
    assert_eq!(ready.data["item"]["revision"], tip.as_str());
    assert_eq!(
        all.until(|told| is_ready(told, "api")).await.id,
        ready.id,
        "one order for all"
    );
    drop(shop);

    let path = "/api/v1/products/shop/projects/api";
    let gone = world
        .call(&world.admin, axum::http::Method::DELETE, path, Value::Null)
        .await;
    assert_eq!(gone.status, StatusCode::OK, "{:#}", gone.body);
    reconcile_all(&world.platform).await.unwrap();
    all.until(|told| told.event == "removed" && told.data["resource"]["name"] == "api")
        .await;

    let mut again = api
        .open(&world.admin, "?product=shop&kind=proj", Some(&ready.id))
        .await;
    let missed = again.until(|told| told.event != "status").await;
    assert_eq!(missed.event, "removed", "no reset: {missed:?}");

    for lost in ["0000000000000000-1", "nonsense"] {
        let mut anew = api
            .open(&world.admin, "?product=shop&kind=proj", Some(lost))
            .await;
        let reset = anew.next().await.unwrap();
        assert_eq!(reset.data["reason"], "expired");
        assert_eq!(names(&reset), ["Project web"]);
    }
}

#[tokio::test]
async fn an_id_that_is_too_old_gets_everything_anew() {
    let world = world().await;
    let api = Api::of(&world, WatchLimits { kept: 1, ..limits() });
    let mut stream = api.open(&world.admin, "?product=shop", None).await;
    let begin = stream.next().await.unwrap();
    world.apply(&world.admin, &project("api")).await;
    reconcile_all(&world.platform).await.unwrap();
    stream.until(|told| is_ready(told, "api")).await;
    let mut late = api
        .open(&world.admin, "?product=shop&kind=project", Some(&begin.id))
        .await;
    let reset = late.next().await.unwrap();
    assert_eq!(reset.data["reason"], "expired");
    assert_eq!(names(&reset), ["Project api", "Project web"]);
}

#[tokio::test]
async fn nobody_is_told_of_what_he_may_not_read() {
    let world = world().await;
    let api = Api::of(&world, limits());
    let other = world.user("other").await;
    let mut stream = api.open(&other, "", None).await;
    assert!(names(&stream.next().await.unwrap()).is_empty());
    let refused = api.open(&other, "?product=shop", None).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    for bad in [
        "?kind=nonsense",
        "?events=nonsense",
        "?timeout=-1",
        "?produkt=shop",
    ] {
        assert_eq!(
            api.open(&other, bad, None).await.status,
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_new_product_is_told_at_once_to_its_owner_and_to_nobody_else() {
    let world = world().await;
    // So long that only the event itself can be the reason.
    let never = Duration::from_secs(100_000);
    let api = Api::of(
        &world,
        WatchLimits {
            recheck: never,
            lifetime: never,
            ..limits()
        },
    );
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let mut of_ann = api.open(&ann, "", None).await;
    let mut of_bob = api.open(&bob, "", None).await;
    let begin = of_ann.next().await.unwrap();
    assert!(names(&begin).is_empty());
    of_bob.next().await.unwrap();

    world.apply(&ann, &product("toys", "pipelines")).await;
    reconcile_all(&world.platform).await.unwrap();
    let told = of_ann
        .until(|told| told.event == "status" && told.data["item"]["resource"]["kind"] == "Product")
        .await;
    assert_eq!(told.data["item"]["resource"]["name"], "toys");
    of_ann.until(|told| is_ready(told, "web")).await;
    world.apply(&bob, &product("garden", "pipelines")).await;
    reconcile_all(&world.platform).await.unwrap();
    let first = of_bob.next().await.unwrap();
    let of = &first.data["item"]["resource"];
    let product = of["product"].as_str().or_else(|| of["name"].as_str());
    assert_eq!(
        product,
        Some("garden"),
        "toys are none of his business: {first:?}"
    );

    // Whoever comes back has missed nothing of it.
    let mut again = api.open(&ann, "?kind=project", Some(&begin.id)).await;
    let missed = again.until(|told| is_ready(told, "web")).await;
    assert_eq!(missed.data["item"]["resource"]["product"], "toys");
}

#[tokio::test]
async fn a_revoked_token_ends_it() {
    let world = world().await;
    let often = Duration::from_millis(20);
    let api = Api::of(
        &world,
        WatchLimits {
            recheck: often,
            ..limits()
        },
    );
    let mut stream = api.open(&world.admin, "?product=shop", None).await;
    stream.next().await.unwrap();
    world.forge.admin().revoke_tokens("admin").await.unwrap();
    assert_eq!(stream.end().await, "rights");
}

#[tokio::test]
async fn a_slow_reader_is_cut_off_and_told() {
    let world = world().await;
    let api = Api::of(
        &world,
        WatchLimits {
            waiting: 1,
            patience: Duration::from_millis(20),
            ..limits()
        },
    );
    let mut stream = api.open(&world.admin, "", None).await;
    let mut quick = api.open(&world.admin, "?product=shop&events=removed", None).await;
    quick.next().await.unwrap();
    for name in ["a", "b", "c"] {
        world.apply(&world.admin, &project(name)).await;
        reconcile_all(&world.platform).await.unwrap();
    }
    assert_eq!(stream.end().await, "slow");
}

#[tokio::test]
async fn one_caller_cannot_take_all_places() {
    let world = world().await;
    let api = Api::of(
        &world,
        WatchLimits {
            per_caller: 1,
            ..limits()
        },
    );
    let first = api.open(&world.admin, "?product=shop", None).await;
    assert_eq!(first.status, StatusCode::OK);
    let second = api.open(&world.admin, "?product=shop", None).await;
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
    let other = world.user("other").await;
    assert_eq!(api.open(&other, "", None).await.status, StatusCode::OK);
    drop(first);
    // The place is free when the server has noticed.
    while api.open(&world.admin, "?product=shop", None).await.status != StatusCode::OK {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_gives_signs_of_life_and_ends_with_the_time_or_the_server() {
    let world = world().await;
    let often = Duration::from_millis(5);
    let api = Api::of(
        &world,
        WatchLimits {
            heartbeat: often,
            ..limits()
        },
    );
    let mut stream = api.open(&world.admin, "?product=shop", None).await;
    stream.next().await.unwrap();
    assert_eq!(stream.block().await.unwrap(), ": heartbeat");
    let mut short = api.open(&world.admin, "?product=shop&timeout=0", None).await;
    assert_eq!(short.end().await, "time");
    api.app.close();
    assert_eq!(stream.end().await, "shutdown");
}
