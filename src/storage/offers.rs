//! A party's gift-card offers, for the command line.

use diesel::prelude::*;

use super::StoreError;
use super::partners::OfferRow;
use super::queries::{AnyConnection, classify, on};
use super::schema::offers;
use crate::ledger::Party;
use crate::ledger::shop::OfferState;

/// Every offer with its stock, in the order of their ids; which keys are in stock is left out.
pub fn of_party(conn: &mut AnyConnection, party: &Party) -> Result<Vec<OfferState>, StoreError> {
    let theirs = offers::table.filter(offers::party.eq(party.as_str())).order(offers::offer);
    let rows: Vec<OfferRow> = on!(conn, conn => theirs.load(conn)).map_err(classify)?;
    rows.into_iter().map(|row| row.offer().map(|(_, state)| state)).collect()
}
