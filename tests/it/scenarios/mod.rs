//! What every command is answered, as tables of text: one by one and as one batch, in memory, on SQLite and on
//! Postgres.

mod outcomes;
mod precedence;
mod repeats;
mod limits;
mod pockets;
mod bounds;
mod transactions;
mod rollbacks;
mod voids;
mod offers;

use purser::ledger::ReadSet;
use purser::storage::Store;

use crate::databases::{Fresh, apply};
use crate::memory::{Memory, next_number};
use crate::script::{Asked, Names, Step, held, parse, tidied, written, written_for};

/// A fact, and the scenario that shows it.
type Scenario = (&'static str, &'static str);

/// Runs every scenario in every way; each has a party of its own, so that one database does for all.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn check(scenarios: &[Scenario]) {
    let databases = Fresh::both().await;
    for (number, (fact, text)) in scenarios.iter().enumerate() {
        let serial = format!("serial-{number}");
        let together = format!("together-{number}");
        let agree = |how: &str, steps: &[Step], answers: Vec<String>| {
            let lines = steps.iter().zip(answers).map(|(step, answer)| written(&step.text, &answer));
            let expected = expected(text, steps);
            assert_eq!(lines.collect::<Vec<_>>().join("\n"), expected, "{fact} ({how})");
        };
        let (one_by_one, at_once) = (parse(&serial, text), batchable(parse(&together, text)));
        agree("in memory, one by one", &one_by_one, fold_one_by_one(&one_by_one));
        agree("in memory, at once", &at_once, fold_at_once(&at_once));
        for fresh in &databases {
            let mut store = fresh.writer();
            let kind = fresh.kind();
            agree(&format!("{kind}, one by one"), &one_by_one, store_one_by_one(&mut store, &one_by_one).await);
            agree(&format!("{kind}, at once"), &at_once, store_at_once(&mut store, &at_once).await);
        }
    }
    for fresh in &databases {
        assert_eq!(fresh.audit().await.findings, Vec::<String>::new(), "{}", fresh.kind());
    }
}

/// The scenario's own text of these steps.
fn expected(text: &str, steps: &[Step]) -> String {
    let tidy = tidied(text);
    let mut asked = steps.iter().map(|step| written(&step.text, "")).peekable();
    let ours = tidy.lines().filter(|line| asked.next_if(|asked| line.starts_with(asked.as_str())).is_some());
    ours.collect::<Vec<_>>().join("\n")
}

/// The commands, and the questions after the last of them: what is asked between two commands of one batch has no
/// answer.
fn batchable(steps: Vec<Step>) -> Vec<Step> {
    let commands = steps.iter().rposition(|step| matches!(step.asked, Asked::Command(_))).unwrap_or(0);
    let kept = steps.into_iter().enumerate();
    kept.filter(|(at, step)| *at > commands || matches!(step.asked, Asked::Command(_))).map(|(_, step)| step).collect()
}

fn fold_one_by_one(steps: &[Step]) -> Vec<String> {
    let (mut memory, mut names, mut answers) = (Memory::default(), Names::default(), Vec::new());
    for step in steps {
        answers.push(match step.command(&names) {
            Some(keyed) => {
                let (_, outcomes) = memory.apply(std::slice::from_ref(&keyed));
                names.learn(step, outcomes[0]);
                names.told(outcomes[0])
            }
            None => held(&memory.state, &step.asked, &names),
        });
    }
    answers
}

fn fold_at_once(steps: &[Step]) -> Vec<String> {
    let mut memory = Memory::default();
    let (commands, names) = written_for(steps, memory.next);
    let (_, outcomes) = memory.apply(&commands);
    let answers = outcomes.into_iter().map(|outcome| names.told(outcome));
    answers.chain(questions(steps).map(|step| held(&memory.state, &step.asked, &names))).collect()
}

async fn store_one_by_one(store: &mut impl Store, steps: &[Step]) -> Vec<String> {
    let (mut names, mut answers) = (Names::default(), Vec::new());
    for step in steps {
        answers.push(match step.command(&names) {
            Some(keyed) => {
                let outcomes = apply(store, std::slice::from_ref(&keyed)).await.expect("applied");
                names.learn(step, outcomes[0]);
                names.told(outcomes[0])
            }
            None => look(store, &step.asked, &names).await,
        });
    }
    answers
}

async fn store_at_once(store: &mut impl Store, steps: &[Step]) -> Vec<String> {
    let (commands, names) = written_for(steps, next_number(store).await);
    let outcomes = apply(store, &commands).await.expect("applied");
    let mut answers: Vec<String> = outcomes.into_iter().map(|outcome| names.told(outcome)).collect();
    for step in questions(steps) {
        answers.push(look(store, &step.asked, &names).await);
    }
    answers
}

fn questions(steps: &[Step]) -> impl Iterator<Item = &Step> {
    steps.iter().filter(|step| !matches!(step.asked, Asked::Command(_)))
}

async fn look(store: &mut impl Store, question: &Asked, names: &Names) -> String {
    let mut keys = ReadSet::default();
    match question {
        Asked::Command(_) => panic!("a command is not a question"),
        Asked::Balance(player, _) => drop(keys.players.insert(*player)),
        Asked::Level(player) => drop(keys.shop.levels.insert(*player)),
        Asked::Order(order) => drop(keys.orders.insert(*order)),
        Asked::Transaction(key) => drop(keys.transactions.named.insert(*key)),
        Asked::Queued(name) => drop(keys.transactions.voids.insert(names.number(name))),
        Asked::Offer(id) => drop(keys.shop.offers.insert(*id, 0)),
    }
    let state = store.load(&keys).await.expect("loaded").roll_back();
    held(&state, question, names)
}
