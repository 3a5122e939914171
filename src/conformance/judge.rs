//! All cases, as many at once as there are players.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use super::Wallet;
use super::catalogue::{Case, CaseStep, Catalogue, Need, SpokenDialect};
use super::play::{CannotOpen, CasePlay};
use super::players::Players;
use super::report::{CaseOutcome, ConformanceReport, JudgedCase, ReportHead, Subject};

/// What a player must have to be played, in minor units: more than all cases together lose.
pub const NEEDED: i64 = 2_000;

/// Cases at once, however many players there are: each has a channel.
const MOST_AT_ONCE: usize = 32;

/// Why nothing can be judged.
#[derive(Debug, thiserror::Error)]
pub enum CannotJudge {
    #[error(transparent)]
    Open(#[from] CannotOpen),
    #[error("player {player} cannot be played: {why}")]
    Player { player: String, why: String },
    #[error("there is no case {0} in schemas/conformance")]
    NoSuchCase(String),
    #[error("a case ended unexpectedly: {0}")]
    Ended(#[from] tokio::task::JoinError),
}

/// Which cases.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub dialects: Vec<SpokenDialect>,
    /// None: all.
    pub only: Vec<String>,
}

impl Selection {
    /// The cases that are meant, in the catalogue's order.
    pub fn of<'a>(&self, catalogue: &'a Catalogue) -> Result<Vec<&'a Case>, CannotJudge> {
        let known: BTreeSet<&str> = catalogue.cases.iter().map(|case| case.id.as_str()).collect();
        if let Some(unknown) = self.only.iter().find(|id| !known.contains(id.as_str())) {
            return Err(CannotJudge::NoSuchCase(unknown.clone()));
        }
        let is_meant = |case: &&Case| match self.only.as_slice() {
            [] => case.dialect.is_some_and(|dialect| self.dialects.contains(&dialect)),
            only => only.contains(&case.id),
        };
        Ok(catalogue.cases.iter().filter(is_meant).collect())
    }
}

/// Judges the selected cases; `told` hears of each as it is done.
pub async fn judge(
    wallet: Arc<Wallet>,
    catalogue: Arc<Catalogue>,
    selection: &Selection,
    players: Vec<String>,
    mut told: impl FnMut(&JudgedCase),
) -> Result<ConformanceReport, CannotJudge> {
    let (began, start) = (Timestamp::now(), Instant::now());
    let run = super::hex(&uuid::Uuid::new_v4().as_bytes()[..4]);
    let cases: Vec<Case> = selection.of(&catalogue)?.into_iter().cloned().collect();
    look_at_players(&wallet, &catalogue, &run, &players).await?;
    let players = Arc::new(Players::new(players));
    let at_once = Arc::new(tokio::sync::Semaphore::new(MOST_AT_ONCE));
    let mut under_way = JoinSet::new();
    for (place, case) in cases.into_iter().enumerate() {
        let (wallet, catalogue, players) = (Arc::clone(&wallet), Arc::clone(&catalogue), Arc::clone(&players));
        let (run, at_once) = (run.clone(), Arc::clone(&at_once));
        under_way.spawn(async move {
            let _place = at_once.acquire_owned().await;
            (place, one(&wallet, &catalogue, &case, &run, &players).await)
        });
    }
    let mut judged = Vec::new();
    while let Some(done) = under_way.join_next().await {
        let (place, case) = done?;
        told(&case);
        judged.push((place, case));
    }
    judged.sort_by_key(|(place, _)| *place);
    let about = (Subject::Wallet, wallet.queues.party.as_str());
    let head = ReportHead {
        dialects: selection.dialects.clone(),
        ..head(about, &catalogue, wallet.terms.seed, (began, start))
    };
    let report = ConformanceReport { head, cases: judged.into_iter().map(|(_, case)| case).collect() };
    let keys = wallet.http.as_ref().and_then(|http| http.api_key.clone());
    let secrets = [wallet.tokens.made(), wallet.partners.secrets.clone(), keys.into_iter().collect()];
    Ok(report.hiding(&secrets.concat()))
}

/// What a report of this program's begins with.
pub fn head(
    (subject, party): (Subject, &str),
    catalogue: &Catalogue,
    seed: u64,
    (began, start): (Timestamp, Instant),
) -> ReportHead {
    ReportHead {
        program: format!("purser {}", env!("CARGO_PKG_VERSION")),
        subject,
        party: party.to_owned(),
        dialects: vec![SpokenDialect::Amqp],
        catalogue: catalogue.digest.clone(),
        schemas: schemas_digest(),
        seed,
        began: format!("{began:.0}"),
        took_ms: millis(start.elapsed()),
        traffic: None,
    }
}

/// A wallet that is not there, or players without money, are no reason to call it wrong.
async fn look_at_players(
    wallet: &Wallet,
    catalogue: &Catalogue,
    run: &str,
    players: &[String],
) -> Result<(), CannotJudge> {
    let case = Case {
        id: "players".to_owned(),
        title: String::new(),
        clause: catalogue.rule("balance"),
        needs: Vec::new(),
        step: Vec::new(),
        dialect: None,
    };
    for player in players {
        let cannot = |why: String| CannotJudge::Player { player: player.clone(), why };
        let mut play = CasePlay::open(wallet, catalogue, &case, run, std::slice::from_ref(player)).await?;
        let balance = play.money_of(player).await.map_err(cannot)?;
        play.leave().await;
        if let Some(balance) = balance.filter(|balance| *balance < NEEDED) {
            let currency = &wallet.terms.currency;
            return Err(cannot(format!("has {balance} in {currency}, and needs {NEEDED} (minor units)")));
        }
    }
    Ok(())
}

async fn one(wallet: &Wallet, catalogue: &Catalogue, case: &Case, run: &str, players: &Players) -> JudgedCase {
    let mut judged = JudgedCase {
        id: case.id.clone(),
        title: case.title.clone(),
        dialect: case.dialect.unwrap_or(SpokenDialect::Amqp),
        clause: case.clause.clone(),
        outcome: CaseOutcome::Passed,
        took_ms: 0,
        exchanges: Vec::new(),
        again: format!("{} --only {} --seed {}", wallet.terms.again, case.id, wallet.terms.seed),
    };
    if let Some(why) = lacking(wallet, case, players) {
        judged.outcome = CaseOutcome::Skipped { why };
        return judged;
    }
    let many = if case.needs.contains(&Need::SecondPlayer) { 2 } else { 1 };
    let lease = players.lease(many).await;
    let start = Instant::now();
    match CasePlay::open(wallet, catalogue, case, run, &lease.players).await {
        Ok(play) => (judged.outcome, judged.exchanges) = play.play(&lease.players).await,
        Err(error) => judged.outcome = CaseOutcome::NotJudged { why: error.to_string() },
    }
    judged.took_ms = millis(start.elapsed());
    judged
}

/// What the case needs and nobody gave.
fn lacking(wallet: &Wallet, case: &Case, players: &Players) -> Option<String> {
    let speaks_http = case.step.iter().any(|step| matches!(step, CaseStep::Http(_)));
    if let Some(why) = case.dialect.and_then(|dialect| wallet.partners.lacking.get(&dialect)) {
        return Some(why.clone());
    }
    let shows_tokens = case.dialect.is_none_or(SpokenDialect::shows_tokens);
    let over_http: &[Need] = match (speaks_http, shows_tokens) {
        (false, _) => &[],
        (true, false) => &[Need::Http],
        (true, true) => &[Need::Http, Need::Tokens],
    };
    let mut needs = case.needs.iter().copied().chain(over_http.iter().copied());
    let lacks = |need: &Need| match need {
        Need::Tokens => !wallet.tokens.are_asked_for(),
        Need::SecondPlayer => players.count() < 2,
        Need::Limit => wallet.terms.limit.is_none(),
        // Whether a player has more than the limit is known when the balance is.
        Need::BelowLimit => false,
        Need::Sandbox => !wallet.terms.is_sandbox,
        Need::Http => wallet.http.is_none(),
        Need::ApiKey => wallet.http.as_ref().is_none_or(|http| http.api_key.is_none()),
    };
    let why = match needs.find(lacks)? {
        Need::Tokens => "no key signs tokens (--jwt-secret-file, --jwt-key-file)",
        Need::SecondPlayer => "it takes two players",
        Need::Limit => "no limit is known (--limit)",
        Need::BelowLimit => "the players have more than the limit",
        Need::Sandbox => "the party is no sandbox (--sandbox)",
        Need::Http => "there is no address for HTTP (--http)",
        Need::ApiKey => "there is no provider's key for HTTP (--api-key-file)",
    };
    Some(why.to_owned())
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// The schemas of the messages that the catalogue is about.
const SCHEMAS: [&str; 8] = [
    include_str!("../../schemas/v1.0/egpp-balance.get-req-queuing.json"),
    include_str!("../../schemas/v1.0/egpp-balance.get-res-queuing.json"),
    include_str!("../../schemas/v1.0/egpp-order.bet-req-queuing.json"),
    include_str!("../../schemas/v1.0/egpp-order.bet-res-queuing.json"),
    include_str!("../../schemas/v1.0/egpp-order.bet.result-req-queuing.json"),
    include_str!("../../schemas/v1.0/egpp-order.bet.result-res-queuing.json"),
    include_str!("../../schemas/v1.0/egpp-order.bet.cancel-req-queuing.json"),
    include_str!("../../schemas/v1.0/egpp-order.bet.cancel-res-queuing.json"),
];

fn schemas_digest() -> String {
    let mut digest = Sha256::new();
    SCHEMAS.iter().for_each(|schema| digest.update(schema));
    super::hex(&digest.finalize())
}
