//! What a client may be allowed to do.

/// One thing that may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Profile,
    Vip,
}

impl Scope {
    pub const ALL: [Self; 2] = [Self::Profile, Self::Vip];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Vip => "vip",
        }
    }

    /// As the player is asked for it.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Profile => {
                "see your nickname, e-mail address and gender, your VIP status and your GoPlay Token balances"
            }
            Self::Vip => "buy VIP status for you, paid with your GoPlay Tokens",
        }
    }

    /// Whether a granted scope, words with spaces between, holds this one.
    pub fn is_in(self, granted: &str) -> bool {
        granted.split(' ').any(|word| word == self.as_str())
    }
}

/// The scopes that are asked for, each once and in one order; all of them where none is named. `None` where one is
/// not known.
pub fn parse(asked: Option<&str>) -> Option<Vec<Scope>> {
    let Some(asked) = asked else { return Some(Scope::ALL.to_vec()) };
    let is_known = |word: &str| Scope::ALL.iter().any(|scope| scope.as_str() == word);
    if !asked.split(' ').all(is_known) {
        return None;
    }
    Some(Scope::ALL.into_iter().filter(|scope| scope.is_in(asked)).collect())
}

/// As it goes over the wire and is kept.
pub fn text(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}
