//! A relay in front of Postgres that counts what a session sends, by the type byte of its protocol.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use purser::storage::Database;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// Messages sent so far: `B` bind, `E` execute, `P` parse (prepare), `Q` a plain text query.
#[derive(Clone, Default)]
pub struct Sent(Arc<Mutex<BTreeMap<char, u32>>>);

impl Sent {
    /// What was sent since the last look.
    pub fn take(&self) -> BTreeMap<char, u32> {
        std::mem::take(&mut *self.0.lock().expect("nobody panics while counting"))
    }

    fn count(&self, kind: u8) {
        *self.0.lock().expect("nobody panics while counting").entry(char::from(kind)).or_default() += 1;
    }
}

/// The same database, reached through a relay.
pub async fn tap(database: &Database) -> (Database, Sent) {
    let Database::Postgres(url) = database else { panic!("only Postgres is reached by a wire") };
    let mut url = url::Url::parse(url).expect("a URL");
    let upstream = format!("{}:{}", url.host_str().expect("a host"), url.port().unwrap_or(5432));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    url.set_port(Some(listener.local_addr().expect("an address").port())).expect("a port");
    let sent = Sent::default();
    let counting = sent.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&upstream).await.expect("Postgres answers");
            tokio::spawn(relay(client, server, counting.clone()));
        }
    });
    (Database::Postgres(url.into()), sent)
}

async fn relay(client: TcpStream, server: TcpStream, sent: Sent) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answering = tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
    // The first message has no type byte.
    let mut has_type = false;
    loop {
        let kind = if has_type { from_client.read_u8().await.ok() } else { None };
        let Ok(length) = from_client.read_u32().await else { break };
        let mut body = vec![0; usize::try_from(length).expect("a length").saturating_sub(4)];
        let Ok(_) = from_client.read_exact(&mut body).await else { break };
        let head: Vec<u8> = kind.into_iter().chain(length.to_be_bytes()).collect();
        kind.into_iter().for_each(|kind| sent.count(kind));
        if to_server.write_all(&[head, body].concat()).await.is_err() {
            break;
        }
        has_type = true;
    }
    answering.abort();
}
