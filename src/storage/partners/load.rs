//! Reading what a batch of partner acts needs.

/// Adds to `state` what `keys` names. `$step` runs a query: `now!` or `later!`, `$classify` sorts what
/// it fails of, and what follows locks an offer's row.
macro_rules! load_partners {
    ($conn:expr, $keys:expr, $state:expr, $step:ident, $classify:path $(, $lock:ident)?) => {{
        use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
        use $crate::ledger::shop::KeyId;
        use $crate::storage::partners::{IDS_AT_ONCE, OfferRow, TransactionRow, VoidRow, all_bytes};
        use $crate::storage::rows::{Bytes, bytes, uuid};
        use $crate::storage::schema::{gift_keys, offers, transactions, voids};

        let (conn, keys, state) = ($conn, $keys, $state);
        let mut rows: Vec<TransactionRow> = Vec::new();
        if !keys.transactions.named.is_empty() {
            let named = all_bytes(keys.transactions.named.iter().map(|key| key.uuid()));
            rows = $step!(transactions::table.filter(transactions::key.eq_any(named)).load(conn)).map_err($classify)?;
        }
        // What rolls a transaction back may open the one that it had ended.
        let sources = rows.iter().filter_map(|row| row.source);
        let numbers: Vec<i64> = keys.transactions.numbers.iter().copied().chain(sources).collect();
        if !numbers.is_empty() {
            let numbered = transactions::table.filter(transactions::number.eq_any(numbers));
            rows.extend($step!(numbered.load::<TransactionRow>(conn)).map_err($classify)?);
        }
        for (player, round) in &keys.transactions.rounds {
            let in_round = transactions::table
                .filter(transactions::player.eq(bytes(player.uuid())))
                .filter(transactions::round.eq(&**round));
            rows.extend($step!(in_round.load::<TransactionRow>(conn)).map_err($classify)?);
        }
        for row in rows {
            state.transactions.keep(row.transaction()?);
        }
        if !keys.transactions.voids.is_empty() {
            let queued = voids::table.filter(voids::source.eq_any(keys.transactions.voids.iter().copied().collect::<Vec<i64>>()));
            for row in $step!(queued.load::<VoidRow>(conn)).map_err($classify)? {
                state.transactions.voids.insert(row.source, row.void()?);
            }
        }
        for (id, wanted) in &keys.shop.offers {
            let offer = offers::table.find(bytes(id.uuid()))$(.$lock())?;
            let Some(row) = $step!(offer.first::<OfferRow>(conn)).optional().map_err($classify)? else { continue };
            let (id, mut offer) = row.offer()?;
            let for_sale = gift_keys::table
                .filter(gift_keys::offer.eq(bytes(id.uuid())))
                .filter(gift_keys::purchase.is_null())
                .order((gift_keys::seq, gift_keys::position))
                .limit(i64::try_from(*wanted).unwrap_or(i64::MAX))
                .select(gift_keys::id);
            for key in $step!(for_sale.load::<Bytes>(conn)).map_err($classify)? {
                offer.next.push(KeyId(uuid(&key)?));
            }
            state.shop.offers.insert(id, offer);
        }
        let known = all_bytes(keys.shop.gift_keys.iter().map(|key| key.0));
        for ids in known.chunks(IDS_AT_ONCE) {
            let known = gift_keys::table.filter(gift_keys::id.eq_any(ids)).select(gift_keys::id);
            for key in $step!(known.load::<Bytes>(conn)).map_err($classify)? {
                state.shop.gift_keys.insert(KeyId(uuid(&key)?));
            }
        }
    }};
}
pub(in crate::storage) use load_partners;
