//! The ledger once more, as plainly as it can be written: maps and ifs from what the interface promises, sharing no
//! code with the program's own decisions. Slow, and wrong only where the promise was misread twice.

mod partners;

use std::collections::{HashMap, HashSet};

use purser::ledger::accounts::{Cash, OpenPlayer};
use purser::ledger::command::{Act, Command};
use purser::ledger::orders::OrderKey;
use purser::ledger::orders::{CancelOrder, GameResult, PlaceBet, SettleOrder};
use purser::ledger::{AccountAct, OrderAct, ShopAct, TransactionAct};

/// One party's ledger. Answers are written as scenarios write them.
#[derive(Default)]
pub struct Model {
    /// What each player was opened with.
    players: HashMap<String, String>,
    usernames: HashSet<String>,
    balances: HashMap<(String, String), i128>,
    /// The accepted bet under each key.
    orders: HashMap<(String, String), ModelOrder>,
    /// What each player was refused under a key.
    refused: HashMap<(String, String, String), ModelRefusal>,
    /// Transfers of cash by kind and key: what was asked, and the answer.
    cash: HashMap<(&'static str, String), (String, String)>,
    partners: partners::Partners,
}

struct ModelOrder {
    bet: PlaceBet,
    day: i64,
    /// The result that was applied, and what it paid.
    settled: Option<(SettleOrder, i128)>,
    cancelled: Option<CancelOrder>,
}

/// One of both at least: a cancel that came before its bet and gave up, and a bet that was told no.
#[derive(Default)]
struct ModelRefusal {
    tombstone: Option<CancelOrder>,
    bet: Option<(PlaceBet, String)>,
}

impl Model {
    /// `number` is what the command is known by, should it be done.
    pub fn answer(&mut self, command: &Command, number: i64) -> String {
        match &command.act {
            Act::Account(AccountAct::OpenPlayer(open)) => self.open(open),
            Act::Account(AccountAct::Deposit(cash)) => self.cash("deposit", cash),
            Act::Account(AccountAct::Withdraw(cash)) => self.cash("withdraw", cash),
            Act::Order(OrderAct::PlaceBet(bet)) => self.bet(bet, command.at.0.div_euclid(24 * 60 * 60 * 1_000_000)),
            Act::Order(OrderAct::SettleOrder(settle)) => self.settle(settle),
            Act::Order(OrderAct::CancelOrder(cancel)) => self.cancel(cancel),
            Act::Transaction(TransactionAct::Adjust(adjust)) => self.adjust(adjust, number),
            Act::Transaction(TransactionAct::QueueVoid(queue)) => self.queue_void(queue),
            Act::Transaction(TransactionAct::ResolveVoid(resolve)) => self.resolve_void(resolve, number),
            Act::Shop(ShopAct::BuyVip(buy)) => self.buy_vip(buy),
            Act::Shop(ShopAct::StockOffers(stock)) => self.stock_offers(stock),
            Act::Shop(ShopAct::BuyKeys(buy)) => self.buy_keys(buy, number),
        }
    }

    fn open(&mut self, open: &OpenPlayer) -> String {
        let (player, wanted) = (open.player.to_string(), format!("{:?}", open.profile));
        if let Some(known) = self.players.get(&player) {
            return if *known == wanted { "200 opened".to_owned() } else { "400 key_reused".to_owned() };
        }
        if let Some(name) = &open.profile.username {
            if self.usernames.contains(name) {
                return "refused username_taken".to_owned();
            }
            self.usernames.insert(name.clone());
        }
        self.players.insert(player, wanted);
        "200 opened".to_owned()
    }

    /// What a player has, by the name of the pocket.
    pub fn balance(&self, player: &str, pocket: &str) -> i128 {
        self.balances.get(&(player.to_owned(), pocket.to_owned())).copied().unwrap_or(0)
    }

    fn add(&mut self, player: &str, pocket: &str, amount: i128) -> Result<i128, String> {
        let balance = self.balance(player, pocket) + amount;
        if balance > i128::from(i64::MAX) {
            return Err("400 balance_overflow".to_owned());
        }
        self.balances.insert((player.to_owned(), pocket.to_owned()), balance);
        Ok(balance)
    }

    fn cash(&mut self, kind: &'static str, cash: &Cash) -> String {
        let asked = format!("{} {} {}", cash.player, pocket_name(&cash.pocket), cash.amount.minor());
        let key = (kind, cash.key.to_string());
        if let Some((before, answer)) = self.cash.get(&key) {
            return if *before == asked { answer.clone() } else { "400 key_reused".to_owned() };
        }
        let (player, pocket) = (cash.player.as_str(), pocket_name(&cash.pocket));
        if !self.players.contains_key(player) {
            return "495 player_unknown".to_owned();
        }
        let amount = i128::from(cash.amount.minor());
        let balance = self.balance(player, &pocket);
        if kind == "withdraw" && balance < amount {
            return format!("492 insufficient_funds {balance}");
        }
        let moved = if kind == "deposit" { amount } else { -amount };
        let answer = match self.add(player, &pocket, moved) {
            Ok(balance) if kind == "deposit" => format!("200 deposited {balance}"),
            Ok(balance) => format!("200 withdrawn {balance}"),
            Err(overflow) => return overflow,
        };
        self.cash.insert(key, (asked, answer.clone()));
        answer
    }

    fn bet(&mut self, bet: &PlaceBet, day: i64) -> String {
        let same = |before: &PlaceBet| {
            before.player == bet.player
                && before.round == bet.round
                && before.stake == bet.stake
                && before.pocket == bet.pocket
        };
        let known = match (self.refusal(&bet.order, bet.player.as_str()), self.orders.get(&name(&bet.order))) {
            (Some(refusal), _) => refusal.bet.clone(),
            (None, Some(order)) => Some((order.bet.clone(), "201 placed".to_owned())),
            (None, None) => None,
        };
        if let Some((before, answer)) = known {
            return if same(&before) { answer } else { "400 key_reused".to_owned() };
        }
        let answer = self.judge_bet(bet, day);
        // 400 is never kept.
        if answer.starts_with("400") {
            return answer;
        }
        if answer == "201 placed" {
            let stake = i128::from(bet.stake.minor());
            self.add(bet.player.as_str(), &pocket_name(&bet.pocket), -stake).expect("less is no overflow");
            let order = ModelOrder { bet: bet.clone(), day, settled: None, cancelled: None };
            self.orders.insert(name(&bet.order), order);
        } else {
            let refusal = self.refused.entry(own_name(&bet.order, bet.player.as_str())).or_default();
            refusal.bet = Some((bet.clone(), answer.clone()));
        }
        answer
    }

    fn refusal(&self, order: &OrderKey, player: &str) -> Option<&ModelRefusal> {
        self.refused.get(&own_name(order, player))
    }

    fn judge_bet(&self, bet: &PlaceBet, day: i64) -> String {
        if !bet.terms.game_offered {
            return "496 game_unknown".to_owned();
        }
        if !self.players.contains_key(bet.player.as_str()) {
            return "495 player_unknown".to_owned();
        }
        if self.refusal(&bet.order, bet.player.as_str()).is_some() {
            return "493 order_cancelled".to_owned();
        }
        let stake = i128::from(bet.stake.minor());
        if let Some(max) = bet.terms.max_bet
            && stake > i128::from(max)
        {
            return format!("491 max_bet {max}");
        }
        let staked = self.staked(bet, day);
        if let Some(max) = bet.terms.max_stake_per_day
            && staked + stake > i128::from(max)
        {
            return format!("491 max_stake_per_day {max} {staked}");
        }
        let balance = self.balance(bet.player.as_str(), &pocket_name(&bet.pocket));
        if balance < stake {
            return format!("492 insufficient_funds {balance}");
        }
        if staked + stake > i128::from(i64::MAX) {
            return "400 balance_overflow".to_owned();
        }
        "201 placed".to_owned()
    }

    /// What the player staked that day in the bet's currency and did not get back by a cancel.
    fn staked(&self, now: &PlaceBet, day: i64) -> i128 {
        let mut staked = 0;
        for order in self.orders.values() {
            let bet = &order.bet;
            if order.cancelled.is_none()
                && order.day == day
                && bet.player == now.player
                && bet.pocket.currency == now.pocket.currency
            {
                staked += i128::from(bet.stake.minor());
            }
        }
        staked
    }

    /// Why a result or cancel cannot be applied, as far as both are alike. `differs` says whether it differs from a bet.
    fn refuse(
        &self,
        (order, player): (&OrderKey, &str),
        game_offered: bool,
        differs: impl Fn(&PlaceBet) -> bool,
    ) -> Option<String> {
        let (refusal, order) = (self.refusal(order, player), self.orders.get(&name(order)));
        // What the player was refused under the key is what the command is about.
        let order = order.filter(|_| refusal.is_none());
        let theirs = order.is_some_and(|order| order.bet.player.as_str() == player);
        let bet = match refusal {
            Some(ModelRefusal { tombstone: Some(_), .. }) => None,
            Some(refusal) => refusal.bet.as_ref().map(|(bet, _)| bet),
            None => order.filter(|_| theirs).map(|order| &order.bet),
        };
        if bet.is_some_and(differs) {
            return Some("400 differs_from_bet".to_owned());
        }
        if !game_offered {
            return Some("496 game_unknown".to_owned());
        }
        if !self.players.contains_key(player) {
            return Some("495 player_unknown".to_owned());
        }
        let why = match (refusal, order) {
            (Some(ModelRefusal { tombstone: Some(_), .. }), _) => "order_cancelled",
            (Some(_), _) => "order_refused",
            (None, None) => "order_unknown",
            (None, Some(_)) if !theirs => "order_not_theirs",
            (None, Some(order)) if order.cancelled.is_some() => "order_cancelled",
            (None, Some(order)) if order.settled.is_some() => "order_settled",
            (None, Some(_)) => return None,
        };
        Some(format!("493 {why}"))
    }

    fn settle(&mut self, settle: &SettleOrder) -> String {
        let player = settle.player.as_str();
        let differs = |bet: &PlaceBet| {
            settle.currency.is_some_and(|currency| currency != bet.pocket.currency)
                || settle.wallet.as_ref().is_some_and(|wallet| *wallet != bet.pocket.wallet)
        };
        if self.refusal(&settle.order, player).is_none()
            && let Some(order) = self.orders.get(&name(&settle.order))
            && let Some((before, paid)) = &order.settled
        {
            let same = !differs(&order.bet)
                && before.player == settle.player
                && before.round == settle.round
                && same_result(before.result, settle.result, order.bet.stake.minor());
            return if same { format!("200 settled {paid}") } else { "400 key_reused".to_owned() };
        }
        if let Some(refusal) = self.refuse((&settle.order, player), settle.terms.game_offered, differs) {
            return refusal;
        }
        let bet = self.orders[&name(&settle.order)].bet.clone();
        if bet.round != settle.round {
            return "494 round_differs".to_owned();
        }
        let paid = match settle.result {
            GameResult::Win(amount) | GameResult::Tie(Some(amount)) => i128::from(amount.minor()),
            GameResult::Tie(None) => i128::from(bet.stake.minor()),
            GameResult::Lose(_) => 0,
        };
        if let Err(overflow) = self.add(player, &pocket_name(&bet.pocket), paid) {
            return overflow;
        }
        self.orders.get_mut(&name(&settle.order)).expect("known").settled = Some((settle.clone(), paid));
        format!("200 settled {paid}")
    }

    fn cancel(&mut self, cancel: &CancelOrder) -> String {
        let player = cancel.player.as_str();
        let differs = |bet: &PlaceBet| cancel.wallet.as_ref().is_some_and(|wallet| *wallet != bet.pocket.wallet);
        match (self.refusal(&cancel.order, player), self.orders.get(&name(&cancel.order))) {
            // A tombstone's cancel found no bet that it could differ from.
            (Some(ModelRefusal { tombstone: Some(_), .. }), _) => return "493 order_unknown".to_owned(),
            (None, Some(ModelOrder { cancelled: Some(before), bet, .. })) => {
                let same = before.player == cancel.player && !differs(bet);
                let again = format!("200 cancelled {}", bet.stake.minor());
                return if same { again } else { "400 key_reused".to_owned() };
            }
            (Some(_) | None, _) => {}
        }
        if let Some(refusal) = self.refuse((&cancel.order, player), cancel.terms.game_offered, differs) {
            if refusal == "493 order_unknown" {
                let refused = self.refused.entry(own_name(&cancel.order, player)).or_default();
                refused.tombstone = Some(cancel.clone());
            }
            return refusal;
        }
        let bet = self.orders[&name(&cancel.order)].bet.clone();
        let stake = bet.stake.minor();
        if let Err(overflow) = self.add(player, &pocket_name(&bet.pocket), i128::from(stake)) {
            return overflow;
        }
        self.orders.get_mut(&name(&cancel.order)).expect("known").cancelled = Some(cancel.clone());
        format!("200 cancelled {stake}")
    }
}

fn same_result(before: GameResult, now: GameResult, stake: i64) -> bool {
    match (before, now) {
        (GameResult::Win(before), GameResult::Win(now)) => before == now,
        (GameResult::Tie(before), GameResult::Tie(now)) => {
            before.map_or(stake, |a| a.minor()) == now.map_or(stake, |a| a.minor())
        }
        (GameResult::Lose(Some(before)), GameResult::Lose(Some(now))) => before == now,
        (GameResult::Lose(_), GameResult::Lose(_)) => true,
        _ => false,
    }
}

fn own_name(order: &OrderKey, player: &str) -> (String, String, String) {
    (order.game.to_string(), order.external_id.to_string(), player.to_owned())
}

fn name(order: &OrderKey) -> (String, String) {
    (order.game.to_string(), order.external_id.to_string())
}

/// A pocket as a name: all of what tells it apart.
pub fn pocket_name(pocket: &purser::ledger::Pocket) -> String {
    format!("{} {} '{}' {}", pocket.currency, pocket.bucket.as_str(), pocket.wallet, pocket.product)
}
