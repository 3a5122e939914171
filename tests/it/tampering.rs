//! Whoever changes the database behind the program's back is found out: the audit names the row.

mod cases;
mod every_column;
mod pruned;

use purser::ledger::account::{HouseAccount, HouseSide};
use purser::ledger::batch::TransferEntry;
use purser::ledger::command::{KeyedCommand, Timestamp};
use purser::ledger::orders::OrderKey;
use purser::ledger::{
    AccountId, Command, Currency, ExternalId, Game, OrderId, OrderIds, Party, PlayerId, PlayerKey, Pocket,
};
use purser::storage::transfers;

use crate::databases::{Fresh, apply};
use crate::history::follow;
use crate::script::commands;

/// A ledger with a bit of everything. In one batch, so each line is the journal row of its number.
const STORY: &str = "
    open alice CHF username=ally
    open bob CHF
    deposit alice 1000 CHF
    deposit bob 50 CHF
    bet alice won r1 100 CHF
    win alice won r1 250 CHF
    bet alice cancelled r1 70 CHF
    cancel alice cancelled
    bet alice open r1 40 CHF
    bet bob refused r1 900 CHF
    cancel bob tombstone
    bet alice lost r1 5 CHF
    lose alice lost r1
    withdraw bob 10 CHF
";

/// What partners write, likewise.
const PARTNERS: &str = "
    open alice CHF
    deposit alice 1000 CHF
    stake alice settled g1 100 CHF
    prize alice win g1 150 CHF
    stake alice voided g2 70 CHF
    void alice void voided 70 CHF
    stake alice rolled g3 30 CHF
    rollback alice back rolled CHF
    rollback alice early tombstone CHF
    stake alice open g4 40 CHF external=10
    pay alice paid - 5,bonus:6 CHF
    queue alice paid kind=7
    approve alice paid
    queue alice open
    dismiss alice open
    queue alice voided
    vip alice silver 20 CHF
    stock card 30 CHF k1,k2,k3 and game 50 CHF k4
    buy alice bought card 2 30 CHF
    stake alice late g9 10 CHF
    prize alice latewin g9 15 CHF
    queue alice late kind=9
    approve alice late
";

const TABLES: [&str; 15] = [
    "checkpoints",
    "carried",
    "writers",
    "journal",
    "players",
    "usernames",
    "accounts",
    "orders",
    "transactions",
    "voids",
    "offers",
    "gift_keys",
    "purchases",
    "history_position",
    "history_pages",
];

/// Rows of a segment of the index of histories: of [`STORY`] there are two, up to row 10.
const SEGMENT: usize = 5;

/// What is done, and what the finding says; `{alice}` and `{bob}` are accounts, `{won}` and so on orders, and
/// `{alice>house 5}` is a transfer.
type Case = (&'static str, &'static str);

const ORDER: &str = "UPDATE orders SET";

/// Fills in the names of a case.
fn filled(text: &str, kind: &str, written: bool) -> String {
    let party = Party::parse("acme").expect("a party");
    let mut text = text.replace("{order}", ORDER);
    let mut fill = |name: &str, id: uuid::Uuid| {
        let place = format!("{{{name}}}");
        let (quoted, id) = match (written, kind) {
            (false, _) => (place.clone(), id.to_string()),
            (true, "SQLite") => (format!("'{place}'"), format!("X'{}'", id.simple())),
            (true, _) => (format!("'{place}'"), format!("'\\x{}'", id.simple())),
        };
        text = text.replace(&quoted, &id);
    };
    for name in ["alice", "bob"] {
        fill(name, account(&party, name).uuid());
    }
    for name in ["won", "cancelled", "open", "refused", "tombstone", "lost"] {
        let game = Game::parse("wallstroulette").expect("a game");
        let key = OrderKey { game, external_id: ExternalId::parse(name).expect("an externalId") };
        let bob = PlayerKey::of(&party, &PlayerId::parse("bob").expect("a player"));
        let OrderIds { accepted, refused } = OrderIds::of(OrderId::of(&party, &key), bob);
        fill(name, if ["refused", "tombstone"].contains(&name) { refused.uuid() } else { accepted.uuid() });
    }
    if written { with_transfers(&text, &party, kind) } else { text }
}

fn account(party: &Party, name: &str) -> AccountId {
    let currency = Currency::parse("CHF").expect("a currency");
    if name == "house" {
        return HouseAccount { party: party.clone(), side: HouseSide::House, currency }.id();
    }
    let player = PlayerKey::of(party, &PlayerId::parse(name).expect("a player"));
    AccountId::of_player(player, &Pocket::real(currency))
}

/// Writes each list of transfers as the journal keeps it.
fn with_transfers(text: &str, party: &Party, kind: &str) -> String {
    const COLUMN: &str = "SET transfers = ";
    let found =
        text.split_once(&format!("{COLUMN}'{{")).and_then(|(before, rest)| Some((before, rest.split_once("}'")?)));
    let Some((before, (told, after))) = found else { return text.to_owned() };
    let transfer = |told: &str| {
        let (debit, rest) = told.split_once('>').expect("a debit account");
        let (credit, amount) = rest.split_once(' ').expect("a credit account");
        let amount = amount.parse().expect("an amount");
        TransferEntry { debit: account(party, debit), credit: account(party, credit), amount }
    };
    let entries: Vec<_> = told.split(',').filter(|told| !told.is_empty()).map(transfer).collect();
    let hex: String = transfers::encode(&entries).iter().map(|byte| format!("{byte:02x}")).collect();
    let literal = if kind == "SQLite" { format!("X'{hex}'") } else { format!("'\\x{hex}'") };
    format!("{before}{COLUMN}{literal}{after}")
}

/// The commands, each with a correlation id of its own.
fn called(commands: Vec<KeyedCommand>) -> Vec<KeyedCommand> {
    let called = commands.into_iter().enumerate().map(|(number, keyed)| {
        let correlation = Some(format!("c{number}").into());
        Command { correlation, ..keyed.command }.keyed()
    });
    called.collect()
}

fn check(story: &str, cases: &[Case]) {
    check_pruned(story, Timestamp(0), cases);
}

/// The same where the story's journal was pruned before it was tampered with.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn check_pruned(story: &str, before: Timestamp, cases: &[Case]) {
    for fresh in Fresh::both().await {
        let kind = fresh.kind();
        apply(&mut fresh.writer(), &called(commands("acme", story))).await.expect("applied");
        follow(&fresh, SEGMENT).await;
        fresh.prune(before).await;
        assert_eq!(fresh.audit().await.findings, Vec::<String>::new(), "{kind}");
        for table in TABLES {
            fresh.execute(format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}")).await;
        }
        let mut missed = Vec::new();
        for (sql, finding) in cases {
            fresh.execute(filled(sql, kind, true)).await;
            let (findings, expected) = (fresh.audit().await.findings, filled(finding, kind, false));
            if !findings.iter().any(|found| found.contains(&expected)) {
                missed.push(format!("{sql}: not “{expected}” but {findings:#?}"));
            }
            for table in TABLES {
                fresh.execute(format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM saved_{table}")).await;
            }
        }
        assert!(missed.is_empty(), "{kind}: {}", missed.join("\n"));
        assert_eq!(fresh.audit().await.findings, Vec::<String>::new(), "{kind}");
    }
}

/// As after its move from another ledger.
#[tokio::test(flavor = "multi_thread")]
async fn stakes_of_a_party_whose_bets_are_of_earlier_days_than_others_are_found_out() {
    for fresh in Fresh::both().await {
        for (party, day) in [("beta", 20), ("acme", 10)] {
            let story = format!("open alice CHF\ndeposit alice 1000 CHF\nbet alice one r1 7 CHF at={day}");
            apply(&mut fresh.writer(), &commands(party, &story)).await.expect("applied");
        }
        assert_eq!(fresh.audit().await.findings, Vec::<String>::new(), "{}", fresh.kind());
        fresh.execute("UPDATE accounts SET staked = 8 WHERE party = 'acme' AND side = 'player'").await;
        let findings = fresh.audit().await.findings;
        let found = "is an account that has staked something else on its last day (acme 8 on day 10)";
        assert!(findings.iter().any(|finding| finding.contains(found)), "{}: {findings:?}", fresh.kind());
    }
}
