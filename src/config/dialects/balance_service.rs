//! The Balance Service's section: its currencies' numbers, what they are worth, and which bucket is spent first.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{api_keys, path};
use crate::config::error::ConfigError;
use crate::config::secret::Secret;
use crate::config::section::Section;
use crate::ledger::account::Bucket;
use crate::ledger::ids::Currency;

#[derive(Debug, Clone)]
pub struct BalanceService {
    pub path: String,
    /// None: answered on this machine only, and not through a proxy.
    pub api_keys: Vec<Secret>,
    pub currency_ids: BTreeMap<i32, Currency>,
    /// What one unit of a currency is worth in GBP.
    pub gbp_rates: BTreeMap<Currency, Decimal>,
    pub spend_order: Vec<Bucket>,
}

pub(in crate::config) fn read(mut section: Section, warnings: &mut Vec<String>) -> Result<BalanceService, ConfigError> {
    let config = BalanceService {
        path: path(&mut section)?,
        api_keys: api_keys(&mut section)?,
        currency_ids: section.section("currency_ids")?.map_or(Ok(BTreeMap::new()), currency_ids)?,
        gbp_rates: section.section("gbp_rates")?.map_or(Ok(BTreeMap::new()), gbp_rates)?,
        spend_order: spend_order(&mut section)?,
    };
    let unrated = |currency: &&Currency| currency.as_str() != "GBP" && !config.gbp_rates.contains_key(*currency);
    for currency in config.currency_ids.values().filter(unrated) {
        warnings.push(format!("{} has no gbp_rates for {currency}", section.place().key));
    }
    section.finish()?;
    Ok(config)
}

fn currency_ids(section: Section) -> Result<BTreeMap<i32, Currency>, ConfigError> {
    let mut currencies = BTreeMap::new();
    for (id, setting) in section.entries() {
        let number = id.parse::<i32>().map_err(|_| setting.place.wrong("must have a whole number for its key"))?;
        let place = setting.place.clone();
        let currency = setting.named(Currency::parse)?;
        if currencies.values().any(|known| *known == currency) {
            return Err(place.wrong(format!("names {currency} again")));
        }
        currencies.insert(number, currency);
    }
    Ok(currencies)
}

fn gbp_rates(section: Section) -> Result<BTreeMap<Currency, Decimal>, ConfigError> {
    let mut rates = BTreeMap::new();
    for (code, setting) in section.entries() {
        let currency = Currency::parse(&code).map_err(|error| setting.place.wrong(error.to_string()))?;
        let rate = setting.parsed("must be a decimal number in quotes such as \"0.8571\", above zero", |text| {
            Decimal::from_str_exact(text).ok().filter(|rate| *rate > Decimal::ZERO)
        })?;
        rates.insert(currency, rate);
    }
    Ok(rates)
}

fn spend_order(section: &mut Section) -> Result<Vec<Bucket>, ConfigError> {
    let mut order = Vec::new();
    for setting in section.list("spend_order")? {
        let place = setting.place.clone();
        let bucket = setting.parsed("must be \"real\", \"bonus\" or \"ring_fenced\"", |text| {
            Bucket::parse(text).filter(|bucket| *bucket != Bucket::GbtBonus)
        })?;
        if order.contains(&bucket) {
            return Err(place.wrong(format!("names {} again", bucket.as_str())));
        }
        order.push(bucket);
    }
    Ok(if order.is_empty() { vec![Bucket::RingFenced, Bucket::Real, Bucket::Bonus] } else { order })
}
