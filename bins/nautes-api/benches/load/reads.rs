//! Reads of one large product.

use crate::Size;
use crate::client::{Connection, Took, repeat, request};
use crate::server::Server;

/// Connections that are kept at once.
const CONNECTIONS: usize = 16;
/// The pace that is aimed at, in requests a second.
const PACE: f64 = 2_000.0;
/// How often memory is looked at.
const LOOKS: usize = 10;

/// The manifests of a product with so many resources: a third of each of three kinds.
fn product(resources: usize) -> String {
    let mut text = String::from(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Product\n\
         spec: {name: shop, git: {gitlab: {visibility: private, description: large}}}\n",
    );
    for i in 0..resources / 3 {
        text.push_str(&format!(
            "---\napiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\n\
             spec: {{name: project-{i}, product: shop, language: {}}}\n\
             ---\napiVersion: nautes.resource.nautes.io/v1alpha1\nkind: CodeRepo\n\
             spec: {{name: source-{i}, product: shop, project: project-{i}, git: {{gitlab: {{visibility: private}}}}}}\n\
             ---\napiVersion: nautes.resource.nautes.io/v1alpha1\nkind: CodeRepo\n\
             spec: {{name: deploy-{i}, product: shop, project: project-{i}, deploymentRuntime: true, git: {{gitlab: \
             {{visibility: private}}}}}}\n",
            if i % 10 == 0 { "rust" } else { "go" }
        ));
    }
    text
}

pub(crate) async fn measure(size: Size) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let files = serde_json::json!({ "files": [{ "name": "shop.yaml", "text": product(size.resources) }] });
    let apply = request(&server, "POST", "/api/v1/apply", &files.to_string());
    let mut connection = Connection::open(&server).await;
    let (status, body) = connection.send(&apply).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));

    println!(
        "\n| read, of {} resources | a second | half in | 99 of 100 in | longest | cores of the server | of the generator | each |",
        size.resources
    );
    println!("|---|---|---|---|---|---|---|---|");
    let get = "/api/v1/products/shop/projects/project-7";
    for (name, path) in [
        ("one resource", get),
        (
            "a list by a selector",
            "/api/v1/products/shop/projects?field_selector=language%3Drust",
        ),
        ("the status of the product", "/api/v1/status/shop"),
    ] {
        let get = || request(&server, "GET", path, "");
        repeat(&server, get(), CONNECTIONS * 4, CONNECTIONS, None).await;
        // What is slow is not repeated for minutes.
        let probe = Took::measure(
            &server,
            repeat(&server, get(), CONNECTIONS * 4, CONNECTIONS, None),
        )
        .await;
        let count = size.requests.min(probe.in_seconds(20.0)).max(CONNECTIONS);
        let fast = repeat(&server, get(), count, CONNECTIONS, None);
        println!(
            "{}",
            Took::measure(&server, fast)
                .await
                .row(&format!("{name}, as fast as it goes"))
        );
        let paced = repeat(&server, get(), count, CONNECTIONS * 4, Some(PACE));
        println!(
            "{}",
            Took::measure(&server, paced)
                .await
                .row(&format!("{name}, {PACE} a second"))
        );
    }

    print!("\n| requests |");
    let mut memory = vec![server.memory()];
    for _ in 0..LOOKS {
        let some = size.steady / LOOKS;
        repeat(&server, request(&server, "GET", get, ""), some, CONNECTIONS, None).await;
        memory.push(server.memory());
    }
    for look in 0..=LOOKS {
        print!(" {} |", look * size.steady / LOOKS);
    }
    println!("\n|---|{}", "---|".repeat(LOOKS + 1));
    println!(
        "| memory, MB |{}",
        memory.iter().map(|m| format!(" {m:.0} |")).collect::<String>()
    );
}
