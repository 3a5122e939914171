//! The keys that check tokens. Each is good for one algorithm, which the key decides and never the token.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde::Deserialize;

use super::rejection::Rejection;

/// Hundreds of keys; a longer file or answer is not a key set.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// Shorter RSA keys are within reach of factoring, and the verifier refuses them one signature at a time.
const MIN_RSA_BYTES: usize = 256;
/// An uncompressed point of P-256: one byte, then two coordinates.
const P256_POINT_BYTES: usize = 65;
const ED25519_BYTES: usize = 32;

/// Why a key cannot be used; it names the file or address and never shows what is in it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error("{} {problem}", path.display())]
    Unusable { path: PathBuf, problem: &'static str },
    #[error("{0}")]
    Set(&'static str),
    #[error("cannot fetch the key set: {0}")]
    Fetch(String),
}

/// One key, and the algorithm that it is pinned to.
#[derive(Debug)]
pub(super) struct Key {
    kid: Option<String>,
    pub algorithm: Algorithm,
    pub decoding: DecodingKey,
    pub validation: Validation,
}

impl Key {
    /// None where the key is of a kind or size that its algorithm does not allow.
    fn new(kid: Option<String>, algorithm: Algorithm, decoding: DecodingKey) -> Option<Self> {
        let bytes = decoding.try_get_as_bytes().map(<[u8]>::len);
        let fits = match algorithm {
            Algorithm::HS256 => bytes.is_ok_and(|bytes| bytes > 0),
            Algorithm::RS256 => rsa_modulus_bytes(&decoding) >= MIN_RSA_BYTES,
            Algorithm::ES256 => bytes.is_ok_and(|bytes| bytes == P256_POINT_BYTES),
            Algorithm::EdDSA => bytes.is_ok_and(|bytes| bytes == ED25519_BYTES),
            _ => false,
        };
        // Signature only: time, issuer and audience are judged elsewhere.
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        fits.then_some(Self { kid, algorithm, decoding, validation })
    }
}

fn rsa_modulus_bytes(key: &DecodingKey) -> usize {
    match Jwk::from_decoding_key(key, None).map(|jwk| jwk.algorithm) {
        Ok(AlgorithmParameters::RSA(rsa)) => URL_SAFE_NO_PAD.decode(rsa.n).map_or(0, |modulus| modulus.len()),
        _ => 0,
    }
}

/// The keys that a party's tokens may be signed with at one time.
#[derive(Debug)]
pub(super) enum KeySet {
    /// The one configured key; a token's `kid` says nothing about it.
    One(Box<Key>),
    /// A JWKS (RFC 7517): a token's `kid` picks.
    Many(Vec<Key>),
}

impl KeySet {
    pub fn hmac(secret: &str) -> Result<Self, KeyError> {
        let key = Key::new(None, Algorithm::HS256, DecodingKey::from_secret(secret.as_bytes()));
        key.map(|key| Self::One(Box::new(key))).ok_or(KeyError::Set("the HMAC secret is empty"))
    }

    pub fn public_key_file(path: &Path) -> Result<Self, KeyError> {
        let pem = read_file(path)?;
        let key = match private_key(path, &pem)? {
            Some((algorithm, private)) => Jwk::from_encoding_key(&private, algorithm)
                .and_then(|public| DecodingKey::from_jwk(&public))
                .ok()
                .and_then(|public| Key::new(None, algorithm, public)),
            None => public_key(path, &pem)?,
        };
        key.map(|key| Self::One(Box::new(key))).ok_or_else(|| unusable(path))
    }

    /// Keys of other kinds and uses are passed over: a key set also serves parties that are not us.
    pub fn jwks(json: &[u8]) -> Result<Self, KeyError> {
        let set: JwkSet = serde_json::from_slice(json).map_err(|_| KeyError::Set("is not a JSON Web Key Set"))?;
        let usable = |value| serde_json::from_value::<JwkMember>(value).ok().and_then(JwkMember::into_key);
        Ok(Self::Many(set.keys.into_iter().filter_map(usable).collect()))
    }

    /// At start a set without a usable key is a mistake; later it may be meant, where every key was withdrawn.
    pub fn jwks_file(path: &Path) -> Result<Self, KeyError> {
        let problem = "must be a JSON Web Key Set with a key of RSA (2048 bits or more), EC P-256, Ed25519 or oct";
        let keys = Self::jwks(&read_file(path)?).ok().filter(|keys| keys.len() > 0);
        keys.ok_or(KeyError::Unusable { path: path.to_owned(), problem })
    }

    pub fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(keys) => keys.len(),
        }
    }

    /// The one key that a token's header can mean.
    pub fn select(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<&Key, Rejection> {
        let keys = match self {
            Self::One(key) if key.algorithm == algorithm => return Ok(key),
            Self::One(_) => return Err(Rejection::Algorithm),
            Self::Many(keys) => keys,
        };
        let fits = |key: &&Key| key.algorithm == algorithm && (kid.is_none() || key.kid.as_deref() == kid);
        let mut fitting = keys.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(Rejection::AmbiguousKey),
            (None, _) if kid.is_some() && keys.iter().any(|key| key.kid.as_deref() == kid) => Err(Rejection::Algorithm),
            (None, _) => Err(Rejection::UnknownKey),
        }
    }
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<serde_json::Value>,
}

/// One member of a key set, as far as it concerns signatures (RFC 7517, 4; RFC 7518, 6; RFC 8037, 2).
#[derive(Deserialize)]
struct JwkMember {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
}

impl JwkMember {
    fn into_key(self) -> Option<Key> {
        if self.usage.as_deref() == Some("enc") {
            return None;
        }
        let (algorithm, decoding) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => (Algorithm::RS256, DecodingKey::from_rsa_components(&self.n?, &self.e?).ok()?),
            ("EC", Some("P-256")) => (Algorithm::ES256, DecodingKey::from_ec_components(&self.x?, &self.y?).ok()?),
            ("OKP", Some("Ed25519")) => (Algorithm::EdDSA, DecodingKey::from_ed_components(&self.x?).ok()?),
            ("oct", _) => (Algorithm::HS256, DecodingKey::from_secret(&URL_SAFE_NO_PAD.decode(self.k?).ok()?)),
            _ => return None,
        };
        if self.alg.is_some_and(|stated| stated.parse() != Ok(algorithm)) {
            return None;
        }
        Key::new(self.kid, algorithm, decoding)
    }
}

/// A file of keys, whole; one too large to be that is refused.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, KeyError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
        .and_then(|_| if bytes.len() > MAX_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) })
        .map_err(|reason| KeyError::Unreadable { path: path.to_owned(), reason })?;
    Ok(bytes)
}

fn unusable(path: &Path) -> KeyError {
    let problem = "must be a PEM key of RSA (2048 bits or more), EC P-256 or Ed25519";
    KeyError::Unusable { path: path.to_owned(), problem }
}

fn public_key(path: &Path, pem: &[u8]) -> Result<Option<Key>, KeyError> {
    // The PEM reader looks for the first bit string, which in a certificate may be anything.
    if contains(pem, "CERTIFICATE") {
        let problem = "is a certificate; extract its key: openssl x509 -pubkey -noout -in FILE";
        return Err(KeyError::Unusable { path: path.to_owned(), problem });
    }
    let rsa = || DecodingKey::from_rsa_pem(pem).map(|key| (Algorithm::RS256, key));
    let ec = || DecodingKey::from_ec_pem(pem).map(|key| (Algorithm::ES256, key));
    let ed = || DecodingKey::from_ed_pem(pem).map(|key| (Algorithm::EdDSA, key));
    let found = rsa().or_else(|_| ec()).or_else(|_| ed()).ok();
    Ok(found.and_then(|(algorithm, key)| Key::new(None, algorithm, key)))
}

/// The private key in a PEM file; none where it holds a public one.
pub(super) fn private_key(path: &Path, pem: &[u8]) -> Result<Option<(Algorithm, EncodingKey)>, KeyError> {
    if !contains(pem, "PRIVATE KEY-----") {
        return Ok(None);
    }
    if contains(pem, "EC PRIVATE KEY-----") || contains(pem, "ENCRYPTED") {
        let problem = "must be unencrypted PKCS#8; convert it: openssl pkcs8 -topk8 -nocrypt -in FILE";
        return Err(KeyError::Unusable { path: path.to_owned(), problem });
    }
    let rsa = || EncodingKey::from_rsa_pem(pem).map(|key| (Algorithm::RS256, key));
    let ec = || EncodingKey::from_ec_pem(pem).map(|key| (Algorithm::ES256, key));
    let ed = || EncodingKey::from_ed_pem(pem).map(|key| (Algorithm::EdDSA, key));
    rsa().or_else(|_| ec()).or_else(|_| ed()).map(Some).map_err(|_| unusable(path))
}

fn contains(pem: &[u8], label: &str) -> bool {
    pem.windows(label.len()).any(|window| window == label.as_bytes())
}
