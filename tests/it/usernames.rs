//! A username is one player's within a party, whoever asks at the same moment, and in ledgers of before it was so.

use purser::ledger::command::KeyedCommand;
use purser::ledger::recorded::Recorded;
use purser::ledger::{AccountDone, AccountRefusal, Done, Outcome, Party, PlayerId, ReadSet, Refusal};
use purser::storage::usernames::{Nameless, nameless};
use purser::storage::{Store, StoreError, queries};
use purser::wallet::replay::{Replay, ReplayedAs};

use crate::databases::{Fresh, apply, decide_all};
use crate::e2e::services::Addresses;
use crate::e2e::stage::Base;
use crate::script::commands;
use crate::storage::{assert_sound, insist};

const OPENED: Outcome = Outcome::Done(Done::Account(AccountDone::PlayerOpened));
const TAKEN: Outcome = Outcome::Refused(Refusal::Account(AccountRefusal::UsernameTaken));

async fn signs_in_as(fresh: &Fresh, login: &'static str) -> Option<PlayerId> {
    let party = Party::parse("acme").expect("a party");
    fresh.database.query(move |conn| queries::player_of_login(conn, &party, login)).await.expect("looked up")
}

fn player(id: &str) -> Option<PlayerId> {
    Some(PlayerId::parse(id).expect("a player"))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_are_opened_at_once_the_second_is_refused_its_name() {
    let fresh = Fresh::postgres().await;
    let (mut first, mut second) = (fresh.writer(), fresh.writer());
    let (alice, bob) = (commands("acme", "open alice CHF username=al"), commands("acme", "open bob CHF username=al"));
    // Both see that nobody has the name.
    let mut seen = first.load(&ReadSet::of(&alice)).await.expect("loaded");
    let mut seen_by_second = second.load(&ReadSet::of(&bob)).await.expect("loaded");
    let opened = decide_all(&mut seen.state, &alice).0;
    seen.commit(opened).await.expect("committed");
    let opened = decide_all(&mut seen_by_second.state, &bob).0;
    let lost = seen_by_second.commit(opened).await.map(drop);
    assert!(matches!(lost, Err(StoreError::Conflict(_))), "{lost:?}");
    assert_eq!(insist(&mut second, &bob).await.0, [TAKEN]);
    assert_eq!(insist(&mut second, &alice).await.0, [OPENED]);
    assert_eq!(signs_in_as(&fresh, "al").await, player("alice"));
    assert_sound(&fresh).await;
}

/// What a journal says of players who were opened when a name could be given twice.
fn recorded(commands: Vec<KeyedCommand>) -> Vec<Recorded> {
    let numbered = (1..).zip(commands);
    numbered.map(|(seq, keyed)| Recorded { seq, keyed, outcome: OPENED, kept: true }).collect()
}

fn shared() -> Vec<KeyedCommand> {
    commands("acme", "open alice CHF username=al\nopen bob CHF username=al\nopen carol CHF username=carol")
}

/// Whose name it is, and who signs in by an id alone.
async fn assert_first_keeps_it(fresh: &Fresh) {
    let signs_in = [("al", "alice"), ("alice", "alice"), ("bob", "bob"), ("carol", "carol")];
    for (login, id) in signs_in {
        assert_eq!(signs_in_as(fresh, login).await, player(id), "{login}");
    }
    let [party, username, player] = ["acme", "al", "bob"].map(str::to_owned);
    let others = fresh.database.query(nameless).await.expect("looked up");
    assert_eq!(others, [Nameless { party, username, player }], "{}", fresh.kind());
    assert_sound(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_old_journal_gave_twice_is_replayed_and_stays_with_the_first() {
    for fresh in Fresh::both().await {
        for batches in [1, 3] {
            let mut replay = Replay::dry_run(fresh.writer());
            for batch in recorded(shared()).chunks(3 / batches) {
                let compared = replay.apply(batch.to_vec()).await.expect("decided");
                assert_eq!(compared, vec![ReplayedAs::Applied; batch.len()], "{}", fresh.kind());
            }
        }
        for comparison in [ReplayedAs::Applied, ReplayedAs::Equal] {
            let compared = Replay::new(fresh.writer()).apply(recorded(shared())).await.expect("replayed");
            assert_eq!(compared, [comparison; 3], "{}", fresh.kind());
        }
        assert_first_keeps_it(&fresh).await;
        // Nobody else gets it, and the second one's command is no other than it was.
        let late = commands("acme", "open dave CHF username=al\nopen bob CHF username=al");
        assert_eq!(apply(&mut fresh.writer(), &late).await.expect("applied"), [TAKEN, OPENED]);
        assert_first_keeps_it(&fresh).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_in_which_a_name_was_given_twice_is_migrated() {
    for fresh in Fresh::both().await {
        Replay::new(fresh.writer()).apply(recorded(shared())).await.expect("replayed");
        // As the release before left it.
        let forgotten = "DROP TABLE usernames; DELETE FROM __diesel_schema_migrations WHERE version = '20261127000050'";
        fresh.execute(forgotten).await;
        assert_eq!(fresh.database.migrate().await.expect("migrated"), ["20261127000050"]);
        assert_first_keeps_it(&fresh).await;
        fresh.execute("UPDATE usernames SET player = (SELECT id FROM players WHERE player = 'bob')").await;
        let findings = fresh.audit().await.findings;
        assert!(findings.iter().any(|finding| finding.contains("al is the username of alice")), "{findings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_that_add_players_at_once_do_not_give_one_name_twice() {
    for base in [Base::Sqlite, Base::Postgres] {
        let stage = crate::http::server::open(base, &Addresses::shared()).await;
        for round in 0..4 {
            let username = format!("name-{round}");
            let add = async |player: String| {
                let add = ["player", "add", "--party", "acme", "--player", &player, "--username", &username];
                let ended = stage.run(&add).await;
                (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
            };
            let both = tokio::join!(add(format!("first-{round}")), add(format!("second-{round}")));
            let mut both = [both.0, both.1];
            both.sort();
            let [(done, _), (refused, why)] = both;
            assert_eq!((done, refused), (Some(0), Some(1)), "{why}");
            assert!(why.contains(&format!("--username {username} is another player's name to sign in by")), "{why}");
        }
        stage.audit().await;
    }
}
