//! The keys that check tokens. Each is good for one algorithm, which the key decides and never the token.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::rejection::Rejection;

/// Hundreds of keys; a longer file or answer is not a key set.
pub(super) const MAX_BYTES: usize = 256 * 1024;
const ED25519_BYTES: usize = 32;
/// Shorter RSA keys are within reach of factoring; longer ones take long to verify.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Characters of a `kid` that are shown.
const MAX_SHOWN: usize = 64;

/// Why a key cannot be used; it names the file or address and never shows what is in it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error("{} {problem}", path.display())]
    Unusable { path: PathBuf, problem: &'static str },
    #[error("{} {NO_KEY}{}", path.display(), listed(passed_over))]
    NoKey { path: PathBuf, passed_over: Vec<PassedOver> },
    #[error("{0}")]
    Set(&'static str),
    #[error("cannot fetch the key set: {0}")]
    Fetch(String),
}

const NO_KEY: &str = "must be a JSON Web Key Set with a key of RSA (2048 bits or more), EC P-256, Ed25519 or oct";

/// A member of a key set that checks no tokens, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Its `kid`, or its place in the set.
    pub name: String,
    pub why: &'static str,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} {}", self.name, self.why)
    }
}

fn listed(passed_over: &[PassedOver]) -> String {
    passed_over.iter().map(|passed| format!("; {passed}")).collect()
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
    /// `Err` where the key is of a kind or size that its algorithm does not allow, or is none that can be: it would refuse
    /// every signature, or (an exponent of 1) take any.
    fn new(kid: Option<String>, algorithm: Algorithm, decoding: DecodingKey) -> Result<Self, &'static str> {
        let bytes = decoding.try_get_as_bytes().ok();
        // Built by the library that verifies, so that what it would not take is noticed here.
        let is_point = |bytes: &[u8]| ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).is_ok();
        let is_ed25519 = |bytes: &[u8]| bytes.len() == ED25519_BYTES && ParsedPublicKey::new(&ED25519, bytes).is_ok();
        let problem = match algorithm {
            Algorithm::HS256 if bytes.is_some_and(|bytes| !bytes.is_empty()) => None,
            Algorithm::HS256 => Some("is empty"),
            Algorithm::RS256 if is_rsa(&decoding) => None,
            Algorithm::RS256 => Some("is no RSA key of 2048 to 8192 bits with an odd exponent of at least 3"),
            Algorithm::ES256 if bytes.is_some_and(is_point) => None,
            Algorithm::ES256 => Some("is no point on the curve P-256"),
            Algorithm::EdDSA if bytes.is_some_and(is_ed25519) => None,
            Algorithm::EdDSA => Some("is no Ed25519 key"),
            _ => Some("is for an algorithm that is not used here"),
        };
        if let Some(problem) = problem {
            return Err(problem);
        }
        // Signature only: time, issuer and audience are judged elsewhere.
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        Ok(Self { kid, algorithm, decoding, validation })
    }
}

/// Whether the library that verifies builds a key of it; and whether the exponent is more than 1, which proves nothing.
fn is_rsa(key: &DecodingKey) -> bool {
    let Ok(AlgorithmParameters::RSA(rsa)) = Jwk::from_decoding_key(key, None).map(|jwk| jwk.algorithm) else {
        return false;
    };
    let (Ok(n), Ok(e)) = (URL_SAFE_NO_PAD.decode(rsa.n), URL_SAFE_NO_PAD.decode(rsa.e)) else { return false };
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    let bits = (n.len() * 8).saturating_sub(n.first().map_or(0, |first| first.leading_zeros() as usize));
    let is_fit = RSA_BITS.contains(&bits) && is_odd(&n) && is_odd(&e) && e != [1];
    let components = RsaPublicKeyComponents { n, e };
    let der: Result<PublicKeyX509Der<'_>, _> = components.as_der();
    is_fit && der.is_ok_and(|der| ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der.as_ref()).is_ok())
}

/// The keys that a party's tokens may be signed with at one time.
#[derive(Debug)]
pub(super) enum KeySet {
    /// The one configured key; a token's `kid` says nothing about it.
    One(Box<Key>),
    /// A JWKS (RFC 7517): a token's `kid` picks.
    Many { keys: Vec<Key>, passed_over: Vec<PassedOver> },
}

impl KeySet {
    pub fn hmac(secret: &str) -> Result<Self, KeyError> {
        let key = Key::new(None, Algorithm::HS256, DecodingKey::from_secret(secret.as_bytes()));
        key.map(|key| Self::One(Box::new(key))).map_err(|_| KeyError::Set("the HMAC secret is empty"))
    }

    pub fn public_key_file(path: &Path) -> Result<Self, KeyError> {
        let pem = read_file(path)?;
        let key = match private_key(path, &pem)? {
            Some((algorithm, private)) => Jwk::from_encoding_key(&private, algorithm)
                .and_then(|public| DecodingKey::from_jwk(&public))
                .ok()
                .and_then(|public| Key::new(None, algorithm, public).ok()),
            None => public_key(path, &pem)?,
        };
        key.map(|key| Self::One(Box::new(key))).ok_or_else(|| unusable(path))
    }

    /// Keys of other kinds and uses are passed over: a key set also serves parties that are not us.
    pub fn jwks(json: &[u8]) -> Result<Self, KeyError> {
        let set: JwkSet = serde_json::from_slice(json).map_err(|_| KeyError::Set("is not a JSON Web Key Set"))?;
        let (mut keys, mut passed_over) = (Vec::new(), Vec::new());
        for (place, member) in set.keys.into_iter().enumerate() {
            let name =
                member.get("kid").and_then(Value::as_str).map_or_else(|| format!("number {}", place + 1), quoted);
            let member = serde_json::from_value::<JwkMember>(member).map_err(|_| "is no JSON Web Key");
            match member.and_then(JwkMember::into_key) {
                Ok(key) => keys.push(key),
                Err(why) => passed_over.push(PassedOver { name, why }),
            }
        }
        Ok(Self::Many { keys, passed_over })
    }

    /// At start a set without a usable key is a mistake; later it may be meant, where every key was withdrawn.
    pub fn jwks_file(path: &Path) -> Result<Self, KeyError> {
        match Self::jwks(&read_file(path)?) {
            Ok(Self::Many { keys, passed_over }) if keys.is_empty() => {
                Err(KeyError::NoKey { path: path.to_owned(), passed_over })
            }
            Ok(set) => Ok(set),
            Err(_) => Err(KeyError::Unusable { path: path.to_owned(), problem: NO_KEY }),
        }
    }

    /// What of the set checks no tokens.
    pub fn passed_over(&self) -> &[PassedOver] {
        match self {
            Self::One(_) => &[],
            Self::Many { passed_over, .. } => passed_over,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many { keys, .. } => keys.len(),
        }
    }

    /// The one key that a token's header can mean.
    pub fn select(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<&Key, Rejection> {
        let keys = match self {
            Self::One(key) if key.algorithm == algorithm => return Ok(key),
            Self::One(_) => return Err(Rejection::Algorithm),
            Self::Many { keys, .. } => keys,
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
    keys: Vec<Value>,
}

/// One member of a key set, as far as it concerns signatures (RFC 7517, 4; RFC 7518, 6; RFC 8037, 2).
#[derive(Deserialize)]
struct JwkMember {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
}

impl JwkMember {
    fn into_key(self) -> Result<Key, &'static str> {
        if self.usage.as_deref() == Some("enc") {
            return Err("is for encryption (its use is enc)");
        }
        if self.key_ops.as_ref().is_some_and(|allowed| !allowed.iter().any(|act| act == "verify")) {
            return Err("may not verify: its key_ops say what else it is for");
        }
        let algorithm = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Algorithm::RS256,
            ("EC", Some("P-256")) => Algorithm::ES256,
            ("OKP", Some("Ed25519")) => Algorithm::EdDSA,
            ("oct", _) => Algorithm::HS256,
            _ => return Err("is of a kind that is not used here"),
        };
        if self.alg.as_ref().is_some_and(|stated| stated.parse() != Ok(algorithm)) {
            return Err("is for another algorithm than RS256, ES256, EdDSA and HS256");
        }
        let decoding = self.decoding(algorithm).ok_or("lacks a part, or has one that cannot be read")?;
        Key::new(self.kid, algorithm, decoding)
    }

    fn decoding(&self, algorithm: Algorithm) -> Option<DecodingKey> {
        let (x, y) = (self.x.as_deref(), self.y.as_deref());
        match algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_components(self.n.as_deref()?, self.e.as_deref()?).ok(),
            Algorithm::ES256 => DecodingKey::from_ec_components(x?, y?).ok(),
            Algorithm::EdDSA => DecodingKey::from_ed_components(x?).ok(),
            _ => URL_SAFE_NO_PAD.decode(self.k.as_deref()?).ok().map(|secret| DecodingKey::from_secret(&secret)),
        }
    }
}

/// A name from elsewhere, fit to be shown.
fn quoted(name: &str) -> String {
    name.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect()
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
    let problem =
        "must be a PEM key of RSA (2048 bits or more), EC P-256 or Ed25519, with an exponent or point that fits";
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
    Ok(found.and_then(|(algorithm, key)| Key::new(None, algorithm, key).ok()))
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
