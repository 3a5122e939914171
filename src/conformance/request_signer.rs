//! How QuickPlay signs what it sends: RSA (PKCS#1 v1.5) over some bytes, in base64.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tokens::{Signer, TokenError};

pub enum RequestSigner {
    Sha256(Signer),
    /// By the program `openssl`, with the key in this file: the library here checks signatures with SHA-1 and makes none.
    Sha1(PathBuf),
}

impl RequestSigner {
    /// With SHA-1; none where the program is not there, or cannot sign with this key.
    pub fn sha1(key: &Path) -> Option<Self> {
        sign_by_openssl(key, b"").ok().map(|_| Self::Sha1(key.to_owned()))
    }

    pub async fn sign(&self, message: &[u8]) -> Result<String, TokenError> {
        match self {
            Self::Sha256(signer) => signer.rsa_sha256(message),
            Self::Sha1(key) => {
                let (key, message) = (key.clone(), message.to_vec());
                let signing = tokio::task::spawn_blocking(move || sign_by_openssl(&key, &message)).await;
                signing.ok().and_then(Result::ok).ok_or(TokenError::Unsigned)
            }
        }
    }
}

fn sign_by_openssl(key: &Path, message: &[u8]) -> io::Result<String> {
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha1", "-sign"]).arg(key);
    let mut signing = openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    // It reads all of a message before it writes, so neither waits for the other; dropped, its input ends.
    signing.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?.write_all(message)?;
    let signed = signing.wait_with_output()?;
    if signed.status.success() { Ok(STANDARD.encode(signed.stdout)) } else { Err(io::ErrorKind::InvalidInput.into()) }
}
