//! GoPlay's section: VIP levels with their prices, and partners' programs.

use url::Url;

use super::{filled, path};
use crate::config::error::ConfigError;
use crate::config::secret::Secret;
use crate::config::section::{Section, Setting};
use crate::ledger::ids::Currency;
use crate::ledger::money;

#[derive(Debug, Clone)]
pub struct GoPlay {
    pub path: String,
    pub currency: Currency,
    /// From the cheapest to the dearest, which is also from the lowest to the highest.
    pub vip: Vec<VipLevel>,
    pub clients: Vec<OauthClient>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VipLevel {
    pub name: String,
    pub price_minor: i64,
}

#[derive(Debug, Clone)]
pub struct OauthClient {
    pub id: String,
    pub secret: Secret,
    /// Matched exactly, as text.
    pub redirect_uris: Vec<String>,
}

pub(in crate::config) fn read(mut section: Section, exponent: &dyn Fn(Currency) -> u32) -> Result<GoPlay, ConfigError> {
    let currency = section.require("currency")?.named(Currency::parse)?;
    let config = GoPlay {
        path: path(&mut section)?,
        currency,
        vip: section.section("vip")?.map_or(Ok(Vec::new()), |section| vip(section, exponent(currency)))?,
        clients: clients(&mut section)?,
    };
    section.finish()?;
    Ok(config)
}

fn vip(section: Section, exponent: u32) -> Result<Vec<VipLevel>, ConfigError> {
    let place = section.place().clone();
    let mut levels = Vec::new();
    for (name, setting) in section.entries() {
        let problem = format!("must be a price in quotes such as \"10.00\", above zero, of at most {exponent} places");
        let price_minor = setting.parsed(&problem, |text| {
            money::parse_decimal(text, exponent).ok().filter(|price_minor| *price_minor > 0)
        })?;
        levels.push(VipLevel { name, price_minor });
    }
    levels.sort_by_key(|level| level.price_minor);
    match levels.windows(2).find(|pair| pair[0].price_minor == pair[1].price_minor) {
        Some(pair) => {
            Err(place.wrong(format!("has one price for {} and {}: which is higher?", pair[0].name, pair[1].name)))
        }
        None => Ok(levels),
    }
}

fn clients(section: &mut Section) -> Result<Vec<OauthClient>, ConfigError> {
    let mut clients: Vec<OauthClient> = Vec::new();
    for setting in section.list("clients")? {
        let mut section = setting.section()?;
        let id = filled(section.require("id")?)?;
        if clients.iter().any(|client| client.id == id) {
            return Err(section.place().wrong("has the id of a client before it"));
        }
        let secret = section.secret("secret")?.ok_or_else(|| section.place().wrong("needs a secret or secret_file"))?.1;
        let redirect_uris =
            section.list("redirect_uris")?.into_iter().map(redirect_uri).collect::<Result<Vec<_>, _>>()?;
        if redirect_uris.is_empty() {
            return Err(section.place().wrong("needs at least one of redirect_uris"));
        }
        section.finish()?;
        clients.push(OauthClient { id, secret, redirect_uris });
    }
    Ok(clients)
}

fn redirect_uri(setting: Setting) -> Result<String, ConfigError> {
    setting.parsed("must be an absolute address without a fragment", |text| {
        Url::parse(text).ok().filter(|url| url.fragment().is_none()).map(|_| text.to_owned())
    })
}
