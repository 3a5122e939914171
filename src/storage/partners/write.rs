//! Writing what a batch of partner acts decided.

/// Writes `rows`, a `PartnerRows`. `$step` runs a statement: `now!` or `later!`.
macro_rules! write_partners {
    ($conn:expr, $rows:expr, $step:ident) => {{
        use diesel::prelude::{ExpressionMethods as _, QueryDsl as _};
        use diesel::upsert::excluded;
        use $crate::storage::schema::{gift_keys, offers, players, purchases, transactions, voids};

        let (conn, rows) = ($conn, $rows);
        for row in &rows.transactions {
            let state = transactions::state.eq(excluded(transactions::state));
            let ended_by = transactions::ended_by.eq(excluded(transactions::ended_by));
            let insert = diesel::insert_into(transactions::table).values(row);
            $step!(insert.on_conflict(transactions::number).do_update().set((state, ended_by)).execute(conn))?;
        }
        for row in &rows.voids {
            let insert = diesel::insert_into(voids::table).values(row);
            let changed = (
                voids::state.eq(excluded(voids::state)),
                voids::queued_at.eq(excluded(voids::queued_at)),
                voids::attempt.eq(excluded(voids::attempt)),
            );
            $step!(insert.on_conflict(voids::source).do_update().set(changed).execute(conn))?;
        }
        for (player, level) in &rows.vips {
            $step!(diesel::update(players::table.find(player)).set(players::vip.eq(level)).execute(conn))?;
        }
        for row in &rows.offers {
            let insert = diesel::insert_into(offers::table).values(row);
            let changed = (
                offers::name.eq(excluded(offers::name)),
                offers::price.eq(excluded(offers::price)),
                offers::currency.eq(excluded(offers::currency)),
                offers::stock.eq(offers::stock + excluded(offers::stock)),
            );
            $step!(insert.on_conflict(offers::id).do_update().set(changed).execute(conn))?;
        }
        for row in &rows.gift_keys {
            $step!(diesel::insert_into(gift_keys::table).values(row).execute(conn))?;
        }
        for (row, keys) in &rows.purchases {
            $step!(diesel::insert_into(purchases::table).values(row).execute(conn))?;
            for key in keys {
                let sold = gift_keys::purchase.eq(row.number);
                $step!(diesel::update(gift_keys::table.find(key)).set(sold).execute(conn))?;
            }
        }
    }};
}
pub(in crate::storage) use write_partners;
