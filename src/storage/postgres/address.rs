//! A Postgres URL, taken apart: what the driver understands, and what is said in it about TLS.
//!
//! The driver knows no `verify-full` and no files, so the `ssl…` parameters are read here. They are called what libpq
//! calls them, and mean at least what they mean there: where TLS is asked for, certificate and name are always checked.

use std::path::PathBuf;

use tokio_postgres::config::{Host, SslMode};

use crate::tls::{Files, Names};

const NAMES: Names = Names { ca: "sslrootcert", cert: "sslcert", key: "sslkey" };

/// Where a database is, and with which files TLS is spoken to it; without files there is no TLS.
#[derive(Debug)]
pub struct Address {
    pub(super) driver: tokio_postgres::Config,
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
        let mut driver: tokio_postgres::Config = rest.parse().map_err(|error| wrong(&format!("{error}")))?;
        if driver.get_hosts().len() > 1 && driver.get_hosts().iter().any(|host| matches!(host, Host::Unix(_))) {
            return Err(wrong("a socket on this machine must be the only host"));
        }
        // The driver wants a name for each host, be it the number again.
        if driver.get_hosts().is_empty() {
            for address in driver.get_hostaddrs().to_vec() {
                driver.host(address.to_string());
            }
        }
        driver.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        Ok(Self { driver, tls })
    }
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
        let driver = Address::parse(url).unwrap().driver;
        assert_eq!(driver.get_options(), Some("-c work_mem=4MB"));
        assert_eq!(driver.get_password(), Some(b"p@ss".as_slice()));
        assert_eq!((driver.get_hosts().len(), driver.get_ports()), (2, [1, 2].as_slice()));
        assert_eq!(driver.get_ssl_mode(), SslMode::Require);
    }
}
