//! AMQP by hand: bytes that no client library would send, faster than one would, and by a client that never reads.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use url::Url;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const FRAME_END: u8 = 0xce;

/// Bits of the flags that say which properties follow, in this order.
const HEADERS: u16 = 0x2000;
const DELIVERY_MODE: u16 = 0x1000;
const CORRELATION_ID: u16 = 0x0400;
const REPLY_TO: u16 = 0x0200;

/// Bytes that gather before they are written.
const GATHERED: usize = 128 * 1024;

/// How long a write may make no progress before it is asked again whether to go on.
const PATIENCE: Duration = Duration::from_millis(200);

/// What a message is sent with.
#[derive(Default, Clone, Copy)]
pub struct Properties<'a> {
    pub correlation_id: &'a [u8],
    pub reply_to: &'a [u8],
    /// Names and texts.
    pub headers: &'a [(&'a [u8], &'a str)],
}

/// A connection with one channel.
pub struct Peer {
    socket: TcpStream,
    gathered: Vec<u8>,
}

impl Peer {
    pub fn connect(url: &str) -> Self {
        let url = Url::parse(url).expect("a URL");
        let address = (url.host_str().expect("a host"), url.port().expect("a port"));
        let socket = TcpStream::connect(address).expect("a broker");
        let mut peer = Self { socket, gathered: b"AMQP\0\0\x09\x01".to_vec() };
        peer.receive();
        let password = url.password().expect("a password");
        let plain = format!("\0{}\0{password}", url.username());
        let arguments = [&[0; 4], short(b"PLAIN").as_slice(), &long(plain.as_bytes()), &short(b"en_US")].concat();
        peer.method(0, 10, 11, &arguments);
        peer.receive();
        // 2047 channels, frames of 128 KiB, no heartbeat.
        peer.method(0, 10, 31, &[0x07, 0xff, 0, 2, 0, 0, 0, 0]);
        peer.method(0, 10, 40, &[short(&url.path().as_bytes()[1..]), vec![0, 0]].concat());
        peer.receive();
        peer.method(1, 20, 10, &[0]);
        peer.receive();
        peer
    }

    /// Declares an exclusive queue.
    pub fn declare(&mut self, queue: &str) {
        const EXCLUSIVE: u8 = 0b100;
        self.method(1, 50, 10, &[&[0, 0], short(queue.as_bytes()).as_slice(), &[EXCLUSIVE, 0, 0, 0, 0]].concat());
        assert_eq!(self.receive(), [0, 50, 0, 11], "a queue");
    }

    /// Asks for a queue's messages without acks. What comes is left in the socket.
    pub fn consume(&mut self, queue: &str) {
        const NO_ACK: u8 = 0b10;
        let queue = short(queue.as_bytes());
        self.method(1, 60, 20, &[&[0, 0], queue.as_slice(), &[0, NO_ACK, 0, 0, 0, 0]].concat());
        assert_eq!(self.receive(), [0, 60, 0, 21], "a consumer");
    }

    /// Publishes a persistent message, with what else gathers. `false` where `go_on` said so.
    pub fn publish(
        &mut self,
        (exchange, routing_key): (&str, &str),
        properties: &Properties<'_>,
        body: &[u8],
        go_on: impl Fn() -> bool,
    ) -> bool {
        let destination = [short(exchange.as_bytes()), short(routing_key.as_bytes())].concat();
        self.method(1, 60, 40, &[&[0, 0], destination.as_slice(), &[0]].concat());
        let size = u64::try_from(body.len()).expect("a size").to_be_bytes();
        self.frame(HEADER, 1, &[&[0, 60, 0, 0], size.as_slice(), &encoded(properties)].concat());
        if !body.is_empty() {
            self.frame(BODY, 1, body);
        }
        self.gathered.len() < GATHERED || self.flush(go_on)
    }

    /// Writes what has gathered, for as long as `go_on` says so.
    pub fn flush(&mut self, go_on: impl Fn() -> bool) -> bool {
        self.socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        let mut written = 0;
        while written < self.gathered.len() {
            match self.socket.write(&self.gathered[written..]) {
                Ok(bytes) => written += bytes,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) && go_on() => {}
                // The broker, too, may have had enough.
                Err(_) => return false,
            }
        }
        self.gathered.clear();
        true
    }

    /// Ends in peace: the broker has then taken everything that was written.
    pub fn close(mut self) {
        self.method(0, 10, 50, &[0, 200, 0, 0, 0, 0, 0]);
        assert_eq!(self.receive(), [0, 10, 0, 51], "the broker closes in peace");
    }

    fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let size = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
        self.gathered.push(kind);
        for part in [channel.to_be_bytes().as_slice(), &size, payload, &[FRAME_END]] {
            self.gathered.extend_from_slice(part);
        }
    }

    fn method(&mut self, channel: u16, class: u16, method: u16, arguments: &[u8]) {
        self.frame(METHOD, channel, &[&class.to_be_bytes(), method.to_be_bytes().as_slice(), arguments].concat());
    }

    /// Writes everything; the class and method of the next frame.
    fn receive(&mut self) -> [u8; 4] {
        assert!(self.flush(|| true), "sent");
        let mut head = [0; 7];
        self.socket.read_exact(&mut head).expect("a frame");
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let mut payload = vec![0; usize::try_from(size).expect("a size") + 1];
        self.socket.read_exact(&mut payload).expect("a payload");
        [payload[0], payload[1], payload[2], payload[3]]
    }
}

fn short(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).expect("a short string")], bytes].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [u32::try_from(bytes.len()).expect("a size").to_be_bytes().as_slice(), bytes].concat()
}

fn encoded(properties: &Properties<'_>) -> Vec<u8> {
    let Properties { correlation_id, reply_to, headers } = properties;
    let has = |flag, is_there| if is_there { flag } else { 0 };
    let flags = DELIVERY_MODE
        | has(HEADERS, !headers.is_empty())
        | has(CORRELATION_ID, !correlation_id.is_empty())
        | has(REPLY_TO, !reply_to.is_empty());
    let mut encoded = flags.to_be_bytes().to_vec();
    if !headers.is_empty() {
        let text = |(name, text): &(&[u8], &str)| [short(name), vec![b'S'], long(text.as_bytes())].concat();
        encoded.extend(long(&headers.iter().flat_map(text).collect::<Vec<u8>>()));
    }
    encoded.push(2);
    for text in [*correlation_id, *reply_to] {
        if !text.is_empty() {
            encoded.extend(short(text));
        }
    }
    encoded
}

/// Publishes a persistent message, and returns when the broker has it.
pub fn publish(url: &str, destination: (&str, &str), properties: &Properties<'_>, body: &[u8]) {
    let mut peer = Peer::connect(url);
    assert!(peer.publish(destination, properties, body, || true), "sent");
    peer.close();
}
