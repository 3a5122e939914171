//! RSA signatures of a partner's requests (PKCS#1 v1.5), checked with its public key.
//!
//! The partner chose its key and digest long ago, so 1024 bits and SHA-1 are taken where they are configured.

use std::fmt;
use std::path::Path;

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RsaParameters,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::DecodingKey;

use super::keys::{self, KeyError};
use crate::config::SignatureDigest;

/// Between what can be factored by anybody and what takes long to verify.
const BITS: std::ops::RangeInclusive<u32> = 1024..=8192;
/// A signature of the longest key is 1366 characters of base64.
const MAX_SIGNATURE: usize = 2048;

/// The public key of whoever signs, for one digest.
pub struct SignatureKey {
    key: ParsedPublicKey,
}

impl SignatureKey {
    /// Reads a PEM file: `PUBLIC KEY` or `RSA PUBLIC KEY`.
    pub fn open(path: &Path, digest: SignatureDigest) -> Result<Self, KeyError> {
        let unusable = |problem| KeyError::Unusable { path: path.to_owned(), problem };
        let pem = keys::read_file(path)?;
        let label = |label: &str| pem.windows(label.len()).any(|window| window == label.as_bytes());
        if label("PRIVATE KEY-----") {
            return Err(unusable("is a private key, which stays with the signer; its public half is needed"));
        }
        if label("CERTIFICATE-----") {
            return Err(unusable("is a certificate; extract its key: openssl x509 -pubkey -noout -in FILE"));
        }
        let key =
            public_key(&pem, digest).ok_or_else(|| unusable("must be a PEM public key of RSA (1024 to 8192 bits)"))?;
        Ok(Self { key })
    }

    /// Whether `signature`, in base64, is one of `message`.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let signature = Some(signature).filter(|signature| signature.len() <= MAX_SIGNATURE);
        let decoded = signature.and_then(|signature| STANDARD.decode(signature).ok());
        decoded.is_some_and(|signature| self.key.verify_sig(message, &signature).is_ok())
    }
}

impl fmt::Debug for SignatureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignatureKey")
    }
}

fn public_key(pem: &[u8], digest: SignatureDigest) -> Option<ParsedPublicKey> {
    let algorithm: &'static RsaParameters = match digest {
        SignatureDigest::Sha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        SignatureDigest::Sha256 => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    };
    let decoding = DecodingKey::from_rsa_pem(pem).ok()?;
    let pkcs1 = decoding.try_get_as_bytes().ok()?;
    let bits = RsaParameters::public_modulus_len(pkcs1).ok()?;
    BITS.contains(&bits).then_some(())?;
    ParsedPublicKey::new(algorithm, pkcs1).ok()
}
