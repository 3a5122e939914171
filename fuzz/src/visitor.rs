//! Takes a handler's steps as the transport does, over a small ledger in memory, and looks at what is answered.

use std::sync::{Arc, LazyLock};

use http::{HeaderName, HeaderValue};
use purser::config::Secret;
use purser::dialects::http::{Decided, Dialect, Next, Reply};
use purser::identity::grants::{Client, Grant, GrantAct, GrantAnswer, GrantRefusal, Granted};
use purser::identity::pkce::Challenge;
use purser::identity::sealing::Vault;
use purser::ledger::orders::{CancelOrder, PlaceBet, Terms};
use purser::ledger::accounts::{Cash, OpenPlayer};
use purser::ledger::command::Timestamp;
use purser::ledger::shop::{Offer, StockOffers, Stocking};
use purser::ledger::orders::OrderKey;
use purser::ledger::player::Profile;
use purser::ledger::transactions::{Adjust, Change, Label, StakeRules};
use purser::ledger::{AccountAct, Act, Amount, Bucket, Command, Currency, ExternalId, Game, OrderAct, Outcome, PlayerId, Pocket, ShopAct, State, TransactionAct, Verdict, fold};

use crate::party::{NOW, PLAYERS, SETTING};
use crate::request;

/// Steps that a request takes at the most.
const STEPS: usize = 16;

/// Numbers for what is decided of one request.
const NUMBERS: std::ops::Range<i64> = 1_000..1_100;

/// A player with money of every kind, orders that are open and cancelled, and an offer.
static LEDGER: LazyLock<State> = LazyLock::new(|| ledger().expect("a ledger"));

static VAULT: LazyLock<Vault> =
    LazyLock::new(|| Vault::open(&Secret::new("0123456789abcdef0123456789abcdef"), &SETTING.party).expect("a vault"));

/// Handles one fuzzed request.
pub fn visit(dialect: &Dialect, mounts: &[purser::dialects::http::Mount], text: &[u8]) {
    let Some((route, request)) = request::read(mounts, text) else { return };
    let coin = text.iter().fold(0_u8, |coin, byte| coin.wrapping_mul(31).wrapping_add(*byte));
    let reply = play((route.handle)(request), coin);
    assert!((200..600).contains(&reply.status), "{}: status {}", dialect.name, reply.status);
    assert!(!reply.code.is_empty(), "{}: a reply without a code", dialect.name);
    if reply.content_type == "application/json" {
        assert!(serde_json::from_slice::<serde_json::Value>(&reply.body).is_ok(), "{}: no JSON", dialect.name);
    }
    for (name, value) in &reply.headers {
        assert!(HeaderName::from_bytes(name.as_bytes()).is_ok(), "{name} is no header");
        assert!(HeaderValue::from_str(value).is_ok(), "{name}: {value:?} is no header's value");
    }
}

/// Goes on to the reply. The coin decides what the ledger does not.
pub fn play(mut next: Next, coin: u8) -> Reply {
    let mut state = LEDGER.clone();
    state.numbers = NUMBERS.collect();
    let yes = coin.is_multiple_of(2);
    for _ in 0..STEPS {
        next = match next {
            Next::Reply(reply) => return reply,
            Next::Of(_, next) => *next,
            Next::Wait(_, then) => then(()),
            Next::Decide(command, then) => then(decide(&mut state, *command)),
            Next::Player(key, then) => then(state.players.get(&key).cloned()),
            Next::Order(id, then) => then(state.orders.get(&id).cloned().map(|order| (order, alice()))),
            Next::Void(_, source, then) => then(state.transactions.voids.get(&source).cloned()),
            Next::Transactions(_, then) => {
                then((1..NUMBERS.end).filter_map(|number| state.transactions.get(number).cloned()).collect())
            }
            Next::Offer(id, then) => then(state.shop.offers.get(&id).cloned()),
            Next::SoldKeys { then, .. } => {
                let sealed = |key| VAULT.seal(key).expect("sealed").sealed;
                then(yes.then(|| (0..usize::from(coin % 5)).map(|_| sealed("KEY")).collect()))
            }
            Next::RefreshKeys(_, then) => then(()),
            Next::CheckPassword { then, .. } => then(yes),
            Next::PlayerOfLogin { then, .. } => then(yes.then(alice)),
            Next::Grants(act, then) => then(grant(*act, coin)),
        };
    }
    panic!("a request that comes to no end");
}

/// Decides a command as a lane does. It must be one that a journal can hold.
fn decide(state: &mut State, command: Command) -> Decided {
    let written = serde_json::to_string(&command).expect("written");
    let read: Command = serde_json::from_str(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
    let (keyed, again) = (command.keyed(), read.keyed());
    assert_eq!((keyed.key, keyed.player, keyed.order), (again.key, again.player, again.order), "{written}");
    let (batch, verdicts) = fold(state, [(&keyed, false)]);
    state.numbers.drain(..batch.entries.len());
    assert!(batch.accounts.iter().all(|account| account.balance >= 0), "below zero by {written}");
    let Some(Verdict::Decided { outcome, repeated }) = verdicts.first() else { panic!("undecided: {written}") };
    Decided { outcome: *outcome, repeated: *repeated }
}

fn grant(act: GrantAct, coin: u8) -> GrantAnswer {
    let refusals = [
        GrantRefusal::Unknown,
        GrantRefusal::Spent,
        GrantRefusal::Revoked,
        GrantRefusal::Expired,
        GrantRefusal::RedirectDiffers,
        GrantRefusal::VerifierDiffers,
        GrantRefusal::ScopeExceeded,
    ];
    if let Some(refusal) = refusals.get(usize::from(coin % 16)) {
        return Err(*refusal);
    }
    if let GrantAct::Allow { granted, .. } = act {
        return Ok(granted);
    }
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let grant = Grant {
        id: Default::default(),
        client: Client { party: SETTING.party.clone(), id: "vip-shop".into() },
        player: alice(),
        redirect_uri: "https://shop.example/back?keep=1".into(),
        challenge: Challenge::of_verifier(verifier).expect("a challenge"),
    };
    let scope = Arc::from(["profile vip", "profile", "vip"][usize::from(coin / 16) % 3]);
    Ok(Granted { grant, scope })
}

fn alice() -> PlayerId {
    PlayerId::parse(PLAYERS[0]).expect("a player")
}

/// An order of alice's.
pub fn order(external_id: &str) -> OrderKey {
    let external_id = ExternalId::parse(external_id).expect("an external id");
    OrderKey { game: Game::parse("wallstroulette").expect("a game"), external_id }
}

/// The number of a stake of the Balance Service's.
pub const STAKE: i64 = 1;

fn ledger() -> anyhow::Result<State> {
    let mut acts = Vec::new();
    for player in PLAYERS {
        acts.extend(invitation(PlayerId::parse(player)?)?);
    }
    acts.extend(orders()?);
    let (id, name) = ("562".into(), "Card".into());
    let offer = Offer { id, name, price: Amount::new(95_630)?, currency: Currency::parse("KZT")? };
    let keys = ["A", "B", "C"].map(|key| VAULT.seal(key)).into_iter().collect::<Result<_, _>>()?;
    acts.push(Act::Shop(ShopAct::StockOffers(StockOffers { offers: vec![Stocking { offer, keys }], key: "stock".into() })));
    let reference = "a stake".into();
    acts.push(Act::Transaction(TransactionAct::Adjust(Adjust {
        player: PlayerId::parse("1030979")?,
        name: "a stake".into(),
        label: Label { scope: "balance_service".into(), kind: 2, region: 20, partner: 100, reference, round: None },
        currency: Currency::parse("GBP")?,
        product: 0,
        change: Change::Stake { total: 350, external: 0, from: vec![Bucket::Real] },
        memo: "{}".into(),
        worth: None,
        number: Some(STAKE),
        stakes: StakeRules::OneEnd,
        token: None,
    })));
    let party = &SETTING.party;
    let command = |act| Command { party: party.clone(), at: Timestamp(NOW * 1_000_000), correlation: None, act };
    let commands: Vec<_> = acts.into_iter().map(|act| command(act).keyed()).collect();
    let mut state = State { numbers: (1..NUMBERS.start).collect(), ..State::default() };
    let (_, verdicts) = fold(&mut state, commands.iter().map(|keyed| (keyed, false)));
    let refused =
        verdicts.iter().find(|verdict| !matches!(verdict, Verdict::Decided { outcome: Outcome::Done(_), .. }));
    anyhow::ensure!(refused.is_none(), "{refused:?}");
    Ok(state)
}

/// A player with money in every bucket of every currency.
fn invitation(player: PlayerId) -> anyhow::Result<Vec<Act>> {
    let profile = Profile {
        home_currency: Currency::parse("EUR")?,
        username: Some("Test \u{1F600} \"user\"".to_owned()),
        nickname: None,
        email: Some("test@example.com".to_owned()),
        gender: None,
    };
    let mut acts = vec![Act::Account(AccountAct::OpenPlayer(OpenPlayer { player: player.clone(), profile }))];
    for code in ["CHF", "EUR", "GBP", "USD", "KZT"] {
        for bucket in Bucket::ALL {
            let pocket = Pocket { bucket, ..Pocket::real(Currency::parse(code)?) };
            let key = format!("{player}-{code}-{}", bucket.as_str()).into();
            acts.push(Act::Account(AccountAct::Deposit(Cash { player: player.clone(), pocket, amount: Amount::new(1_000_000)?, key })));
        }
    }
    Ok(acts)
}

fn orders() -> anyhow::Result<Vec<Act>> {
    let terms = Terms { game_offered: true, max_bet: None, max_stake_per_day: None };
    let pocket = Pocket::real(Currency::parse("CHF")?);
    let mut acts = Vec::new();
    for external_id in ["open", "cancelled"] {
        let (player, order) = (alice(), order(external_id));
        let (stake, pocket) = (Amount::new(100)?, pocket.clone());
        acts.push(Act::Order(OrderAct::PlaceBet(PlaceBet { player, order, round: 1, stake, pocket, terms })));
    }
    acts.push(Act::Order(OrderAct::CancelOrder(CancelOrder { player: alice(), order: order("cancelled"), wallet: None, terms })));
    Ok(acts)
}
