//! Who someone is: player tokens (JWT), passwords, what players allow partners (OAuth 2.0), and the signatures and
//! sessions of partners; and the vault for what must not be read at rest.
//!
//! A token's signature and its time are separate questions. A bad signature stops everything; an expired token must
//! not stop a result, because money owed is owed. So [`TokenVerifier`] answers the first, and the [`Verified`] that it
//! returns answers the second for whatever moment the caller judges it at.

mod cache;
mod claims;
pub mod grants;
mod keys;
mod mint;
pub(crate) mod operators;
pub mod password;
pub mod pkce;
mod rejection;
mod ring;
pub mod sealing;
pub(crate) mod session;
mod signature;
mod source;
pub(crate) mod throttle;
mod verifier;

pub use claims::{Home, TimeClaim, Verified, claimed_home};
pub use keys::{KeyError, PassedOver};
pub use mint::{MintError, mint};
pub use rejection::Rejection;
pub use signature::SignatureKey;
pub use verifier::TokenVerifier;

#[cfg(test)]
mod tests;
