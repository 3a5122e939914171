//! `purser offers`.

#[doc(hidden)]
pub mod file;

pub use file::MAX_KEYS;

use std::collections::HashSet;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{CommandFailure, Ended, failed, output, party, trail, usage};
use crate::admin::trail::Deed;
use crate::cli::ledger_choice::LedgerChoice;
use crate::clock;
use crate::config::{CodeGames, Config};
use crate::identity::sealing::Vault;
use crate::ledger::command::{Act, Command};
use crate::ledger::money::format_decimal;
use crate::ledger::shop::{OfferState, StockOffers, Stocking};
use crate::ledger::{Done, Outcome, Party, ShopAct, ShopDone};
use crate::storage::shop;
use crate::wallet::direct;

/// Manage gift-card offers.
#[derive(Subcommand)]
pub(crate) enum Offers {
    /// Set names and prices of gift-card offers and add keys: a JSON array, all of it or nothing.
    Import(Import),
    /// Show the offers with their prices and stocks.
    List(ListOffers),
}

#[derive(Args)]
pub(crate) struct Import {
    #[arg(long)]
    party: String,
    /// `[{"id": 562, "name": "…", "price": "956.30", "currency": "KZT", "keys": ["…"]}, …]`; `-` reads standard input.
    file: PathBuf,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ListOffers {
    #[arg(long)]
    party: String,
    #[arg(long)]
    json: bool,
}

impl Offers {
    pub async fn run(self, config: &Config) -> Ended {
        match self {
            Self::Import(import) => import.run(config).await,
            Self::List(list) => list.run(config).await,
        }
    }
}

/// The named party, and its hub.
fn hub<'a>(config: &'a Config, name: &str) -> Result<(Party, &'a CodeGames), CommandFailure> {
    let (party, settings) = party(config, name)?;
    let hub = settings.codegames.as_ref();
    let hub =
        hub.ok_or_else(|| usage(format!("parties.{party}.codegames is not configured: its keys_secret seals keys")))?;
    Ok((party, hub))
}

impl Import {
    async fn run(self, config: &Config) -> Ended {
        let (party, hub) = hub(config, &self.party)?;
        let (currency, exponent) = (hub.currency, config.exponent(hub.currency));
        let text = file::text(&self.file)?;
        let read =
            file::read(&text, currency, exponent).map_err(|problem| failed(format!("nothing imported: {problem}")))?;
        let vault = Vault::open(&hub.keys_secret, &party)?;
        let stockings = read.iter().map(|listed| {
            let keys = listed.keys.iter().map(|key| vault.seal(key)).collect::<Result<_, _>>()?;
            Ok(Stocking { offer: listed.offer.clone(), keys })
        });
        let stockings = stockings.collect::<Result<Vec<Stocking>, CommandFailure>>()?;

        let database = LedgerChoice::to_change(config, &party).await?;
        let of = party.clone();
        let known = database.query(move |conn| shop::offers_of(conn, &of)).await?;
        let known: HashSet<&str> = known.iter().map(|state| &*state.offer.id).collect();
        let new_offers = read.iter().filter(|listed| !known.contains(&*listed.offer.id)).count();
        // A name of its own: the same file again must set the prices again, and known keys are passed over anyway.
        let key = uuid::Uuid::new_v4().to_string().into();
        let act = Act::Shop(ShopAct::StockOffers(StockOffers { offers: stockings, key }));
        let hub_of = party.clone();
        let command = Command { party, at: clock::now(), correlation: None, act };
        let keys = read.iter().map(|listed| listed.keys.len()).sum();
        let (of, target) = (Some(hub_of), self.file.display().to_string());
        let detail = json!({ "offers": read.len(), "new_offers": new_offers, "keys": keys });
        let deed = Deed { act: "offers import", party: of, target, detail };
        let new_keys = trail::recorded(&database, deed, async {
            match direct::apply(&mut database.writer()?, command).await? {
                Outcome::Done(Done::Shop(ShopDone::OffersStocked { added })) => {
                    Ok((added, format!("done: {added} keys were new")))
                }
                other => Err(failed(format!("the ledger answered {other:?}"))),
            }
        });
        self.report(read.len(), new_offers, keys, new_keys.await?)
    }

    fn report(&self, offers: usize, new_offers: usize, keys: usize, new_keys: i64) -> Ended {
        if self.json {
            let party = &self.party;
            output::json(&json!({
                "party": party, "offers": offers, "new_offers": new_offers, "keys": keys, "new_keys": new_keys
            }))?;
        } else {
            output::line(&format!("{offers} offers ({new_offers} new), {keys} keys ({new_keys} new)"))?;
        }
        Ok(true)
    }
}

impl ListOffers {
    async fn run(self, config: &Config) -> Ended {
        let (party, _) = hub(config, &self.party)?;
        let database = LedgerChoice::of_party(config, &party)?.look_at().await?;
        let known = database.query(move |conn| shop::offers_of(conn, &party)).await?;
        if self.json {
            output::json(&known.iter().map(|state| described(config, state)).collect::<Vec<Value>>())?;
            return Ok(true);
        }
        let rows = known.iter().map(|OfferState { offer, stock, .. }| {
            let (id, name) = (offer.id.to_string(), offer.name.to_string());
            vec![id, name, price(config, offer), offer.currency.to_string(), stock.to_string()]
        });
        output::table(&["offer", "name", "price", "currency", "stock"], &rows.collect::<Vec<_>>())?;
        Ok(true)
    }
}

fn described(config: &Config, OfferState { offer, stock, .. }: &OfferState) -> Value {
    json!({
        "id": offer.id,
        "name": offer.name,
        "price": price(config, offer),
        "currency": offer.currency,
        "stock": stock,
    })
}

fn price(config: &Config, offer: &crate::ledger::shop::Offer) -> String {
    format_decimal(offer.price.minor(), config.exponent(offer.currency))
}
