//! What must hold in every history, whatever goes wrong in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use purser::ledger::command::{KeyedCommand, Timestamp};
use purser::ledger::{
    AccountAct, AccountRefusal, Act, CommandKey, Done, JournalEntry, OrderAct, OrderDone, OrderIds, OrderRefusal,
    Outcome, Refusal,
};
use purser::wallet::Answer;

use super::books::Books;
use super::broker::Delivery;
use super::peers::TIMEOUT;
use super::plan::Message;
use super::world::World;
use crate::memory::Memory;
use crate::model::{Model, pocket_name};
use crate::script::told;

/// A delivery that was submitted to a lane.
struct Ticket {
    message: usize,
    process: usize,
    queue: usize,
    keyed: KeyedCommand,
    /// When this copy of the message was published.
    published: Duration,
    /// When the lane took it, and as the how-manieth.
    accepted: Option<(Duration, usize)>,
    answered: Option<(Duration, Answer)>,
    is_dropped: bool,
}

#[derive(Default)]
pub struct Judge {
    tickets: Vec<Ticket>,
    accepted: usize,
    crashed: BTreeSet<usize>,
    draining: BTreeSet<usize>,
    /// When the first bet of an order was published.
    bets: HashMap<OrderIds, Duration>,
    replies: BTreeMap<usize, Vec<Answer>>,
    /// What each message asks, by its number.
    acts: BTreeMap<usize, Act>,
}

impl Judge {
    pub fn crashed(&mut self, process: usize) {
        self.crashed.insert(process);
    }

    pub fn drains(&mut self, process: usize) {
        self.draining.insert(process);
    }

    pub fn published(&mut self, message: &Message, now: Duration) {
        let keyed = message.command(Timestamp(0), "");
        if let (Act::Order(OrderAct::PlaceBet(_)), Some(order)) = (&keyed.command.act, keyed.order) {
            self.bets.entry(order).or_insert(now);
        }
    }

    pub fn accepted(&mut self, ticket: usize, now: Duration) {
        self.accepted += 1;
        self.tickets[ticket].accepted = Some((now, self.accepted));
    }

    pub fn replied(&mut self, message: &Message, answer: Answer) {
        self.acts.entry(message.number).or_insert_with(|| message.act.clone());
        self.replies.entry(message.number).or_default().push(answer);
    }
}

/// An answer that a lane owes.
pub struct Promise {
    world: Arc<World>,
    ticket: usize,
    is_kept: bool,
}

impl Promise {
    pub fn of(world: &Arc<World>, process: usize, delivery: &Delivery) -> Self {
        let (message, published) = (&delivery.message, delivery.published);
        let mut judge = world.judge();
        let ticket = judge.tickets.len();
        // By its correlation id a journal row tells which delivery it is of.
        let keyed = message.command(world.time_of_day(), &ticket.to_string());
        let Message { number: message, queue, .. } = **message;
        judge.tickets.push(Ticket {
            message,
            process,
            queue,
            keyed,
            published,
            accepted: None,
            answered: None,
            is_dropped: false,
        });
        drop(judge);
        world.note(|| format!("process {process} takes message {message} as {ticket}"));
        Self { world: Arc::clone(world), ticket, is_kept: false }
    }

    pub fn number(&self) -> usize {
        self.ticket
    }

    pub fn keyed(&self) -> KeyedCommand {
        self.world.judge().tickets[self.ticket].keyed.clone()
    }

    pub fn keep(mut self, answer: Answer) {
        self.is_kept = true;
        let now = self.world.now();
        let found = {
            let (mut judge, books) = (self.world.judge(), self.world.books());
            judge.tickets[self.ticket].answered = Some((now, answer));
            judge_answer(&self.world, &judge, &books, self.ticket, answer)
        };
        self.world.note(|| format!("{} is answered {answer:?}", self.ticket));
        for finding in found {
            self.world.find(finding);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.is_kept {
            self.world.judge().tickets[self.ticket].is_dropped = true;
        }
    }
}

/// What is wrong with an answer at the moment at which it is given.
fn judge_answer(world: &World, judge: &Judge, books: &Books, number: usize, answer: Answer) -> Vec<String> {
    let (ticket, mut found) = (&judge.tickets[number], Vec::new());
    let Some((accepted, _)) = ticket.accepted else { return vec![format!("{number} is answered before it was asked")] };
    let waited = world.now() - accepted;
    match answer {
        Answer::Failed if !books.poison.contains(&ticket.keyed.key) => found.push(format!("{number} is no poison")),
        Answer::Failed => world.saw("poison"),
        Answer::Decided { outcome, repeated } => {
            if !is_committed(books, &ticket.keyed, outcome, repeated) {
                found.push(format!("{number} is answered {outcome:?}, which was not committed"));
            }
            if gave_up(ticket, outcome, repeated) && waited < least_patience(world, judge, ticket) {
                found.push(format!("{number} gave up after {waited:?}"));
            }
            if gave_up(ticket, outcome, repeated) && is_bet_published_before(judge, books, ticket) {
                found.push(format!("{number} gave up, though its bet was published before it"));
            }
            see(world, ticket, outcome, repeated, waited);
        }
    }
    let most = patience_of(world, judge, ticket) + world.allowance(accepted);
    if waited > most {
        found.push(format!("{number} was answered after {waited:?}, which is more than {most:?}"));
    }
    found
}

/// Whether the database holds what an answer says.
fn is_committed(books: &Books, keyed: &KeyedCommand, outcome: Outcome, repeated: bool) -> bool {
    let decided = |key: CommandKey| books.state.decided.get(&key);
    if outcome == Outcome::Refused(Refusal::Account(AccountRefusal::KeyReused)) {
        return decided(keyed.key).or_else(|| decided(keyed.refused_key()?)).is_some();
    }
    if repeated {
        return decided(keyed.kept_key(outcome)).is_some_and(|decided| decided.outcome == outcome);
    }
    let is_this = |entry: &JournalEntry| entry.keyed.command.correlation == keyed.command.correlation;
    books.journal.iter().any(|(entry, _)| is_this(entry) && entry.outcome == outcome)
}

/// Surveys that it takes to pass a mark, where bets come in between.
const SURVEYS: usize = 3;

fn waits(keyed: &KeyedCommand) -> bool {
    matches!(keyed.command.act, Act::Order(OrderAct::SettleOrder(_) | OrderAct::CancelOrder(_)))
}

fn gave_up(ticket: &Ticket, outcome: Outcome, repeated: bool) -> bool {
    waits(&ticket.keyed) && outcome == Outcome::Refused(Refusal::Order(OrderRefusal::OrderUnknown)) && !repeated
}

/// Whether the bet was published first. One that the database refuses leaves the queue and is never known.
fn is_bet_published_before(judge: &Judge, books: &Books, ticket: &Ticket) -> bool {
    let Some(order) = ticket.keyed.order else { return false };
    let is_poison = judge.tickets.iter().any(|bet| {
        matches!(bet.keyed.command.act, Act::Order(OrderAct::PlaceBet(_)))
            && bet.keyed.order == Some(order)
            && books.poison.contains(&bet.keyed.key)
    });
    !is_poison && judge.bets.get(&order).is_some_and(|published| *published < ticket.published)
}

/// How long a command may wait at most while nothing goes wrong: for the bets before it, in surveys of which one may
/// fail for each process that crashes, and then for its own.
fn patience_of(world: &World, judge: &Judge, ticket: &Ticket) -> Duration {
    if !waits(&ticket.keyed) {
        return Duration::ZERO;
    }
    let surveys = u32::try_from(judge.crashed.len() + SURVEYS).expect("few processes");
    world.bounds.ordering_grace + TIMEOUT * surveys
}

/// What a command is sure of: all of its patience, or a tenth where its source may have been crowded meanwhile.
fn least_patience(world: &World, judge: &Judge, ticket: &Ticket) -> Duration {
    let from = ticket.accepted.map_or(Duration::MAX, |(from, _)| from);
    let until = ticket.answered.map_or(Duration::MAX, |(until, _)| until);
    let neighbours = judge.tickets.iter().filter(|other| {
        let is_of_source = other.process == ticket.process && other.queue == ticket.queue;
        let came = other.accepted.is_some_and(|(came, _)| came <= until);
        is_of_source && came && other.answered.is_none_or(|(left, _)| left >= from)
    });
    let grace = world.bounds.ordering_grace;
    if neighbours.count() > world.bounds.crowding_limit / world.lanes { grace / 10 } else { grace }
}

fn see(world: &World, ticket: &Ticket, outcome: Outcome, repeated: bool, waited: Duration) {
    let is_done = matches!(outcome, Outcome::Done(_));
    match (&ticket.keyed.command.act, outcome) {
        _ if repeated => world.saw("repeated"),
        (Act::Order(OrderAct::CancelOrder(_)), Outcome::Refused(Refusal::Order(OrderRefusal::OrderUnknown))) => {
            world.saw("tombstone")
        }
        (Act::Order(OrderAct::SettleOrder(_)), Outcome::Refused(Refusal::Order(OrderRefusal::OrderUnknown))) => {
            world.saw("gave up")
        }
        (Act::Order(OrderAct::PlaceBet(_)), Outcome::Refused(Refusal::Order(OrderRefusal::OrderCancelled))) => {
            world.saw("bet after its tombstone")
        }
        (Act::Order(OrderAct::PlaceBet(_)), Outcome::Refused(Refusal::Order(OrderRefusal::MaxStakePerDay { .. }))) => {
            world.saw("daily limit")
        }
        _ if waits(&ticket.keyed) && is_done && waited > world.bounds.ordering_grace => {
            world.saw("paid long after the grace");
        }
        _ if waits(&ticket.keyed) && is_done && waited > Duration::from_millis(500) => world.saw("paid after a wait"),
        _ => {}
    }
}

/// What is wrong with a history when it is over.
pub fn conclude(world: &World) {
    let (judge, books) = (world.judge(), world.books());
    let mut found = Vec::new();
    judge_tickets(world, &judge, &mut found);
    for (message, replies) in &judge.replies {
        found.extend(disagreement(&judge.acts[message], replies).map(|why| format!("message {message}: {why}")));
    }
    judge_order(&judge, &books, &mut found);
    judge_journal(&books, &mut found);
    judge_money(&books, &mut found);
    drop((judge, books));
    for finding in found {
        world.find(finding);
    }
}

fn judge_tickets(world: &World, judge: &Judge, found: &mut Vec<String>) {
    for (number, ticket) in judge.tickets.iter().enumerate() {
        // Whoever waits for a queue when his process drains comes again in another.
        let is_given_back = ticket.is_dropped && waits(&ticket.keyed) && judge.draining.contains(&ticket.process);
        if ticket.answered.is_none() && !judge.crashed.contains(&ticket.process) && !is_given_back {
            found.push(format!("{number} was never answered (dropped: {})", ticket.is_dropped));
        }
        if !judge.replies.contains_key(&ticket.message) {
            found.push(format!("message {} has no reply", ticket.message));
        }
        if let Some(bet) = bet_in_time(world, judge, ticket) {
            found.push(format!("{number} gave up, though its bet {bet} came in time"));
        }
    }
}

/// The bet that came to the same lane in time for a command that gave up on it.
fn bet_in_time<'a>(world: &World, judge: &'a Judge, ticket: &Ticket) -> Option<&'a str> {
    let (Some((accepted, _)), Some((_, Answer::Decided { outcome, repeated }))) = (ticket.accepted, ticket.answered)
    else {
        return None;
    };
    // A lane that takes few at a time may look at a bet later than it came.
    if !gave_up(ticket, outcome, repeated) || world.bounds.max_batch < world.copies {
        return None;
    }
    let last = accepted + least_patience(world, judge, ticket);
    let in_time = judge.tickets.iter().find(|bet| {
        let keyed = &bet.keyed;
        matches!(keyed.command.act, Act::Order(OrderAct::PlaceBet(_)))
            && bet.process == ticket.process
            && keyed.order == ticket.keyed.order
            && keyed.player == ticket.keyed.player
            && bet.accepted.is_some_and(|(at, _)| at < last)
            && matches!(bet.answered, Some((_, Answer::Decided { .. })))
    });
    in_time.and_then(|bet| bet.keyed.command.correlation.as_deref())
}

/// Whether a message was told one thing and then another.
fn disagreement(act: &Act, replies: &[Answer]) -> Option<String> {
    let outcomes = replies.iter().filter_map(|reply| match reply {
        Answer::Decided { outcome, .. } => Some(*outcome),
        Answer::Failed => None,
    });
    // A refused result moved nothing and is judged afresh, and so is a withdrawal.
    let is_final = |outcome: &Outcome| match (act, outcome) {
        (
            Act::Order(OrderAct::SettleOrder(_) | OrderAct::CancelOrder(_))
            | Act::Account(AccountAct::Withdraw(_) | AccountAct::Deposit(_)),
            Outcome::Refused(_),
        ) => false,
        (_, Outcome::Refused(_) | Outcome::Done(_)) => true,
    };
    let finals: Vec<Outcome> = outcomes.filter(is_final).collect();
    let (first, rest) = finals.split_first()?;
    rest.iter().find(|other| *other != first).map(|other| format!("told {first:?} and {other:?}"))
}

/// What does not wait is decided in the order in which its lane took it. (A refusal that blocks nothing may be decided
/// once more, where the lane did not hear of its commit.)
fn judge_order(judge: &Judge, books: &Books, found: &mut Vec<String>) {
    let (mut last, mut known) = (BTreeMap::new(), BTreeSet::new());
    for (entry, _) in &books.journal {
        let correlation = entry.keyed.command.correlation.as_deref().unwrap_or_default();
        let ticket: usize = correlation.parse().expect("a ticket's number");
        let Ticket { accepted, process, keyed, .. } = &judge.tickets[ticket];
        let Some((_, place)) = accepted else { continue };
        if waits(keyed) || !known.insert(ticket) {
            continue;
        }
        let before = last.insert((*process, keyed.player), *place);
        if before.is_some_and(|before| before > *place) {
            found.push(format!("{ticket} was overtaken by a later command of its player's"));
        }
    }
}

/// The committed commands, one by one, decided by the core again and by the naive model.
fn judge_journal(books: &Books, found: &mut Vec<String>) {
    let (mut model, mut memory) = (Model::default(), Memory::default());
    for (entry, _) in &books.journal {
        let answer = model.answer(&entry.keyed.command, entry.seq);
        if answer != told(entry.outcome) {
            found.push(format!("the model answers {answer} to {entry:?}"));
        }
        let (_, outcomes) = memory.apply(std::slice::from_ref(&entry.keyed));
        if outcomes != [entry.outcome] {
            found.push(format!("one by one it is {outcomes:?}: {entry:?}"));
        }
    }
    if memory.state.orders != books.state.orders {
        found.push("the orders are not those of the journal".to_owned());
    }
    for player in books.state.players.values() {
        for account in &player.accounts {
            let ought = model.balance(player.player.id.as_str(), &pocket_name(&account.pocket));
            if ought != i128::from(account.balance) {
                found.push(format!("{} has {} and ought to have {ought}", player.player.id, account.balance));
            }
        }
    }
}

fn judge_money(books: &Books, found: &mut Vec<String>) {
    let mut sums = BTreeMap::new();
    for transfer in books.journal.iter().flat_map(|(entry, _)| &entry.transfers) {
        *sums.entry(transfer.debit).or_insert(0_i128) -= i128::from(transfer.amount);
        *sums.entry(transfer.credit).or_insert(0_i128) += i128::from(transfer.amount);
    }
    if sums.values().sum::<i128>() != 0 {
        found.push("money was made".to_owned());
    }
    for account in books.state.players.values().flat_map(|player| &player.accounts) {
        let moved = sums.get(&account.id).copied().unwrap_or(0);
        if account.balance < 0 || i128::from(account.balance) != moved {
            found.push(format!("an account of {} was moved {moved}", account.balance));
        }
    }
    let paid = |entry: &JournalEntry| {
        matches!(
            entry.outcome,
            Outcome::Done(Done::Order(OrderDone::OrderSettled { .. } | OrderDone::OrderCancelled { .. }))
        )
    };
    let mut ended = BTreeSet::new();
    for (entry, _) in books.journal.iter().filter(|(entry, _)| paid(entry)) {
        if !ended.insert(entry.keyed.order.map(|order| order.accepted)) {
            found.push(format!("an order ended twice: {entry:?}"));
        }
    }
}
