//! Whoever signs: keys and signatures come from the `openssl` program, so that nothing of ours checks itself.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

/// A pair of RSA keys in files.
#[derive(Clone)]
pub struct Signer {
    directory: Arc<TempDir>,
}

static SHARED: OnceLock<Signer> = OnceLock::new();

impl Signer {
    /// One of 2048 bits for all tests that care for no other.
    pub fn shared() -> Self {
        SHARED.get_or_init(|| Self::of_bits(2048)).clone()
    }

    pub fn of_bits(bits: u32) -> Self {
        let signer = Self { directory: Arc::new(TempDir::new().expect("a directory")) };
        let private = signer.private_key();
        openssl(
            &["genpkey", "-algorithm", "RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}"), "-out", text(&private)],
            &[],
        );
        let (spki, pkcs1) = (signer.public_key(), signer.pkcs1());
        openssl(&["pkey", "-in", text(&private), "-pubout", "-out", text(&spki)], &[]);
        openssl(&["rsa", "-in", text(&private), "-RSAPublicKey_out", "-out", text(&pkcs1)], &[]);
        signer
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn private_key(&self) -> PathBuf {
        self.file("private.pem")
    }

    /// `PUBLIC KEY`.
    pub fn public_key(&self) -> PathBuf {
        self.file("public.pem")
    }

    /// `RSA PUBLIC KEY`.
    pub fn pkcs1(&self) -> PathBuf {
        self.file("pkcs1.pem")
    }

    pub fn sign(&self, message: &[u8], digest: &str) -> String {
        let signature = openssl(&["dgst", &format!("-{digest}"), "-sign", text(&self.private_key())], message);
        STANDARD.encode(signature)
    }
}

/// Runs `openssl`; answers with what it printed.
pub fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("openssl is installed");
    child.stdin.take().expect("its input").write_all(input).expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
