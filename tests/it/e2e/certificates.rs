//! Certificates: an authority, what it issued, and another authority that nobody has heard of; made by `openssl`.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// The server is `localhost` by name and nothing by address.
const CONFIGURATION: &str = "\
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
subjectAltName = DNS:localhost
extendedKeyUsage = serverAuth
[client]
extendedKeyUsage = clientAuth
";

/// A directory of PEM files; gone with the test.
pub struct Papers {
    directory: TempDir,
}

impl Papers {
    /// `ca.pem` and what it issued: `server`, and the clients `purser`, `certified` and `nobody`. `other-ca.pem` issued
    /// `stranger`, who calls himself purser. Keys are beside their certificates.
    pub fn new() -> Self {
        let papers = Self { directory: TempDir::new().expect("a directory") };
        std::fs::write(papers.directory.path().join("openssl.cnf"), CONFIGURATION).expect("written");
        for ca in ["ca", "other-ca"] {
            papers.authority(ca);
        }
        papers.issue("ca", "server", "localhost", "server");
        for client in ["purser", "certified", "nobody"] {
            papers.issue("ca", client, client, "client");
        }
        papers.issue("other-ca", "stranger", "purser", "client");
        papers
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn path(&self, file: &str) -> String {
        self.directory.path().join(file).display().to_string()
    }

    fn authority(&self, name: &str) {
        let (key, cert) = (format!("{name}.key"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        self.openssl(&["req", "-x509", "-extensions", "ca", "-days", "2", "-subj", &subject, "-out", &cert], &key);
    }

    fn issue(&self, authority: &str, file: &str, name: &str, kind: &str) {
        let (key, request, cert) = (format!("{file}.key"), format!("{file}.csr"), format!("{file}.pem"));
        self.openssl(&["req", "-new", "-subj", &format!("/CN={name}"), "-out", &request], &key);
        let (ca, ca_key) = (format!("{authority}.pem"), format!("{authority}.key"));
        let by = ["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", "2"];
        let what = ["-extfile", "openssl.cnf", "-extensions", kind, "-in", &request, "-out", &cert];
        self.run(&[["x509", "-req"].as_slice(), &by, &what].concat());
    }

    /// With a new key.
    fn openssl(&self, arguments: &[&str], key: &str) {
        let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key];
        self.run(&[arguments, &["-config", "openssl.cnf"], &new_key].concat());
    }

    fn run(&self, arguments: &[&str]) {
        let ran = Command::new("openssl").args(arguments).current_dir(self.directory.path()).output();
        let ran = ran.expect("openssl is installed");
        assert!(ran.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}
