//! The bodies of the partners' calls.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::refusal::CodeGamesRefusal;
use crate::dialects::http::exact::{self, MAX_NAME, WireAmount, WireId};
use crate::ledger::money::InvalidAmount;
use crate::ledger::{Amount, Currency};

/// The most keys that one order takes: each is a row that is locked while the order is decided.
pub const MAX_COUNT: u32 = 100;
/// The longest login or password, in characters: a longer one is a mistake, or meant to keep us hashing.
const MAX_CREDENTIAL: usize = 256;

/// Body of `auth/sign-in`.
#[derive(Deserialize, JsonSchema)]
pub struct SignIn {
    #[schemars(length(min = 1, max = 256))]
    pub login: String,
    #[schemars(length(max = 256))]
    pub password: String,
}

/// Body of `partner/product-offers/check`.
#[derive(Deserialize, JsonSchema)]
pub struct Check {
    /// Product offer ID.
    id: WireId,
    /// The currency that the offer is sold in.
    #[schemars(regex(pattern = "^[A-Z]{3,4}$"))]
    currency: String,
}

/// Body of `partner/product-offers/pay`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pay {
    /// Product offer ID.
    id: WireId,
    /// The price of one key, as `check` named it.
    price: WireAmount,
    #[schemars(regex(pattern = "^[A-Z]{3,4}$"))]
    currency: String,
    /// The partner's own name for the purchase: each is good for one.
    txn_id: WireId,
    /// How many keys; one where it is left out.
    #[schemars(range(min = 1, max = 100))]
    count: Option<u32>,
}

/// Body of `partner/product-offers/keys`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// The number that `pay` answered with.
    #[schemars(schema_with = "order_number")]
    order_id: WireId,
}

fn order_number(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["integer", "string"], "pattern": "^-?[0-9]+$" })
}

/// A well-formed purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurchaseRequest {
    pub offer: String,
    /// `None`: a number that no price can be.
    pub price: Option<Amount>,
    pub currency: Currency,
    pub reference: String,
    pub count: u32,
}

/// Reads a body. What is wrong with it is told without repeating any of it: it may hold a password.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodeGamesRefusal> {
    exact::read(body).map_err(|error| match error.classify() {
        Category::Data => CodeGamesRefusal::malformed(format!(
            "A field is missing or of the wrong type; see line {} column {}",
            error.line(),
            error.column()
        )),
        Category::Io | Category::Syntax | Category::Eof => CodeGamesRefusal::malformed(format!(
            "The body is not JSON; see line {} column {}",
            error.line(),
            error.column()
        )),
    })
}

impl SignIn {
    pub fn check(self) -> Result<Self, CodeGamesRefusal> {
        let fits = |text: &str| text.chars().count() <= MAX_CREDENTIAL;
        if self.login.is_empty() || !fits(&self.login) {
            return Err(CodeGamesRefusal::malformed(format!("login must be 1 to {MAX_CREDENTIAL} characters long")));
        }
        if !fits(&self.password) {
            return Err(CodeGamesRefusal::malformed(format!(
                "password must be at most {MAX_CREDENTIAL} characters long"
            )));
        }
        Ok(self)
    }
}

impl Check {
    /// The offer's id, and the currency.
    pub fn parse(self) -> Result<(String, Currency), CodeGamesRefusal> {
        Ok((name("id", self.id)?, currency(&self.currency)?))
    }
}

impl Pay {
    /// Amounts are minor units of a currency with this many decimal places.
    pub fn parse(self, exponent: u32) -> Result<PurchaseRequest, CodeGamesRefusal> {
        let price = match self.price.minor(exponent).and_then(Amount::new) {
            Ok(price) => Some(price),
            Err(InvalidAmount::NotDecimal) => {
                return Err(CodeGamesRefusal::malformed("price must be a decimal number"));
            }
            Err(InvalidAmount::NotPositive | InvalidAmount::TooManyPlaces(_) | InvalidAmount::TooLarge) => None,
        };
        let count = self.count.unwrap_or(1);
        if !(1..=MAX_COUNT).contains(&count) {
            return Err(CodeGamesRefusal::malformed(format!("count must be 1 to {MAX_COUNT}")));
        }
        Ok(PurchaseRequest {
            offer: name("id", self.id)?,
            price,
            currency: currency(&self.currency)?,
            reference: name("txnId", self.txn_id)?,
            count,
        })
    }
}

impl Keys {
    /// The order's number; `None` where it is beyond any that an order can have.
    pub fn parse(self) -> Result<Option<i64>, CodeGamesRefusal> {
        let digits = self.order_id.0.strip_prefix('-').unwrap_or(&self.order_id.0);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CodeGamesRefusal::malformed("orderId must be a whole number"));
        }
        Ok(self.order_id.0.parse().ok())
    }
}

fn currency(sent: &str) -> Result<Currency, CodeGamesRefusal> {
    Currency::parse(sent).map_err(|error| CodeGamesRefusal::malformed(format!("currency {error}")))
}

fn name(field: &str, sent: WireId) -> Result<String, CodeGamesRefusal> {
    sent.checked()
        .ok_or_else(|| CodeGamesRefusal::malformed(format!("{field} must be 1 to {MAX_NAME} printable characters")))
}
