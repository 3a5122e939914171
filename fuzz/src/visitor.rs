//! Runs handlers on a small ledger in memory, and looks at what is answered.

use std::sync::{Arc, LazyLock};

use http::{HeaderName, HeaderValue};
use purser::config::Secret;
use purser::dialects::http::{Dialect, Failure, Reply, Request, Route};
use purser::identity::grants::{Client, Grant, GrantAct, GrantAnswer, GrantRefusal, Granted};
use purser::identity::pkce::Challenge;
use purser::identity::sealing::Vault;
use purser::ledger::accounts::{Cash, OpenPlayer};
use purser::ledger::command::{CommandKey, Timestamp};
use purser::ledger::orders::OrderKey;
use purser::ledger::orders::{CancelOrder, PlaceBet, Terms};
use purser::ledger::player::Profile;
use purser::ledger::shop::{Offer, OfferId, OfferState, StockOffers, Stocking};
use purser::ledger::state::PlayerState;
use purser::ledger::transactions::{
    Adjust, Change, FindBy, Label, ManualVoid, StakeRules, Transaction, TransactionQuery,
};
use purser::ledger::{
    AccountAct, Act, Amount, Bucket, Command, Currency, ExternalId, Game, Order, OrderAct, OrderId, Outcome, Party,
    PlayerId, PlayerKey, Pocket, ShopAct, TransactionAct,
};
use purser::wallet::memory::MemoryWallet;
use purser::wallet::{DecidedCommand, WalletError, WalletFuture, WalletPort};
use tokio::runtime::{Builder, Runtime};

use crate::party::{NOW, PASSWORD_HASH, PLAYERS, SETTING};
use crate::request;

/// The round of the one transaction that there is.
const ROUND: &str = "1";

/// A player with money of every kind, orders that are open and cancelled, and an offer.
static LEDGER: LazyLock<MemoryWallet> = LazyLock::new(|| ledger().expect("a ledger"));

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("threads"));

static VAULT: LazyLock<Vault> =
    LazyLock::new(|| Vault::open(&Secret::new("0123456789abcdef0123456789abcdef"), &SETTING.party).expect("a vault"));

/// Handles one fuzzed request.
pub fn visit(dialect: &Dialect, mounts: &[purser::dialects::http::Mount], text: &[u8]) {
    let Some((route, request)) = request::read(mounts, text) else { return };
    let coin = text.iter().fold(0_u8, |coin, byte| coin.wrapping_mul(31).wrapping_add(*byte));
    let reply = play(route, request, coin).unwrap_or_else(dialect.failure);
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

/// What a handler answers. The coin decides what the ledger does not.
pub fn play(route: &Route, request: Request, coin: u8) -> Result<Reply, Failure> {
    let wallet = FuzzedWallet { ledger: LEDGER.clone(), coin };
    RUNTIME.block_on((route.handle)(Arc::new(wallet), request))
}

/// The ledger, and a coin for what is not in it.
struct FuzzedWallet {
    ledger: MemoryWallet,
    coin: u8,
}

impl FuzzedWallet {
    fn yes(&self) -> bool {
        self.coin.is_multiple_of(2)
    }
}

impl WalletPort for FuzzedWallet {
    /// Decides a command as a lane does. It must be one that a journal can hold.
    fn decide(&self, command: Command) -> WalletFuture<'_, DecidedCommand> {
        let written = serde_json::to_string(&command).expect("written");
        let read: Command = serde_json::from_str(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
        let (keyed, again) = (command.clone().keyed(), read.keyed());
        assert_eq!((keyed.key, keyed.player, keyed.order), (again.key, again.player, again.order), "{written}");
        let decided = self.ledger.apply(command);
        let player = decided.as_ref().expect("decided").player.as_ref();
        let accounts = player.map(|player| &player.accounts[..]).unwrap_or_default();
        assert!(accounts.iter().all(|account| account.balance >= 0), "below zero by {written}");
        now(decided)
    }

    fn kept_command(&self, party: Party, key: CommandKey) -> WalletFuture<'_, Option<Command>> {
        self.ledger.kept_command(party, key)
    }

    fn balance(&self, party: Party, player: PlayerId, pocket: Pocket) -> WalletFuture<'_, Option<i64>> {
        self.ledger.balance(party, player, pocket)
    }

    fn player(&self, party: Party, player: PlayerId) -> WalletFuture<'_, Option<PlayerState>> {
        self.ledger.player(party, player)
    }

    fn level(&self, party: Party, player: PlayerId) -> WalletFuture<'_, Option<Arc<str>>> {
        self.ledger.level(party, player)
    }

    fn order(&self, party: Party, id: OrderId) -> WalletFuture<'_, Option<(Order, PlayerId)>> {
        self.ledger.order(party, id)
    }

    /// All that there are, whichever are asked for.
    fn transactions(&self, finding: TransactionQuery) -> WalletFuture<'_, Vec<Transaction>> {
        self.ledger.transactions(TransactionQuery { by: FindBy::Round(ROUND.into()), ..finding })
    }

    fn void(&self, party: Party, source: i64) -> WalletFuture<'_, Option<ManualVoid>> {
        self.ledger.void(party, source)
    }

    fn offer(&self, party: Party, id: OfferId) -> WalletFuture<'_, Option<OfferState>> {
        self.ledger.offer(party, id)
    }

    fn sold_keys(&self, _: Party, _: Arc<str>, _: i64) -> WalletFuture<'_, Option<Vec<Arc<str>>>> {
        let sealed = |key| VAULT.seal(key).expect("sealed").sealed;
        now(Ok(self.yes().then(|| (0..usize::from(self.coin % 5)).map(|_| sealed("KEY")).collect())))
    }

    fn player_of_login(&self, _: Party, _: String) -> WalletFuture<'_, Option<PlayerId>> {
        now(Ok(self.yes().then(alice)))
    }

    fn password_hash(&self, _: Party, _: PlayerKey) -> WalletFuture<'_, Option<Secret>> {
        now(Ok(Some(Secret::new(PASSWORD_HASH))))
    }

    fn grants(&self, _: Party, act: GrantAct) -> WalletFuture<'_, GrantAnswer> {
        now(Ok(grant(act, self.coin)))
    }
}

fn now<T: Send + 'static>(answer: Result<T, WalletError>) -> WalletFuture<'static, T> {
    Box::pin(std::future::ready(answer))
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

fn ledger() -> anyhow::Result<MemoryWallet> {
    let mut acts = Vec::new();
    for player in PLAYERS {
        acts.extend(invitation(PlayerId::parse(player)?)?);
    }
    acts.extend(orders()?);
    let (id, name) = ("562".into(), "Card".into());
    let offer = Offer { id, name, price: Amount::new(95_630)?, currency: Currency::parse("KZT")? };
    let keys = ["A", "B", "C"].map(|key| VAULT.seal(key)).into_iter().collect::<Result<_, _>>()?;
    acts.push(Act::Shop(ShopAct::StockOffers(StockOffers {
        offers: vec![Stocking { offer, keys }],
        key: "stock".into(),
    })));
    let reference = "a stake".into();
    acts.push(Act::Transaction(TransactionAct::Adjust(Adjust {
        player: PlayerId::parse("1030979")?,
        name: "a stake".into(),
        label: Label {
            scope: "balance_service".into(),
            kind: 2,
            region: 20,
            partner: 100,
            reference,
            round: Some(ROUND.into()),
        },
        currency: Currency::parse("GBP")?,
        product: 0,
        change: Change::Stake { total: 350, external: 0, from: vec![Bucket::Real] },
        memo: "{}".into(),
        said: "".into(),
        worth: None,
        number: Some(STAKE),
        stakes: StakeRules::OneEnd,
        token: None,
    })));
    let wallet = MemoryWallet::with_numbers_from(STAKE + 1);
    for act in acts {
        let party = SETTING.party.clone();
        let command = Command { party, at: Timestamp(NOW * 1_000_000), correlation: None, act };
        let decided = wallet.apply(command)?;
        anyhow::ensure!(matches!(decided.outcome, Outcome::Done(_)), "{decided:?}");
    }
    Ok(wallet)
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
            acts.push(Act::Account(AccountAct::Deposit(Cash {
                player: player.clone(),
                pocket,
                amount: Amount::new(1_000_000)?,
                key,
            })));
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
    acts.push(Act::Order(OrderAct::CancelOrder(CancelOrder {
        player: alice(),
        order: order("cancelled"),
        wallet: None,
        terms,
    })));
    Ok(acts)
}
