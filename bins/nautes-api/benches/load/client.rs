//! A connection that is kept, and what requests over many of them take. It does as little as it can: what the generator
//! takes of the processor, the server lacks.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::server::Server;

/// A connection to the server.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::with_capacity(1 << 16),
        }
    }

    /// Sends a request and reads its answer: the status and the body.
    pub(crate) async fn send(&mut self, request: &[u8]) -> (u16, &[u8]) {
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        let head = loop {
            assert!(
                self.stream.read_buf(&mut self.buffer).await.unwrap() > 0,
                "it closes"
            );
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let text = std::str::from_utf8(&self.buffer[..head]).unwrap();
        let status = text[9..12].parse().unwrap();
        let length: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .expect("answers say how long they are")
            .parse()
            .unwrap();
        while self.buffer.len() < head + length {
            assert!(
                self.stream.read_buf(&mut self.buffer).await.unwrap() > 0,
                "it closes"
            );
        }
        (status, &self.buffer[head..])
    }
}

/// The bytes of a request.
pub(crate) fn request(server: &Server, method: &str, path: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        server.token,
        body.len()
    )
    .into_bytes()
}

/// What requests took.
pub(crate) struct Took {
    all: Vec<f64>,
    clock: f64,
    generator: f64,
    server: f64,
}

impl Took {
    /// Measures `work`, which returns what each of its requests took.
    pub(crate) async fn measure(server: &Server, work: impl Future<Output = Vec<Duration>>) -> Self {
        let (clock, own, theirs) = (Instant::now(), ProcessTime::now(), server.processor());
        let all = work.await;
        let mut all: Vec<f64> = all.iter().map(|t| t.as_secs_f64() * 1000.0).collect();
        all.sort_by(f64::total_cmp);
        Self {
            all,
            clock: clock.elapsed().as_secs_f64(),
            generator: own.elapsed().as_secs_f64(),
            server: server.processor() - theirs,
        }
    }

    fn least_of(&self, share: f64) -> f64 {
        let at = (self.all.len() as f64 * share).ceil() as usize;
        self.all[at.clamp(1, self.all.len()) - 1]
    }

    /// How many requests fit into so many seconds.
    pub(crate) fn in_seconds(&self, seconds: f64) -> usize {
        (self.all.len() as f64 * seconds / self.clock) as usize
    }

    /// A row of a table: requests per second, latencies, and who used the processor.
    pub(crate) fn row(&self, name: &str) -> String {
        let cores = |seconds: f64| seconds / self.clock;
        format!(
            "| {name} | {:.0} | {:.1} ms | {:.1} ms | {:.1} ms | {:.2} | {:.2} | {:.0} µs |",
            self.all.len() as f64 / self.clock,
            self.least_of(0.5),
            self.least_of(0.99),
            self.all.last().unwrap(),
            cores(self.server),
            cores(self.generator),
            self.server * 1e6 / self.all.len() as f64
        )
    }
}

/// Sends the same request `count` times over `connections`, as fast as answers come, or `pace` in a second. Where there is
/// a pace, what a request takes is counted from when it was due: a server that falls behind is not spared.
pub(crate) async fn repeat(
    server: &Server,
    request: Vec<u8>,
    count: usize,
    connections: usize,
    pace: Option<f64>,
) -> Vec<Duration> {
    let request: Rc<[u8]> = request.into();
    let next = Rc::new(Cell::new(0_usize));
    let local = LocalSet::new();
    let begun = Instant::now();
    let mut workers = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(server).await;
        let (request, next) = (Rc::clone(&request), Rc::clone(&next));
        workers.push(local.spawn_local(async move {
            let mut took = Vec::new();
            loop {
                let number = next.get();
                if number >= count {
                    return took;
                }
                next.set(number + 1);
                let due = match pace {
                    Some(pace) => begun + Duration::from_secs_f64(number as f64 / pace),
                    None => Instant::now(),
                };
                tokio::time::sleep_until(due.into()).await;
                let (status, body) = connection.send(&request).await;
                assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
                took.push(due.elapsed());
            }
        }));
    }
    local
        .run_until(async {
            let mut all = Vec::with_capacity(count);
            for worker in workers {
                all.extend(worker.await.unwrap());
            }
            all
        })
        .await
}
