//! A Postgres URL, taken apart: what the driver understands, and what is said in it about TLS.
//!
//! The driver knows no `verify-full` and no files, so the `ssl…` parameters are read here. They are called what libpq
//! calls them, and mean at least what they mean there: where TLS is asked for, certificate and name are always checked.

use std::path::PathBuf;
use std::time::Duration;

use rand::seq::SliceRandom;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode, TargetSessionAttrs};

use crate::tls::{Files, Names};

/// How long a host may take to let us in where nothing is said of it: the only one there is, and one of several. A host that
/// is well takes milliseconds, and a packet that got lost is sent again after one second.
const ONLY_HOST_TIMEOUT: Duration = Duration::from_secs(5);
const HOST_TIMEOUT: Duration = Duration::from_secs(3);

/// The most that all hosts together may take, whatever is said: whoever waits for a session waits no longer.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(15);

const NAMES: Names = Names { ca: "sslrootcert", cert: "sslcert", key: "sslkey" };

/// Where a database is, and with which files TLS is spoken to it; without files there is no TLS.
#[derive(Debug)]
pub struct Address {
    driver: Config,
    pub tls: Option<Files>,
}

impl Address {
    /// Reads `database.url`; what is wrong with it is said without a word of its value.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("database.url: {why}");
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        // Kept as it is written: the driver decodes percent signs, but not the plus signs that we would write.
        let is_ours = |pair: &&str| pair.starts_with("ssl");
        let (ours, theirs): (Vec<&str>, Vec<&str>) = query.split('&').filter(|p| !p.is_empty()).partition(is_ours);
        let tls = Parameters::read(&ours.join("&")).and_then(Parameters::files).map_err(|why| wrong(&why))?;
        let rest = if theirs.is_empty() { place.to_owned() } else { format!("{place}?{}", theirs.join("&")) };
        let mut driver: Config = rest.parse().map_err(|error| wrong(&format!("{error}")))?;
        if driver.get_hosts().len() > 1 && driver.get_hosts().iter().any(|host| matches!(host, Host::Unix(_))) {
            return Err(wrong("a socket on this machine must be the only host"));
        }
        // The driver wants a name for each host, be it the number again.
        if driver.get_hosts().is_empty() {
            for address in driver.get_hostaddrs().to_vec() {
                driver.host(address.to_string());
            }
        }
        if driver.get_hosts().is_empty() {
            return Err(wrong("names no host"));
        }
        // With several hosts, the one that takes writes is meant, wherever it is at present.
        let says_which = theirs.iter().any(|pair| pair.starts_with("target_session_attrs="));
        if driver.get_hosts().len() > 1 && !says_which {
            driver.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        driver.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        Ok(Self { driver, tls })
    }

    /// The hosts, in the order in which they are to be tried. The driver itself would bound no more than the connection of
    /// a socket, and one that is silent after that would use up the time of all.
    pub(super) fn places(&self) -> Vec<HostAddress> {
        let hosts = self.driver.get_hosts();
        let mut order: Vec<usize> = (0..hosts.len()).collect();
        if self.driver.get_load_balance_hosts() == LoadBalanceHosts::Random {
            order.shuffle(&mut rand::rng());
        }
        order.into_iter().filter_map(|at| self.place(at, hosts.get(at)?)).collect()
    }

    fn place(&self, at: usize, host: &Host) -> Option<HostAddress> {
        let ports = self.driver.get_ports();
        let port = *ports.get(at).or(ports.first()).unwrap_or(&DEFAULT_PORT);
        let mut driver = without_hosts(&self.driver);
        driver.port(port);
        if let Some(address) = self.driver.get_hostaddrs().get(at) {
            driver.hostaddr(*address);
        }
        let (name, socket) = match host {
            Host::Tcp(name) => {
                driver.host(name);
                (format!("{name}:{port}"), None)
            }
            Host::Unix(directory) => {
                driver.host_path(directory);
                let socket = directory.join(format!(".s.PGSQL.{port}"));
                (socket.display().to_string(), Some(socket))
            }
        };
        Some(HostAddress { name, driver, socket, timeout: self.timeout() })
    }

    /// How long each host may take.
    fn timeout(&self) -> Duration {
        let hosts = u32::try_from(self.driver.get_hosts().len()).unwrap_or(u32::MAX).max(1);
        let default = if hosts == 1 { ONLY_HOST_TIMEOUT } else { HOST_TIMEOUT };
        self.driver.get_connect_timeout().copied().unwrap_or(default).min(LONGEST_TIMEOUT / hosts)
    }
}

/// One host of an address.
#[derive(Debug)]
pub(super) struct HostAddress {
    /// Host and port, fit for logs.
    pub name: String,
    /// What the driver is told.
    pub driver: Config,
    /// The server's file, where it is on this machine.
    pub socket: Option<PathBuf>,
    /// How long it may take to let us in.
    pub timeout: Duration,
}

/// Where a Postgres listens that nothing else is said of.
const DEFAULT_PORT: u16 = 5432;

/// The driver's configuration, but for where the server is.
fn without_hosts(driver: &Config) -> Config {
    let mut one = Config::new();
    driver.get_user().map(|user| one.user(user));
    driver.get_password().map(|password| one.password(password));
    driver.get_dbname().map(|name| one.dbname(name));
    driver.get_options().map(|options| one.options(options));
    driver.get_keepalives_interval().map(|interval| one.keepalives_interval(interval));
    driver.get_keepalives_retries().map(|retries| one.keepalives_retries(retries));
    one.ssl_mode(driver.get_ssl_mode())
        .keepalives(driver.get_keepalives())
        .target_session_attrs(driver.get_target_session_attrs())
        .channel_binding(driver.get_channel_binding())
        .load_balance_hosts(driver.get_load_balance_hosts());
    one
}

const UNKNOWN: &str = "of the parameters that begin with ssl only sslmode, sslrootcert, sslcert and sslkey are known; \
    a question mark in a password is written %3F";

#[derive(Default)]
struct Parameters {
    mode: Option<String>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Parameters {
    fn read(query: &str) -> Result<Self, String> {
        let mut read = Self::default();
        // A plus sign is one here: only forms write blanks so.
        for (name, value) in url::form_urlencoded::parse(query.replace('+', "%2B").as_bytes()) {
            match name.as_ref() {
                "sslmode" => read.mode = Some(value.into_owned()),
                "sslrootcert" => read.ca = Some(PathBuf::from(value.as_ref())),
                "sslcert" => read.cert = Some(PathBuf::from(value.as_ref())),
                "sslkey" => read.key = Some(PathBuf::from(value.as_ref())),
                // Not named: it may be the rest of a password with a question mark that was not encoded.
                _ => return Err(UNKNOWN.to_owned()),
            }
        }
        Ok(read)
    }

    fn files(self) -> Result<Option<Files>, String> {
        let identity = match (self.cert, self.key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err("sslcert and sslkey must be given together, or neither".to_owned()),
        };
        match self.mode.as_deref() {
            Some("require" | "verify-ca" | "verify-full") => Ok(Some(Files { names: &NAMES, ca: self.ca, identity })),
            None | Some("disable" | "prefer") if self.ca.is_none() && identity.is_none() => Ok(None),
            None | Some("disable" | "prefer") => {
                Err("files for TLS are named, but there is no TLS without sslmode=verify-full".to_owned())
            }
            Some(_) => Err("sslmode must be disable, prefer, require, verify-ca or verify-full".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: &str = "postgres://u:p@db:5432/purser";

    #[test]
    fn what_is_said_about_tls_is_understood_or_refused() {
        let full = "sslmode=verify-full";
        let cases = [
            ("", "no TLS"),
            ("sslmode=disable", "no TLS"),
            ("sslmode=prefer", "no TLS"),
            ("sslmode=require", "TLS, the system's CAs"),
            (full, "TLS, the system's CAs"),
            ("sslmode=verify-ca&sslrootcert=ca%20file.pem", "TLS, ca file.pem"),
            ("sslrootcert=ca.pem&sslmode=verify-full&connect_timeout=3", "TLS, ca.pem"),
            ("sslmode=verify-full&sslcert=c.pem&sslkey=k.pem", "TLS, the system's CAs, as c.pem"),
            ("sslmode=Verify-Full", "sslmode must be disable, prefer, require, verify-ca or verify-full"),
            ("sslmode=", "sslmode must be disable, prefer, require, verify-ca or verify-full"),
            ("sslrootcert=ca.pem", "files for TLS are named, but there is no TLS without sslmode=verify-full"),
            ("sslmode=verify-full&sslcert=c.pem", "sslcert and sslkey must be given together, or neither"),
            ("sslmode=verify-full&sslcrl=x", UNKNOWN),
        ];
        for (query, expected) in cases {
            let said = match Address::parse(&format!("{DATABASE}?{query}")) {
                Ok(Address { tls: None, .. }) => "no TLS".to_owned(),
                Ok(Address { tls: Some(files), .. }) => {
                    let ca = files.ca.map_or("the system's CAs".to_owned(), |path| path.display().to_string());
                    let shown = files.identity.map(|(cert, _)| format!(", as {}", cert.display()));
                    format!("TLS, {ca}{}", shown.unwrap_or_default())
                }
                Err(why) => why.trim_start_matches("database.url: ").to_owned(),
            };
            assert_eq!(said, expected, "{query}");
        }
    }

    #[test]
    fn no_password_is_repeated_however_it_is_written() {
        for url in [
            "postgres://u:a?sslhidden@db/purser",
            "postgres://u:a?hidden=1@db/purser",
            "postgres://u:a&hidden@db/purser?hidden",
            "postgres://u:hidden%zz@db/purser",
            "postgres://u:a/hidden@db:x/purser",
            "password=hidden host",
            "hidden=1",
        ] {
            let said = Address::parse(url).err().unwrap_or_default();
            assert!(!said.contains("hidden"), "{url}: {said}");
        }
    }

    #[test]
    fn the_driver_gets_the_rest_as_it_was_written() {
        let url = "postgres://u:p%40ss@one:1,two:2/purser?sslmode=require&options=-c%20work_mem%3D4MB";
        let places = Address::parse(url).unwrap().places();
        assert_eq!(places.iter().map(|place| place.name.as_str()).collect::<Vec<_>>(), ["one:1", "two:2"]);
        for (place, port) in places.iter().zip([1, 2]) {
            let driver = &place.driver;
            assert_eq!(driver.get_options(), Some("-c work_mem=4MB"));
            assert_eq!((driver.get_user(), driver.get_password()), (Some("u"), Some(b"p@ss".as_slice())));
            assert_eq!((driver.get_dbname(), driver.get_hosts().len()), (Some("purser"), 1));
            assert_eq!((driver.get_ports(), driver.get_ssl_mode()), ([port].as_slice(), SslMode::Require));
        }
    }

    #[test]
    fn each_host_has_a_time_of_its_own_and_several_are_searched_for_the_one_that_takes_writes() {
        const WRITES: TargetSessionAttrs = TargetSessionAttrs::ReadWrite;
        const ANY: TargetSessionAttrs = TargetSessionAttrs::Any;
        let three = "postgres://u:p@one,two,three:7/purser";
        for (url, names, seconds, attributes) in [
            (DATABASE, "db:5432", 5, ANY),
            (three, "one:5432 two:5432 three:7", 3, WRITES),
            (&format!("{three}?target_session_attrs=any&connect_timeout=1"), "one:5432 two:5432 three:7", 1, ANY),
            (&format!("{three}?connect_timeout=60"), "one:5432 two:5432 three:7", 5, WRITES),
            (&format!("{DATABASE}?connect_timeout=60&target_session_attrs=read-write"), "db:5432", 15, WRITES),
            ("postgres://u:p@/purser?hostaddr=127.0.0.1,::1&port=5", "127.0.0.1:5 ::1:5", 3, WRITES),
            ("postgres://u:p@%2Frun/purser", "/run/.s.PGSQL.5432", 5, ANY),
        ] {
            let places = Address::parse(url).unwrap().places();
            assert_eq!(places.iter().map(|place| place.name.as_str()).collect::<Vec<_>>().join(" "), names, "{url}");
            for place in places {
                assert_eq!(place.timeout, Duration::from_secs(seconds), "{url}");
                assert_eq!(place.driver.get_target_session_attrs(), attributes, "{url}");
            }
        }
    }
}
