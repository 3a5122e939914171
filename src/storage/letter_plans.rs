//! Plans for dead letters, kept for minutes: any process on the ledger shows and runs what another has made. What a plan says
//! is its maker's own; here it is a text.

use diesel::prelude::*;
use uuid::Uuid;

use super::StoreError;
use super::queries::{AnyConnection, classify, on};
use super::rows::{Bytes, bytes};
use super::schema::letter_plans;
use crate::ledger::Party;
use crate::ledger::command::Timestamp;

/// A plan as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPlan {
    pub id: Uuid,
    pub party: Party,
    /// Looking, ready, running, done or failed, in its maker's words.
    pub stage: &'static str,
    /// Whoever works on one writes it again and again.
    pub written_at: Timestamp,
    /// JSON.
    pub plan: String,
    /// The fingerprints of the letters that it touches, one behind another, where they are to be written: they are many, and are
    /// known once it is ready.
    pub touched: Option<Bytes>,
}

/// A plan that was found.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct FoundPlan {
    pub stage: String,
    /// Microseconds since 1970.
    pub written_at: i64,
    pub plan: String,
    pub touched: Bytes,
}

/// Keeps a new one, and forgets those that nobody has written since `before`.
pub fn keep(conn: &mut AnyConnection, plan: &KeptPlan, before: Timestamp) -> Result<(), StoreError> {
    let old = diesel::delete(letter_plans::table.filter(letter_plans::written_at.lt(before.0)));
    on!(&mut *conn, conn => old.execute(conn)).map_err(classify)?;
    let row = (
        letter_plans::id.eq(bytes(plan.id)),
        letter_plans::party.eq(plan.party.as_str()),
        letter_plans::stage.eq(plan.stage),
        letter_plans::written_at.eq(plan.written_at.0),
        letter_plans::plan.eq(&plan.plan),
        letter_plans::touched.eq(plan.touched.clone().unwrap_or_default()),
    );
    let insert = diesel::insert_into(letter_plans::table).values(row).on_conflict_do_nothing();
    on!(conn, conn => insert.execute(conn)).map(drop).map_err(classify)
}

/// Writes down how far it has come, where it stands at one of these stages.
pub fn write(conn: &mut AnyConnection, plan: &KeptPlan, from: &[&str]) -> Result<(), StoreError> {
    let standing = letter_plans::table.find(bytes(plan.id)).filter(letter_plans::stage.eq_any(from));
    let told = (
        letter_plans::stage.eq(plan.stage),
        letter_plans::written_at.eq(plan.written_at.0),
        letter_plans::plan.eq(&plan.plan),
        plan.touched.as_ref().map(|touched| letter_plans::touched.eq(touched)),
    );
    let update = diesel::update(standing).set(told);
    on!(conn, conn => update.execute(conn)).map(drop).map_err(classify)
}

/// Turns one from a stage to another. Of those who try one is first, and `false` is told to the others.
pub fn turn(conn: &mut AnyConnection, id: Uuid, (from, to): (&str, &str), at: Timestamp) -> Result<bool, StoreError> {
    let waiting = letter_plans::table.find(bytes(id)).filter(letter_plans::stage.eq(from));
    let turned = (letter_plans::stage.eq(to), letter_plans::written_at.eq(at.0));
    let update = diesel::update(waiting).set(turned);
    Ok(on!(conn, conn => update.execute(conn)).map_err(classify)? == 1)
}

/// The party's plan of this id.
pub fn find(conn: &mut AnyConnection, party: &Party, id: Uuid) -> Result<Option<FoundPlan>, StoreError> {
    let theirs = letter_plans::table.find(bytes(id)).filter(letter_plans::party.eq(party.as_str()));
    let columns = (letter_plans::stage, letter_plans::written_at, letter_plans::plan, letter_plans::touched);
    on!(conn, conn => theirs.select(columns).first(conn)).optional().map_err(classify)
}
