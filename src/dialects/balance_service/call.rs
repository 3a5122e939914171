//! The call around the parameters: a JSON object whose member names and method names are read in any case.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::code::{BalanceServiceCode, CallRefused};

/// The longest name of a parameter that is repeated in a message, in characters.
const MAX_NAME: usize = 40;

/// The methods (Balance Service, "Endpoints").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    GetUserBalance,
    AdjustBalance,
    QueueManualVoidReturn,
    GetTransactionsByGameRound,
    GetTransactionById,
    GetTransactionsByPartnerTransactionId,
    GetLatestTransactionByTransactionTypeId,
}

impl Method {
    pub const ALL: [Self; 7] = [
        Self::GetUserBalance,
        Self::AdjustBalance,
        Self::QueueManualVoidReturn,
        Self::GetTransactionsByGameRound,
        Self::GetTransactionById,
        Self::GetTransactionsByPartnerTransactionId,
        Self::GetLatestTransactionByTransactionTypeId,
    ];

    /// The address below the mount's, as the seed spells it.
    pub fn path(self) -> &'static str {
        match self {
            Self::GetUserBalance => "/GetUserBalance",
            Self::AdjustBalance => "/AdjustBalance",
            Self::QueueManualVoidReturn => "/QueueManualVoidReturn",
            Self::GetTransactionsByGameRound => "/GetTransactionsByGameRound",
            Self::GetTransactionById => "/GetTransactionById",
            Self::GetTransactionsByPartnerTransactionId => "/GetTransactionsByPartnerTransactionID",
            Self::GetLatestTransactionByTransactionTypeId => "/GetLatestTransactionByTransactionTypeId",
        }
    }

    pub fn name(self) -> &'static str {
        self.path().trim_start_matches('/')
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name().eq_ignore_ascii_case(text))
    }
}

/// A call, taken apart.
#[derive(Debug)]
pub(crate) struct ParsedCall {
    pub method: Method,
    pub params: Members,
}

/// Takes a body apart; `address` is the method that its address names.
pub(crate) fn parse(address: &str, body: &[u8]) -> Result<ParsedCall, CallRefused> {
    let members: Members = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let method = members.get("method").ok_or_else(|| BalanceServiceCode::MemberMissing.because("method"))?;
    let params = members.get("params").ok_or_else(|| BalanceServiceCode::MemberMissing.because("params"))?;
    if !params.get().starts_with('{') {
        return Err(BalanceServiceCode::MemberMissing.because("params must be an object"));
    }
    let params: Members = serde_json::from_str(params.get()).map_err(|error| unreadable(&error))?;
    let named: Option<Method> = serde_json::from_str(method.get()).ok().and_then(|name: String| Method::parse(&name));
    let method = named.ok_or_else(|| BalanceServiceCode::Method.because("there is no method of that name"))?;
    if Method::parse(address) != Some(method) {
        return Err(BalanceServiceCode::Method.because("it is not the one that the address names"));
    }
    Ok(ParsedCall { method, params })
}

fn unreadable(error: &serde_json::Error) -> CallRefused {
    if error.is_data() {
        return BalanceServiceCode::Json.because("it must be an object that has no member twice");
    }
    BalanceServiceCode::Json.because(format!("it ends or errs at line {}, column {}", error.line(), error.column()))
}

/// The members of an object in the order in which they came, names in lower case. None is there twice.
#[derive(Debug)]
pub(crate) struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// A member's value; one that is null is as good as absent.
    fn get(&self, name: &str) -> Option<&RawValue> {
        let found = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        found.filter(|value| value.get() != "null")
    }

    /// The first of these names that no member has.
    pub(crate) fn first_missing(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.get(name).is_none())
    }

    /// Decodes the members as parameters: first whether all are there, then whether each is of its type.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self, required: &[&'static str]) -> Result<T, CallRefused> {
        if let Some(missing) = self.first_missing(required) {
            return Err(BalanceServiceCode::ParameterMissing.because(missing));
        }
        let present = self.0.iter().filter(|(_, value)| value.get() != "null");
        let walk = Walk { rest: present, current: None };
        T::deserialize(MapAccessDeserializer::new(walk)).map_err(|Mistake(refused)| refused)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            let name = name.to_ascii_lowercase();
            if !names.insert(name.clone()) {
                return Err(de::Error::custom("a member is there twice"));
            }
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// The members one by one; whoever finds fault with a value learns whose it is.
struct Walk<'de, I> {
    rest: I,
    current: Option<&'de (String, Box<RawValue>)>,
}

impl<'de, I: Iterator<Item = &'de (String, Box<RawValue>)>> MapAccess<'de> for Walk<'de, I> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mistake> {
        self.current = self.rest.next();
        self.current.map(|(name, _)| seed.deserialize(name.as_str().into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        let (name, value) = self.current.take().ok_or_else(|| Mistake(BalanceServiceCode::Unexpected.into()))?;
        // What serde says may repeat the value; only what we say ourselves is known not to.
        seed.deserialize(&**value).map_err(|_| {
            let name: String = name.chars().take(MAX_NAME).collect();
            Mistake(BalanceServiceCode::Value.because(format!("{name} is of the wrong type or out of range")))
        })
    }
}

/// What decoding fails with.
#[derive(Debug)]
struct Mistake(CallRefused);

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(BalanceServiceCode::Value.because(message.to_string()))
    }

    fn missing_field(field: &'static str) -> Self {
        Self(BalanceServiceCode::ParameterMissing.because(field))
    }
}
