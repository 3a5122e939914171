//! Clients that hold connections: idle ones, ones that never read, ones that send half of something.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use super::client::Call;
use super::server::{bet, open, raw};
use crate::e2e::services::Addresses;
use crate::e2e::stage::{Base, Stage};
use crate::patience::{pause, until, within_deadline};

/// More than Purser keeps.
const CROWD: usize = 1200;

/// An answer is prompt where nobody had to be waited out: every deadline for clients is longer.
const PROMPT: Duration = Duration::from_secs(8);

/// Whoever does not read is let go after 30 s. A crowd that is there sooner did not wait for that, however busy the machine
/// is with what it asks: tens of thousands of answers.
const BEFORE_THE_DEAF_ARE_LET_GO: Duration = Duration::from_secs(20);

/// The test holds as many connections as it likes.
fn allow_a_crowd() {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limits.maximum.map(|maximum| maximum.min(16_384)), maximum: limits.maximum };
    setrlimit(Resource::Nofile, raised).expect("files for a crowd");
}

async fn crowd(stage: &Stage, sends: &str, within: Duration) -> Vec<TcpStream> {
    allow_a_crowd();
    let address = stage.url("").trim_start_matches("http://").parse().expect("an address");
    let (mut crowd, began) = (Vec::new(), Instant::now());
    for _ in 0..CROWD {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Takes next to nothing of what it does not read.
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let mut stream = within_deadline("it connects", socket.connect(address)).await.expect("connected");
        // Fails where Purser has let go of it already, which is its right.
        let _ = stream.write_all(sends.as_bytes()).await;
        crowd.push(stream);
    }
    assert!(
        began.elapsed() < within,
        "connecting took {:?}: who comes last waits for whoever came first",
        began.elapsed()
    );
    crowd
}

async fn everybody_else_is_answered_promptly(stage: &Stage) {
    for path in ["/healthz", "/readyz", "/metrics"] {
        let asked = Instant::now();
        let answer = within_deadline(path, Call::new("GET", path).send(stage)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(asked.elapsed() < PROMPT, "{path} took {:?}", asked.elapsed());
    }
    let asked = Instant::now();
    let answer = within_deadline("a bet", bet("prompt").send(stage)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(asked.elapsed() < PROMPT, "a bet took {:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_keep_nobody_out() {
    let stage = open(Base::Sqlite, &Addresses::shared()).await;
    for sends in ["", "GET /hea", "POST /v1/order HTTP/1.1\r\nhost: purser\r\ncontent-length: 9\r\n\r\n{"] {
        let crowd = crowd(&stage, sends, PROMPT).await;
        everybody_else_is_answered_promptly(&stage).await;
        drop(crowd);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_reads_keeps_nobody_out_and_is_let_go() {
    let stage = open(Base::Sqlite, &Addresses::shared()).await;
    let asks = "GET /openapi.json HTTP/1.1\r\nhost: purser\r\n\r\n".repeat(100);
    let mut crowd = crowd(&stage, &asks, BEFORE_THE_DEAF_ARE_LET_GO).await;
    everybody_else_is_answered_promptly(&stage).await;
    // The last of them has pushed out others; its own time comes when it has read nothing for long enough.
    let mut last = crowd.pop().expect("a crowd");
    until("it is let go", async || {
        pause().await;
        last.write_all(b"\r\n").await.is_err()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_will_end_says_so() {
    let stage = open(Base::Sqlite, &Addresses::shared()).await;
    let long = "x".repeat(250 * 1024);
    let whole = |line: &str, body: &str| {
        let length = body.len();
        format!(
            "{line} HTTP/1.1\r\nhost: purser\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let chunked = format!(
        "POST /v1/order HTTP/1.1\r\nhost: purser\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    let cases = [
        (whole("POST /v1/order", &long), "413"),
        (chunked, "413"),
        (whole("POST /v1/nothing", &long), "404"),
        (whole("POST /v1/nothing", "{}"), "404"),
        (whole("POST /metrics", &long), "405"),
        (whole("PUT /v1/order", &long), "405"),
    ];
    tokio::task::spawn_blocking(move || {
        for (request, status) in cases {
            let answer = raw(&stage, &request, Duration::from_secs(5));
            let head = answer.split("\r\n\r\n").next().unwrap_or_default();
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
            assert!(head.contains("connection: close"), "{answer}");
        }
        // What was read to its end may be followed by another request.
        let pair = whole("POST /v1/order", "{}").repeat(2);
        let answers = raw(&stage, &pair, Duration::from_secs(2));
        assert_eq!(answers.matches("HTTP/1.1 400").count(), 2, "{answers}");
        assert!(!answers.contains("connection: close"), "{answers}");
    })
    .await
    .expect("read");
}
