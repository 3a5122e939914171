//! Not the cases that somebody thought of, but every value that a ledger consists of: one at a time is changed, and the
//! audit finds something wrong.

use diesel::prelude::*;
use diesel::sql_types::Text;
use purser::ledger::command::Timestamp;
use purser::storage::StoreError;
use purser::storage::audit;
use purser::storage::queries::AnyConnection;
use purser::storage::trail::{self, NewEntry};
use uuid::Uuid;

use super::{PARTNERS, SEGMENT, called, pruned};
use crate::databases::{Fresh, apply};
use crate::history::follow;
use crate::memory::next_number;
use crate::script::{commands, parse, written_for};

/// What the audit says nothing about: it is no money, and not in the journal.
const BESIDE: [&str; 9] = [
    "__diesel_schema_migrations.version",
    "__diesel_schema_migrations.run_on",
    "credentials.",
    "grants.",
    "grant_tokens.",
    // Who is signed in, and what is planned, for hours and minutes: acts of theirs are in the trail.
    "console_sessions.",
    "letter_plans.",
    // Where an order's row lies is nothing but what its index says, if that has it by now; its own tests change both.
    "orders.num",
    // A partner's private token is nobody's business but the partner's.
    "transactions.token",
];

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

async fn lines(fresh: &Fresh, sql: String) -> Vec<String> {
    let reading = fresh.database.query(move |conn| {
        let AnyConnection::Sqlite(conn) = conn else { panic!("SQLite's dialect") };
        let rows = diesel::sql_query(&sql).load::<Line>(conn);
        rows.map_err(|error| StoreError::Rejected(format!("{error}: {sql}")))
    });
    reading.await.expect("lines").into_iter().map(|row| row.line).collect()
}

/// A table with its columns and their types.
struct Table {
    name: String,
    columns: Vec<(String, String)>,
}

impl Table {
    async fn all(fresh: &Fresh) -> Vec<Self> {
        let tables =
            "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'".to_owned();
        let mut all = Vec::new();
        for name in lines(fresh, tables).await {
            let columns = format!("SELECT name || ' ' || type AS line FROM pragma_table_info('{name}')");
            let columns = lines(fresh, columns).await;
            let split = |column: &String| column.split_once(' ').map(|(name, kind)| (name.to_owned(), kind.to_owned()));
            all.push(Self { name, columns: columns.iter().map(|column| split(column).expect("a type")).collect() });
        }
        all
    }

    /// Every row, as one literal a column.
    async fn rows(&self, fresh: &Fresh) -> Vec<Vec<String>> {
        let literals: Vec<String> = self.columns.iter().map(|(column, _)| format!("quote({column})")).collect();
        let rows = lines(fresh, format!("SELECT json_array({}) AS line FROM {}", literals.join(", "), self.name)).await;
        rows.iter().map(|row| serde_json::from_str(row).expect("an array")).collect()
    }

    fn set(&self, from: &[String], to: &[String]) -> String {
        let list = |values: &[String], equals: &str, and: &str| {
            let all = self.columns.iter().zip(values);
            all.map(|((column, _), value)| format!("{column} {equals} {value}")).collect::<Vec<_>>().join(and)
        };
        format!("UPDATE {} SET {} WHERE {}", self.name, list(to, "=", ", "), list(from, "IS", " AND "))
    }
}

/// Another value of the same type, as little apart as can be.
fn other(literal: &str, kind: &str) -> String {
    match (literal, kind) {
        ("NULL" | "X''", "BLOB") => "X'00'".to_owned(),
        ("NULL", "TEXT") => "'x'".to_owned(),
        ("NULL", _) => "1".to_owned(),
        (text, "BLOB" | "TEXT") => {
            let (start, last) = text.trim_end_matches('\'').split_at(text.len() - 2);
            let last = match (kind, last) {
                ("BLOB", "0") => "1",
                ("BLOB", _) => "0",
                (_, "x") => "y",
                _ => "x",
            };
            format!("{start}{last}'")
        }
        (number, _) => (number.parse::<i64>().expect("a number") ^ 1).to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_to_any_value_of_the_ledger_is_found_out() {
    let fresh = Fresh::sqlite().await;
    let mut writer = fresh.writer();
    apply(&mut writer, &called(commands("acme", pruned::STORY))).await.expect("applied");
    follow(&fresh, SEGMENT).await;
    fresh.prune(Timestamp(pruned::BEFORE)).await;
    let next = next_number(&mut writer).await;
    apply(&mut writer, &written_for(&parse("beta", PARTNERS), next).0).await.expect("applied");
    drop(writer);
    follow(&fresh, SEGMENT).await;
    for concludes in [None, Some(1)] {
        let text = str::to_owned;
        let entry = NewEntry {
            id: Uuid::new_v4(),
            at: Timestamp(1),
            who: text("carol"),
            role: text("operator"),
            origin: text("192.0.2.1"),
            act: text("deposit"),
            party: text("acme"),
            target: text("alice"),
            detail: text("{}"),
            outcome: text("begun"),
            concludes,
        };
        fresh.database.query(move |conn| trail::append(conn, &entry)).await.expect("appended");
    }
    // Whoever owns the database can do without what keeps the trail from changing.
    fresh.execute("DROP TRIGGER trail_never_changes").await;
    assert_eq!(fresh.audit().await.findings, Vec::<String>::new());

    let (mut changed, mut unnoticed) = (0, Vec::new());
    for table in Table::all(&fresh).await {
        for row in table.rows(&fresh).await {
            for (position, (column, kind)) in table.columns.iter().enumerate() {
                let name = format!("{}.{column}", table.name);
                if BESIDE.iter().any(|beside| name.starts_with(beside)) {
                    continue;
                }
                let mut tampered = row.clone();
                tampered[position] = other(&row[position], kind);
                // Some values the database itself refuses.
                if !fresh.try_to_execute(table.set(&row, &tampered)).await {
                    continue;
                }
                changed += 1;
                match fresh.database.query(audit::run).await {
                    Ok(report) if !report.findings.is_empty() => {}
                    audited => unnoticed
                        .push(format!("{name}: {} instead of {}: {audited:?}", tampered[position], row[position])),
                }
                fresh.execute(table.set(&tampered, &row)).await;
            }
        }
    }
    assert!(unnoticed.is_empty(), "of {changed} changes: {unnoticed:#?}");
    assert!(changed > 800, "{changed} changes");
    assert_eq!(fresh.audit().await.findings, Vec::<String>::new());
}
