//! AMQP by hand: bytes that no client library would send, and that the broker takes all the same.

use std::io::{Read, Write};
use std::net::TcpStream;

use url::Url;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const FRAME_END: u8 = 0xce;

/// Which properties follow: the delivery mode and the correlation id.
const FLAGS: u16 = 0x1000 | 0x0400;

struct Peer(TcpStream);

impl Peer {
    fn send(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let size = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
        let frame = [&[kind], channel.to_be_bytes().as_slice(), &size, payload, &[FRAME_END]].concat();
        self.0.write_all(&frame).expect("sent");
    }

    fn method(&mut self, channel: u16, class: u16, method: u16, arguments: &[u8]) {
        self.send(METHOD, channel, &[&class.to_be_bytes(), method.to_be_bytes().as_slice(), arguments].concat());
    }

    /// The class and method of the next frame.
    fn receive(&mut self) -> [u8; 4] {
        let mut head = [0; 7];
        self.0.read_exact(&mut head).expect("a frame");
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let mut payload = vec![0; usize::try_from(size).expect("a size") + 1];
        self.0.read_exact(&mut payload).expect("a payload");
        [payload[0], payload[1], payload[2], payload[3]]
    }
}

fn short(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).expect("a short string")], bytes].concat()
}

/// Publishes a persistent message with these bytes as its correlation id, and returns when the broker has it.
pub fn publish(url: &str, exchange: &str, routing_key: &str, correlation_id: &[u8], body: &[u8]) {
    let url = Url::parse(url).expect("a URL");
    let address = (url.host_str().expect("a host"), url.port().expect("a port"));
    let mut peer = Peer(TcpStream::connect(address).expect("a broker"));
    peer.0.write_all(b"AMQP\0\0\x09\x01").expect("sent");
    peer.receive();
    let password = url.password().expect("a password");
    let plain = format!("\0{}\0{password}", url.username());
    let size = u32::try_from(plain.len()).expect("a size").to_be_bytes();
    peer.method(0, 10, 11, &[&[0; 4], short(b"PLAIN").as_slice(), &size, plain.as_bytes(), &short(b"en_US")].concat());
    peer.receive();
    // 2047 channels, frames of 128 KiB, no heartbeat.
    peer.method(0, 10, 31, &[0x07, 0xff, 0, 2, 0, 0, 0, 0]);
    peer.method(0, 10, 40, &[short(&url.path().as_bytes()[1..]), vec![0, 0]].concat());
    peer.receive();
    peer.method(1, 20, 10, &[0]);
    peer.receive();
    let destination = [short(exchange.as_bytes()), short(routing_key.as_bytes())].concat();
    peer.method(1, 60, 40, &[&[0, 0], destination.as_slice(), &[0]].concat());
    let size = u64::try_from(body.len()).expect("a size").to_be_bytes();
    let properties = [FLAGS.to_be_bytes().as_slice(), &[2], &short(correlation_id)].concat();
    peer.send(HEADER, 1, &[&[0, 60, 0, 0], size.as_slice(), &properties].concat());
    peer.send(BODY, 1, body);
    peer.method(0, 10, 50, &[0, 200, 0, 0, 0, 0, 0]);
    assert_eq!(peer.receive(), [0, 10, 0, 51], "the broker closes in peace");
}
