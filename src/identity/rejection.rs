//! Why a token is not taken.

/// Identity providers stay far below; a longer token is refused before any work is spent on it.
pub(super) const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Why a token is not taken. It never says what the token holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    #[error("token is not a JWT that can be read")]
    Malformed,
    #[error("token is signed with an algorithm that its key is not for")]
    Algorithm,
    /// Newer keys may know it: `refresh` and try once more, or call `verify`, which does both.
    #[error("token is signed with an unknown key")]
    UnknownKey,
    #[error("token names no key, and several could be meant")]
    AmbiguousKey,
    /// Not the token's fault: no key set could be fetched so far.
    #[error("keys to check the token with are not available")]
    KeysUnavailable,
    #[error("token has a bad signature")]
    Signature,
    #[error("token is from another issuer")]
    Issuer,
    #[error("token is for another audience")]
    Audience,
    #[error("token is for another party")]
    Party,
    #[error("token does not say when it ends")]
    Endless,
    #[error("token does not name a player")]
    Subject,
}
