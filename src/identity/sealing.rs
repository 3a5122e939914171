//! Gift-card keys at rest: encrypted, and named by a keyed digest, so that a copy of the database tells neither what a
//! key is nor whether a guess is right.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use uuid::Uuid;

use crate::config::Secret;
use crate::ledger::Party;
use crate::ledger::shop::{KeyId, SealedKey};

/// The first byte of what is sealed: how.
const FORMAT: u8 = 1;
const ID_LEN: usize = 16;
const KEY_LEN: usize = 32;

/// Seals and opens the gift-card keys of one party.
pub struct Vault {
    party: Party,
    sealing: RandomizedNonceKey,
    naming: hmac::Key,
}

/// The secret is not the one that the key was sealed with, or the sealed key was tampered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a gift-card key cannot be opened: is keys_secret the one that it was imported with?")]
pub(crate) struct Unopenable;

/// The system has no randomness to give, or no memory for a cipher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a gift-card key cannot be sealed")]
pub struct Unsealable;

impl Vault {
    pub fn open(secret: &Secret, party: &Party) -> Result<Self, Unsealable> {
        let sealing = derived(secret, &["purser gift-card sealing 1", party.as_str()]).ok_or(Unsealable)?;
        let naming = derived(secret, &["purser gift-card naming 1", party.as_str()]).ok_or(Unsealable)?;
        Ok(Self {
            party: party.clone(),
            sealing: RandomizedNonceKey::new(&AES_256_GCM, &sealing).map_err(|_| Unsealable)?,
            naming: hmac::Key::new(hmac::HMAC_SHA256, &naming),
        })
    }

    /// What the key is known by: the same key of the same party always by the same id.
    pub fn name(&self, key: &str) -> KeyId {
        let mut id = [0; ID_LEN];
        id.copy_from_slice(&hmac::sign(&self.naming, key.as_bytes()).as_ref()[..ID_LEN]);
        KeyId(Uuid::new_v8(id))
    }

    /// Encrypts with a nonce of its own, so one key sealed twice gives two texts.
    pub fn seal(&self, key: &str) -> Result<SealedKey, Unsealable> {
        let id = self.name(key);
        let mut cipher = key.as_bytes().to_vec();
        let nonce = self.sealing.seal_in_place_append_tag(self.bound_to(id), &mut cipher).map_err(|_| Unsealable)?;
        let sealed = [&[FORMAT], id.0.as_bytes().as_slice(), nonce.as_ref(), &cipher].concat();
        Ok(SealedKey { id, sealed: STANDARD_NO_PAD.encode(sealed).into() })
    }

    pub(crate) fn unseal(&self, sealed: &str) -> Result<String, Unopenable> {
        self.opened(sealed).ok_or(Unopenable)
    }

    fn opened(&self, sealed: &str) -> Option<String> {
        let sealed = STANDARD_NO_PAD.decode(sealed).ok()?;
        let (format, sealed) = sealed.split_first()?;
        let (id, sealed) = sealed.split_first_chunk::<ID_LEN>()?;
        let (nonce, cipher) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let id = KeyId(Uuid::from_bytes(*id));
        let mut cipher = cipher.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.sealing.open_in_place(nonce, self.bound_to(id), &mut cipher).ok()?;
        let key = String::from_utf8(opened.to_vec()).ok()?;
        (*format == FORMAT && self.name(&key) == id).then_some(key)
    }

    /// What is encrypted cannot be passed off as another party's, or as another key.
    fn bound_to(&self, id: KeyId) -> Aad<Vec<u8>> {
        Aad::from([self.party.as_str().as_bytes(), b"/", id.0.as_bytes()].concat())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.party)
    }
}

/// A key for one purpose: HKDF-SHA256 (RFC 5869). Each part of the purpose is preceded by its length.
pub(super) fn derived(secret: &Secret, purpose: &[&str]) -> Option<[u8; KEY_LEN]> {
    let lengths: Vec<[u8; 8]> = purpose.iter().map(|part| (part.len() as u64).to_be_bytes()).collect();
    let info: Vec<&[u8]> = lengths.iter().zip(purpose).flat_map(|(length, part)| [length, part.as_bytes()]).collect();
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret.expose().as_bytes());
    let mut key = [0; KEY_LEN];
    extracted.expand(&info, hkdf::HKDF_SHA256).ok()?.fill(&mut key).ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(secret: &str, party: &str) -> Vault {
        Vault::open(&Secret::new(secret), &Party::parse(party).unwrap()).unwrap()
    }

    #[test]
    fn a_key_is_opened_by_its_own_vault_alone() {
        let acme = vault("secret", "acme");
        let sealed = acme.seal("XBBRF-MR09R-NX8V").unwrap();
        assert_eq!(acme.unseal(&sealed.sealed).as_deref(), Ok("XBBRF-MR09R-NX8V"));
        assert_eq!(sealed.id, acme.name("XBBRF-MR09R-NX8V"));
        for other in [vault("other", "acme"), vault("secret", "zenith")] {
            assert_eq!(other.unseal(&sealed.sealed), Err(Unopenable));
            assert_ne!(other.name("XBBRF-MR09R-NX8V"), sealed.id);
        }
    }

    #[test]
    fn a_key_sealed_twice_is_two_texts_and_one_id() {
        let acme = vault("secret", "acme");
        let (first, second) = (acme.seal("KEY").unwrap(), acme.seal("KEY").unwrap());
        assert_ne!(first.sealed, second.sealed);
        assert_eq!(first.id, second.id);
        assert_ne!(first.id, acme.name("KEY2"));
    }

    #[test]
    fn whatever_is_changed_is_noticed() {
        let acme = vault("secret", "acme");
        let sealed = STANDARD_NO_PAD.decode(acme.seal("KEY").unwrap().sealed.as_bytes()).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(acme.unseal(&STANDARD_NO_PAD.encode(&changed)), Err(Unopenable), "byte {at}");
            assert_eq!(acme.unseal(&STANDARD_NO_PAD.encode(&sealed[..at])), Err(Unopenable), "cut at {at}");
        }
        for text in ["", "KEY", "ä", "AQ=="] {
            assert_eq!(acme.unseal(text), Err(Unopenable), "{text}");
        }
    }

    #[test]
    fn nothing_shows_what_is_in_it() {
        let acme = vault("secret", "acme");
        let sealed = acme.seal("XBBRF-MR09R-NX8V").unwrap();
        assert!(!format!("{acme:?} {sealed:?} {}", sealed.sealed).contains("XBBRF"));
    }
}
