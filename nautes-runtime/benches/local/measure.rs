//! What is measured of one server.

use std::time::Instant;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
};
use serde_json::{Value, json};

use crate::{Size, server::Target};

/// Requests that are under way at once where several are.
const AT_ONCE: usize = 16;

/// The numbers of one server, each with what it says.
pub(crate) struct Numbers {
    pub(crate) name: String,
    pub(crate) rows: Vec<(String, f64)>,
}

fn map(name: &str, value: usize) -> ConfigMap {
    serde_json::from_value(body(name, value)).unwrap()
}

fn body(name: &str, value: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": "bench"}},
        "data": {"value": value.to_string(), "text": "a line of text that some program reads\n".repeat(5)}})
}

/// How often a second something is done `count` times.
async fn rate<F: Future<Output = ()>>(count: usize, at_once: usize, mut each: impl FnMut(usize) -> F) -> f64 {
    let begin = Instant::now();
    stream::iter(0..count)
        .map(&mut each)
        .buffer_unordered(at_once)
        .collect::<()>()
        .await;
    count as f64 / begin.elapsed().as_secs_f64()
}

pub(crate) async fn measure(target: &Target, size: Size) -> Numbers {
    let client = &target.client;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = format!("bench-{:06x}", rand::random::<u32>() & 0xff_ffff);
    let wanted = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    namespaces
        .create(&PostParams::default(), &serde_json::from_value(wanted).unwrap())
        .await
        .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let mut rows = vec![("memory at first, MB".to_owned(), target.memory())];
    let mut row = |label: String, value: f64| rows.push((label, value));
    // The long lists come first: what the memory has grown by is theirs then.
    lists(target, &maps, size, &mut row).await;

    for at_once in [1, AT_ONCE] {
        let label = |what: &str| match at_once {
            1 => format!("{what} a second"),
            many => format!("{what} a second, {many} at once"),
        };
        let (post, name) = (PostParams::default(), |index| format!("m{at_once}-{index}"));
        let creates = rate(size.requests, at_once, async |index| {
            maps.create(&post, &map(&name(index), 0)).await.unwrap();
        });
        row(label("creates"), creates.await);
        let gets = rate(size.requests, at_once, async |index| {
            maps.get(&name(index)).await.unwrap();
        });
        row(label("gets"), gets.await);
        let apply = PatchParams::apply("bench").force();
        // The first apply takes the fields over; the second finds everything as it is.
        for (what, value) in [("applies that change", 1), ("applies that change nothing", 1)] {
            let applies = rate(size.requests, at_once, async |index| {
                let name = name(index);
                maps.patch(&name, &apply, &Patch::Apply(body(&name, value)))
                    .await
                    .unwrap();
            });
            row(label(what), applies.await);
        }
    }
    row(
        format!("until {} watchers know, ms", size.watchers),
        fan_out(&maps, size.watchers).await,
    );
    row("memory at last, MB".to_owned(), target.memory());
    let _ = namespaces.delete(&namespace, &DeleteParams::default()).await;
    Numbers {
        name: target.name.clone(),
        rows,
    }
}

/// The middle of some times in milliseconds, from the call of a create to the last watcher that knows of it.
async fn fan_out(maps: &Api<ConfigMap>, watchers: usize) -> f64 {
    let now = maps.list_metadata(&ListParams::default()).await.unwrap();
    let from = now.metadata.resource_version.unwrap();
    let mut streams = Vec::new();
    for _ in 0..watchers {
        streams.push(maps.watch(&WatchParams::default(), &from).await.unwrap().boxed());
    }
    let mut times = Vec::new();
    for round in 0..11 {
        let begin = Instant::now();
        maps.create(&PostParams::default(), &map(&format!("w-{round}"), 0))
            .await
            .unwrap();
        for stream in &mut streams {
            while !matches!(stream.try_next().await.unwrap(), Some(WatchEvent::Added(_))) {}
        }
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Many objects: what they weigh, and how long it takes to list them.
async fn lists(target: &Target, maps: &Api<ConfigMap>, size: Size, row: &mut impl FnMut(String, f64)) {
    let before = target.memory();
    let post = PostParams::default();
    rate(size.objects, AT_ONCE, async |index| {
        maps.create(&post, &map(&format!("l-{index}"), 0)).await.unwrap();
    })
    .await;
    row(
        format!("memory with {} objects, MB", size.objects),
        target.memory(),
    );
    let each = (target.memory() - before) * 1024.0 / size.objects as f64;
    row("memory for each object, kB".to_owned(), each);
    let (mut whole, mut pieces) = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let begin = Instant::now();
        let found = maps.list(&ListParams::default()).await.unwrap().items.len();
        whole = whole.min(begin.elapsed().as_secs_f64() * 1e3);
        assert!(found >= size.objects);
        let begin = Instant::now();
        let mut params = ListParams::default().limit(500);
        loop {
            let piece = maps.list(&params).await.unwrap();
            match piece.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => break,
            }
        }
        pieces = pieces.min(begin.elapsed().as_secs_f64() * 1e3);
    }
    row(format!("a list of {} and more, ms", size.objects), whole);
    row("the same in pieces of 500, ms".to_owned(), pieces);
    row("memory after them, MB".to_owned(), target.memory());
}
