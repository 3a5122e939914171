//! The hosts that an address names: which of them are other machines, and how the address is shown.

use std::net::IpAddr;

use url::{Url, form_urlencoded};

use super::secret::Secret;

/// The hosts of a Postgres URL. Several, `postgres://u:p@a:5432,b:5432/db`, are no URL of the standard, and parameters may
/// name more.
pub(super) fn of_postgres(url: &str) -> Vec<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let parameters = form_urlencoded::parse(query.as_bytes());
    let named = parameters.filter(|(name, _)| matches!(name.as_ref(), "host" | "hostaddr"));
    let named: Vec<String> = named.flat_map(|(_, value)| listed(&value)).collect();
    match (authority, named.is_empty()) {
        ("", false) => named,
        _ => authority.split(',').map(|host| without_port(host).to_owned()).chain(named).collect(),
    }
}

fn listed(value: &str) -> Vec<String> {
    value.split(',').map(str::to_owned).collect()
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(host, _)| host),
    }
}

/// Whether this is another machine: neither an address of this one's own nor a socket's directory.
pub(super) fn is_elsewhere(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_socket = host.starts_with('/') || host.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%2f"));
    !is_socket && host != "localhost" && !address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Scheme, hosts, ports and path: never user, password or parameters.
pub(super) fn without_credentials(secret: &Secret) -> String {
    if let Ok(url) = Url::parse(secret.expose()) {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        return format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path());
    }
    several_without_credentials(secret.expose()).unwrap_or_else(|| secret.to_string())
}

/// The same of what is no URL of the standard, where it is plain which part of it is the password.
fn several_without_credentials(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let place = match rest.split_once('@') {
        Some((login, place)) if !login.contains('?') && !place.contains('@') => place,
        Some(_) => return None,
        None => rest,
    };
    let place = place.split('?').next().unwrap_or_default();
    Some(format!("{scheme}://{place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_of_a_postgres_url_is_known() {
        for (url, expected) in [
            ("postgres://u:p@a:5432,b:5433/db?target_session_attrs=any", "a b"),
            ("postgres://u:p,w@a,127.0.0.1:1/db", "a 127.0.0.1"),
            ("postgres://[::1]:5432,[2001:db8::1]/db", "::1 2001:db8::1"),
            ("postgres:///db?host=/run,one&hostaddr=10.0.0.1", "/run one 10.0.0.1"),
            ("postgres://u@%2Frun/db?host=two", "%2Frun two"),
            ("postgres:///db", ""),
        ] {
            assert_eq!(of_postgres(url).join(" "), expected, "{url}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        let here = ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "/run/postgresql", "%2Frun", "%2frun"];
        let elsewhere = ["", "db", "127.0.0.1.example", "10.0.0.1", "2001:db8::1", "localhost.example"];
        assert_eq!(here.map(is_elsewhere), [false; 8]);
        assert_eq!(elsewhere.map(is_elsewhere), [true; 6]);
    }

    #[test]
    fn an_address_of_several_hosts_is_shown_without_its_password_or_not_at_all() {
        for (url, expected) in [
            ("postgres://u:hush@a:1,b:2/db?password=hush", "postgres://a:1,b:2/db"),
            ("postgres://a:1,b:2/db", "postgres://a:1,b:2/db"),
            ("postgres://u:hush@hush@a:1,b:2/db", "…hidden…"),
            ("postgres://u:hush?@a:1,b:2/db", "…hidden…"),
            ("postgres://a:1,b:2/db?password=hush@hush", "…hidden…"),
        ] {
            assert_eq!(without_credentials(&Secret::new(url)), expected, "{url}");
        }
    }
}
