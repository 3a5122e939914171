//! Where a request comes from: the address that its sender has, and whether it can only have been sent from this machine.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::{HeaderMap, header};

use crate::config::Network;

/// What is known beforehand of where requests come from.
#[derive(Debug, Clone)]
pub struct Origins {
    /// Whether the listener can only be reached from this machine.
    pub is_loopback: bool,
    /// Proxies whose word is taken.
    pub trusted: Arc<[Network]>,
}

/// What proxies put into requests that they pass on.
const FORWARDING: [&str; 4] = ["forwarded", "via", "x-real-ip", "x-client-ip"];
const FORWARDING_PREFIX: &str = "x-forwarded-";

/// The sender's address. A trusted proxy says in `X-Forwarded-For` who connected to it, as the last of the list; whoever
/// that is may have written all that stands before. So the list is read from its end, for as long as proxies are trusted.
pub fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut sender = peer.to_canonical();
    let lists = headers.get_all("x-forwarded-for").iter().rev();
    for list in lists {
        // A list that is no text says nothing.
        for entry in list.to_str().unwrap_or_default().rsplit(',') {
            if !is_trusted(sender) {
                return sender;
            }
            let Some(before) = parse(entry.trim()) else { return sender };
            sender = before.to_canonical();
        }
    }
    sender
}

/// An address, which some proxies write with its port.
fn parse(entry: &str) -> Option<IpAddr> {
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    entry.parse().ok().or_else(with_port)
}

/// Whether a request came from this machine, to this machine, and was passed on by nobody: the peer and the name that it
/// was sent to are loopback, and nothing in it is a proxy's.
pub fn is_local(peer: IpAddr, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, another) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next());
    let is_forwarded = |name: &str| FORWARDING.contains(&name) || name.starts_with(FORWARDING_PREFIX);
    peer.to_canonical().is_loopback()
        && host.is_some_and(is_loopback_name)
        && another.is_none()
        && !headers.keys().any(|name| is_forwarded(name.as_str()))
}

/// Whether a `Host` names this machine to itself. A page elsewhere can have its own name lead here, but not call it so.
fn is_loopback_name(host: &str) -> bool {
    if let Some(address) = parse(host.trim_start_matches('[').trim_end_matches(']')).or_else(|| parse(host)) {
        return address.to_canonical().is_loopback();
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<Vec<_>>()
            .into_iter()
            .fold(HeaderMap::new(), |mut headers, (name, value): (axum::http::HeaderName, axum::http::HeaderValue)| {
                headers.append(name, value);
                headers
            })
    }

    #[test]
    fn the_sender_is_whom_the_first_untrusted_hop_from_the_end_names() {
        let trusted = ["127.0.0.1", "10.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap());
        for (peer, lists, expected) in [
            ("127.0.0.1", vec![], "127.0.0.1"),
            ("127.0.0.1", vec!["198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", vec!["1.2.3.4, 198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", vec!["1.2.3.4", "198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", vec!["1.2.3.4, 198.51.100.7, 10.1.1.1"], "198.51.100.7"),
            ("127.0.0.1", vec!["198.51.100.7:4711"], "198.51.100.7"),
            ("::1", vec!["[2001:db8::7]:4711"], "2001:db8::7"),
            ("::ffff:127.0.0.1", vec!["198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", vec!["198.51.100.7, unknown, 10.1.1.1"], "10.1.1.1"),
            ("127.0.0.1", vec!["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
            ("127.0.0.1", vec![""], "127.0.0.1"),
            ("198.51.100.9", vec!["127.0.0.1"], "198.51.100.9"),
        ] {
            let pairs: Vec<_> = lists.iter().map(|list| ("x-forwarded-for", *list)).collect();
            let found = address(peer.parse().unwrap(), &headers(&pairs), &trusted);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {lists:?}");
        }
        let all = address("127.0.0.1".parse().unwrap(), &headers(&[("x-forwarded-for", "1.2.3.4")]), &[]);
        assert_eq!(all.to_string(), "127.0.0.1", "nobody is trusted where nobody is configured");
    }

    #[test]
    fn local_is_what_peer_host_and_headers_all_say() {
        let host = |name| vec![("host", name)];
        for (peer, pairs, is_it) in [
            ("127.0.0.1", host("127.0.0.1:8080"), true),
            ("127.9.9.9", host("localhost"), true),
            ("::1", host("[::1]:8080"), true),
            ("::1", host("[::1]"), true),
            ("::ffff:127.0.0.1", host("LOCALHOST:80"), true),
            ("127.0.0.1", vec![], false),
            ("127.0.0.1", host("wallet.example"), false),
            ("127.0.0.1", host("localhost.example:8080"), false),
            ("127.0.0.1", host("127.0.0.1.example"), false),
            ("127.0.0.1", host("10.0.0.1"), false),
            ("10.0.0.1", host("127.0.0.1"), false),
            ("127.0.0.1", vec![("host", "localhost"), ("host", "wallet.example")], false),
            ("127.0.0.1", vec![("host", "localhost"), ("x-forwarded-for", "127.0.0.1")], false),
            ("127.0.0.1", vec![("host", "localhost"), ("x-forwarded-proto", "https")], false),
            ("127.0.0.1", vec![("host", "localhost"), ("forwarded", "for=127.0.0.1")], false),
            ("127.0.0.1", vec![("host", "localhost"), ("via", "1.1 proxy")], false),
            ("127.0.0.1", vec![("host", "localhost"), ("x-real-ip", "127.0.0.1")], false),
        ] {
            assert_eq!(is_local(peer.parse().unwrap(), &headers(&pairs)), is_it, "{peer} {pairs:?}");
        }
    }
}
