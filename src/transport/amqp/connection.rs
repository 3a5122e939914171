//! Opening a connection: one node after another, each by one address after another, until somebody lets us in.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::tcp::RustlsConnector;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};

use super::AmqpSettings;
use super::legible::{self, Mended};
use super::nodes::Node;
use super::session::SessionError;

/// Seconds between heartbeats where the URL does not say: a silent peer is noticed after twice that.
const HEARTBEAT: u16 = 10;

/// Addresses of one host that are tried: more than any cluster has nodes behind one name.
const MAX_ADDRESSES: usize = 8;

/// A node that is not to be had, by host and port, and why not.
#[derive(Debug)]
pub struct Unreachable {
    pub place: String,
    pub error: SessionError,
}

pub(super) fn told(nodes: &[Unreachable]) -> String {
    nodes.iter().map(|node| format!("{}: {}", node.place, node.error)).collect::<Vec<_>>().join("; ")
}

/// Opens a connection.
pub async fn connect(settings: &AmqpSettings) -> Result<Connection, SessionError> {
    connect_and_mark(settings, None).await.map(|(connection, _)| connection)
}

/// Opens a connection to the first node that lets us in. What is delivered over it and could not be read as it came is
/// marked.
pub(crate) async fn connect_and_mark(
    settings: &AmqpSettings,
    mended: Option<Mended>,
) -> Result<(Connection, Node), SessionError> {
    let nodes = &settings.nodes;
    let mut unreachable = Vec::new();
    for node in nodes.in_turn() {
        match connect_to(settings, node, mended.clone()).await {
            Ok(connection) => {
                nodes.note_success(node);
                return Ok((connection, node));
            }
            Err(error) => {
                nodes.note_loss(node);
                unreachable.push(Unreachable { place: nodes.place(node), error });
            }
        }
    }
    nodes.note_failed_round();
    Err(SessionError::Unreachable(unreachable))
}

/// Opens a connection to this node, by the first of its addresses that answers.
pub(crate) async fn connect_to(
    settings: &AmqpSettings,
    node: Node,
    mended: Option<Mended>,
) -> Result<Connection, SessionError> {
    let mut uri = settings.nodes.uri(node).map_err(SessionError::Url)?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    let configured = uri.query.connection_timeout.map(Duration::from_millis);
    let patience = configured.unwrap_or_else(|| settings.nodes.patience(1));
    let looking_up = tokio::net::lookup_host((uri.authority.host.clone(), uri.authority.port));
    let found = tokio::time::timeout(patience, looking_up).await.map_err(|_| SessionError::Slow(patience))?;
    let found: Vec<SocketAddr> = found.map_err(lapin::Error::from)?.take(MAX_ADDRESSES).collect();
    let patience = configured.unwrap_or_else(|| settings.nodes.patience(found.len()));
    let mut last = SessionError::Slow(patience);
    for address in found {
        let greeting = greet(settings, uri.clone(), (address, patience), mended.clone());
        let connecting = tokio::time::timeout(patience, greeting);
        match connecting.await.unwrap_or(Err(SessionError::Slow(patience))) {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Ends when the connection is lost. lapin may leave whoever works on such a connection waiting for ever, be it for an
/// answer or for the socket to take an ack. One at a time listens.
pub fn lost(connection: &Connection) -> impl Future<Output = lapin::Error> + Send + use<> {
    let (mut events, status) = (connection.events_listener().boxed(), connection.status().clone());
    async move {
        // What came before anybody listened is told to nobody.
        if !status.connected() {
            return std::io::Error::from(std::io::ErrorKind::NotConnected).into();
        }
        while let Some(event) = events.next().await {
            if let lapin::Event::Error(error) = event
                && !status.connected()
            {
                return error;
            }
        }
        std::future::pending().await
    }
}

async fn greet(
    settings: &AmqpSettings,
    uri: AMQPUri,
    (address, patience): (SocketAddr, Duration),
    mended: Option<Mended>,
) -> Result<Connection, SessionError> {
    let properties = ConnectionProperties::default().with_connection_name("purser".into());
    let tls = match uri.scheme {
        AMQPScheme::AMQPS => Some(RustlsConnector::from(settings.tls.client_config()?)),
        AMQPScheme::AMQP => None,
    };
    let dial = async move |uri: AMQPUri, _| {
        Ok(legible::dial(&uri, (address.ip(), patience), tls.as_ref(), mended.clone()).await?)
    };
    let connecting = Connection::connector(uri, legible::runtime(), dial, properties);
    connecting.await.map_err(|error| match settings.tls.explain(&error) {
        Some(why) => SessionError::Refused(why),
        None => error.into(),
    })
}
