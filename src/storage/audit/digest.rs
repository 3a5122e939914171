//! One digest of everything that a ledger holds, for comparing: the same on either database and after a replay.
//!
//! It leaves out what is only so here: the journal's numbers and what is for the record only, writers, hashes, partners'
//! private tokens, passwords and grants.

use diesel::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{PAGE, shop};
use crate::ledger::chain::{self, Hash};
use crate::storage::StoreError;
use crate::storage::partners::{TransactionRow, VoidRow};
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{AccountRow, Bytes, JournalRow, OrderRow, PlayerRow};
use crate::storage::schema::{transactions, voids};
use crate::storage::shop::LevelRow;

/// Something that a row consists of. Each has a fixed length or is preceded by its length.
pub(super) trait DigestPart {
    fn add(&self, hasher: &mut Sha256);
}

impl DigestPart for [u8] {
    fn add(&self, hasher: &mut Sha256) {
        hasher.update((self.len() as u64).to_be_bytes());
        hasher.update(self);
    }
}

impl DigestPart for Bytes {
    fn add(&self, hasher: &mut Sha256) {
        self.as_slice().add(hasher);
    }
}

impl DigestPart for String {
    fn add(&self, hasher: &mut Sha256) {
        self.as_bytes().add(hasher);
    }
}

impl DigestPart for i64 {
    fn add(&self, hasher: &mut Sha256) {
        hasher.update(self.to_be_bytes());
    }
}

impl DigestPart for i32 {
    fn add(&self, hasher: &mut Sha256) {
        i64::from(*self).add(hasher);
    }
}

impl<T: DigestPart> DigestPart for Option<T> {
    fn add(&self, hasher: &mut Sha256) {
        hasher.update([u8::from(self.is_some())]);
        if let Some(part) = self {
            part.add(hasher);
        }
    }
}

/// Reads a table in the order of its key, a page at a time, and does something with every row.
macro_rules! each_row {
    ($conn:expr, $table:ident by $key:ident from $start:expr, |$row:ident: $type:ty| $work:block) => {{
        let mut after = $start;
        loop {
            let page = $table::table.filter($table::$key.gt(&after)).order($table::$key).limit(PAGE);
            let rows: Vec<$type> = on!(&mut *$conn, conn => page.load(conn)).map_err(classify)?;
            let Some(last) = rows.last() else { break };
            after = last.$key.to_owned();
            for $row in rows $work
        }
    }};
}
pub(super) use each_row;

/// Takes up each table as it is read.
#[derive(Default)]
pub(super) struct Digest {
    people: Sha256,
    orders: Sha256,
    /// What repeats will be answered: a set, since the journal's order is none of what is compared.
    outcomes: Hash,
}

impl Digest {
    pub fn add_outcome(&mut self, row: &JournalRow) {
        if let JournalRow { key: Some(key), outcome, .. } = row {
            let mut hasher = Sha256::new();
            add(&mut hasher, "outcome", &[key, outcome]);
            chain::toggle(&mut self.outcomes, &hasher.finalize().into());
        }
    }

    pub fn add_player(&mut self, row: &PlayerRow, LevelRow { level }: &LevelRow) {
        let PlayerRow { id, party, player, home_currency, username, nickname, email, gender } = row;
        let parts: [&dyn DigestPart; 9] = [id, party, player, home_currency, username, nickname, email, gender, level];
        add(&mut self.people, "player", &parts);
    }

    pub fn add_account(&mut self, row: &AccountRow) {
        let AccountRow { id, party, side, player, currency, bucket, wallet, product, .. } = row;
        add(&mut self.people, "account", &[id, party, side, player, currency, bucket, wallet, product]);
        add(&mut self.people, "holds", &[&row.balance, &row.staked_day, &row.staked]);
    }

    pub fn add_order(&mut self, row: &OrderRow) {
        let OrderRow { id, party, game, external_id, player, state, paid, .. } = row;
        add(&mut self.orders, "order", &[id, party, game, external_id, player, state, paid]);
        let OrderRow { stake, currency, bucket, wallet, product, round, day, .. } = row;
        add(&mut self.orders, "stake", &[stake, currency, bucket, wallet, product, round, day]);
    }

    /// Adds what only partners write, and returns the whole in hexadecimal.
    pub fn finish(self, conn: &mut AnyConnection) -> Result<String, StoreError> {
        let Self { people, orders, outcomes } = self;
        let mut partners = PartnersDigest::default();
        partners.add_transactions(conn)?;
        shop::add_to(&mut partners, conn)?;
        let mut whole = Sha256::new();
        for table in [people, orders, partners.hasher] {
            whole.update(table.finalize());
        }
        whole.update(outcomes);
        let digest: Hash = whole.finalize().into();
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn add(hasher: &mut Sha256, table: &str, parts: &[&dyn DigestPart]) {
    table.as_bytes().add(hasher);
    for part in parts {
        part.add(hasher);
    }
}

/// Of what only partners write.
#[derive(Default)]
pub(super) struct PartnersDigest {
    hasher: Sha256,
}

impl PartnersDigest {
    pub(super) fn row(&mut self, table: &str, parts: &[&dyn DigestPart]) {
        add(&mut self.hasher, table, parts);
    }

    fn add_transactions(&mut self, conn: &mut AnyConnection) -> Result<(), StoreError> {
        each_row!(conn, transactions by number from i64::MIN, |row: TransactionRow| {
            let TransactionRow { number, key, party, player, scope, kind, region, partner, reference, .. } = &row;
            let name: [&dyn DigestPart; 9] = [number, key, party, player, scope, kind, region, partner, reference];
            self.row("transaction", &name);
            let TransactionRow { moved_real, moved_bonus, moved_ring_fenced, moved_gbt_bonus, external, .. } = &row;
            self.row("moved", &[moved_real, moved_bonus, moved_ring_fenced, moved_gbt_bonus, external]);
            let TransactionRow { round, currency, product, source, state, ended_by, memo, worth, token: _, .. } = &row;
            self.row("fate", &[round, currency, product, source, state, ended_by, memo, worth]);
        });
        each_row!(conn, voids by source from i64::MIN, |row: VoidRow| {
            let VoidRow { source, party, player, kind, state, queued_at, attempt } = row;
            self.row("void", &[&source, &party, &player, &kind, &state, &queued_at, &attempt]);
        });
        Ok(())
    }
}
