//! The ledger once more, as plainly as it can be written: maps and ifs from what the interface promises, sharing no
//! code with the program's own decisions. Slow, and wrong only where the promise was misread twice.

mod partners;

use std::collections::HashMap;

use purser::ledger::command::{Act, CancelOrder, Cash, Command, GameResult, PlaceBet, SettleOrder};
use purser::ledger::order::OrderKey;

/// One party's ledger. Answers are written as scenarios write them.
#[derive(Default)]
pub struct Model {
    /// What each player was opened with.
    players: HashMap<String, String>,
    balances: HashMap<(String, String), i128>,
    orders: HashMap<(String, String), ModelOrder>,
    /// Movements of cash by kind and key: what was asked, and the answer.
    cash: HashMap<(&'static str, String), (String, String)>,
    partners: partners::Partners,
}

#[derive(Default)]
struct ModelOrder {
    bet: Option<(PlaceBet, String)>,
    day: i64,
    /// The result that was applied, and what it paid.
    settled: Option<(SettleOrder, i128)>,
    /// The cancel that was applied, or that came before the bet and gave up.
    cancelled: Option<CancelOrder>,
    tombstone: bool,
}

impl ModelOrder {
    fn is_accepted(&self) -> bool {
        self.bet.as_ref().is_some_and(|(_, answer)| answer == "201 placed")
    }

    fn player(&self) -> Option<&str> {
        let bettor = self.bet.as_ref().map(|(bet, _)| bet.player.as_str());
        let canceller = self.cancelled.as_ref().map(|cancel| cancel.player.as_str());
        if self.tombstone { canceller } else { bettor }
    }
}

impl Model {
    /// `number` is what the command is known by, should it be done.
    pub fn answer(&mut self, command: &Command, number: i64) -> String {
        match &command.act {
            Act::OpenPlayer(open) => {
                let wanted = format!("{:?}", open.profile);
                let known = self.players.entry(open.player.to_string()).or_insert(wanted.clone());
                if *known == wanted { "200 opened".to_owned() } else { "400 key_reused".to_owned() }
            }
            Act::Deposit(cash) => self.cash("deposit", cash),
            Act::Withdraw(cash) => self.cash("withdraw", cash),
            Act::PlaceBet(bet) => self.bet(bet, command.at.0.div_euclid(24 * 60 * 60 * 1_000_000)),
            Act::SettleOrder(settle) => self.settle(settle),
            Act::CancelOrder(cancel) => self.cancel(cancel),
            Act::Adjust(adjust) => self.adjust(adjust, number),
            Act::QueueVoid(queue) => self.queue_void(queue),
            Act::ResolveVoid(resolve) => self.resolve_void(resolve, number),
            Act::BuyVip(buy) => self.buy_vip(buy),
            Act::StockOffers(stock) => self.stock_offers(stock),
            Act::BuyKeys(buy) => self.buy_keys(buy, number),
        }
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
        let order = self.orders.entry(name(&bet.order)).or_default();
        if let Some((before, answer)) = &order.bet {
            let same = before.player == bet.player
                && before.round == bet.round
                && before.stake == bet.stake
                && before.pocket == bet.pocket;
            return if same { answer.clone() } else { "400 key_reused".to_owned() };
        }
        let answer = self.judge_bet(bet, day);
        // 400 is never kept.
        if answer.starts_with("400") {
            return answer;
        }
        if answer == "201 placed" {
            let stake = i128::from(bet.stake.minor());
            self.add(bet.player.as_str(), &pocket_name(&bet.pocket), -stake).expect("less is no overflow");
        }
        let order = self.orders.entry(name(&bet.order)).or_default();
        order.bet = Some((bet.clone(), answer.clone()));
        order.day = day;
        answer
    }

    fn judge_bet(&self, bet: &PlaceBet, day: i64) -> String {
        if !bet.terms.game_offered {
            return "496 game_unknown".to_owned();
        }
        if !self.players.contains_key(bet.player.as_str()) {
            return "495 player_unknown".to_owned();
        }
        if self.orders.get(&name(&bet.order)).is_some_and(|order| order.tombstone) {
            return "493 order_cancelled".to_owned();
        }
        let stake = i128::from(bet.stake.minor());
        if let Some(max) = bet.terms.max_bet
            && stake > i128::from(max)
        {
            return format!("491 max_bet {max}");
        }
        let staked = self.staked(bet, day);
        if staked + stake > i128::from(i64::MAX) {
            return "400 balance_overflow".to_owned();
        }
        if let Some(max) = bet.terms.max_stake_per_day
            && staked + stake > i128::from(max)
        {
            return format!("491 max_stake_per_day {max} {staked}");
        }
        let balance = self.balance(bet.player.as_str(), &pocket_name(&bet.pocket));
        if balance < stake {
            return format!("492 insufficient_funds {balance}");
        }
        "201 placed".to_owned()
    }

    /// What the player staked that day in the bet's currency and did not get back by a cancel.
    fn staked(&self, now: &PlaceBet, day: i64) -> i128 {
        let mut staked = 0;
        for order in self.orders.values() {
            if let Some((bet, _)) = &order.bet
                && order.is_accepted()
                && order.cancelled.is_none()
                && order.day == day
                && bet.player == now.player
                && bet.pocket.currency == now.pocket.currency
            {
                staked += i128::from(bet.stake.minor());
            }
        }
        staked
    }

    /// Why a result or cancel cannot be applied, as far as both are alike.
    fn refuse(&self, order: &OrderKey, player: &str, game_offered: bool, differs: bool) -> Option<String> {
        let order = self.orders.get(&name(order));
        let theirs = order.is_some_and(|order| order.player() == Some(player));
        if theirs && differs {
            return Some("400 differs_from_bet".to_owned());
        }
        if !game_offered {
            return Some("496 game_unknown".to_owned());
        }
        if !self.players.contains_key(player) {
            return Some("495 player_unknown".to_owned());
        }
        let Some(order) = order.filter(|order| order.player().is_some()) else {
            return Some("493 order_unknown".to_owned());
        };
        if !theirs {
            return Some("493 order_not_theirs".to_owned());
        }
        if order.tombstone || order.cancelled.is_some() {
            return Some("493 order_cancelled".to_owned());
        }
        if order.settled.is_some() {
            return Some("493 order_settled".to_owned());
        }
        if !order.is_accepted() {
            return Some("493 order_refused".to_owned());
        }
        None
    }

    fn settle(&mut self, settle: &SettleOrder) -> String {
        let bet = self.bet_of(&settle.order);
        let differs = bet.as_ref().is_some_and(|bet| {
            settle.currency.is_some_and(|currency| currency != bet.pocket.currency)
                || settle.wallet.as_ref().is_some_and(|wallet| *wallet != bet.pocket.wallet)
        });
        let stake = bet.as_ref().map(|bet| bet.stake.minor());
        if let Some((before, paid)) = self.orders.get(&name(&settle.order)).and_then(|order| order.settled.as_ref()) {
            let same = !differs
                && before.player == settle.player
                && before.round == settle.round
                && same_result(before.result, settle.result, stake);
            return if same { format!("200 settled {paid}") } else { "400 key_reused".to_owned() };
        }
        if let Some(refusal) = self.refuse(&settle.order, settle.player.as_str(), settle.terms.game_offered, differs) {
            return refusal;
        }
        let bet = bet.expect("an accepted order has its bet");
        if bet.round != settle.round {
            return "494 round_differs".to_owned();
        }
        let paid = match settle.result {
            GameResult::Win(amount) | GameResult::Tie(Some(amount)) => i128::from(amount.minor()),
            GameResult::Tie(None) => i128::from(bet.stake.minor()),
            GameResult::Lose(_) => 0,
        };
        if let Err(overflow) = self.add(settle.player.as_str(), &pocket_name(&bet.pocket), paid) {
            return overflow;
        }
        self.orders.entry(name(&settle.order)).or_default().settled = Some((settle.clone(), paid));
        format!("200 settled {paid}")
    }

    fn cancel(&mut self, cancel: &CancelOrder) -> String {
        let tombstone = self.orders.get(&name(&cancel.order)).is_some_and(|order| order.tombstone);
        // A tombstone's cancel found no bet that it could differ from.
        let bet = self.bet_of(&cancel.order).filter(|_| !tombstone);
        let differs =
            bet.as_ref().is_some_and(|bet| cancel.wallet.as_ref().is_some_and(|wallet| *wallet != bet.pocket.wallet));
        if let Some(before) = self.orders.get(&name(&cancel.order)).and_then(|order| order.cancelled.as_ref()) {
            let same = !differs && before.player == cancel.player;
            return match (same, tombstone, bet) {
                (false, ..) => "400 key_reused".to_owned(),
                (true, false, Some(bet)) => format!("200 cancelled {}", bet.stake.minor()),
                (true, ..) => "493 order_unknown".to_owned(),
            };
        }
        if let Some(refusal) = self.refuse(&cancel.order, cancel.player.as_str(), cancel.terms.game_offered, differs) {
            if refusal == "493 order_unknown" {
                let order = self.orders.entry(name(&cancel.order)).or_default();
                order.tombstone = true;
                order.cancelled = Some(cancel.clone());
            }
            return refusal;
        }
        let bet = bet.expect("an accepted order has its bet");
        let stake = bet.stake.minor();
        if let Err(overflow) = self.add(cancel.player.as_str(), &pocket_name(&bet.pocket), i128::from(stake)) {
            return overflow;
        }
        self.orders.entry(name(&cancel.order)).or_default().cancelled = Some(cancel.clone());
        format!("200 cancelled {stake}")
    }

    fn bet_of(&self, order: &OrderKey) -> Option<PlaceBet> {
        let order = self.orders.get(&name(order)).filter(|order| !order.tombstone)?;
        order.bet.as_ref().map(|(bet, _)| bet.clone())
    }
}

fn same_result(before: GameResult, now: GameResult, stake: Option<i64>) -> bool {
    match (before, now) {
        (GameResult::Win(before), GameResult::Win(now)) => before == now,
        (GameResult::Tie(before), GameResult::Tie(now)) => {
            before.map(|a| a.minor()).or(stake) == now.map(|a| a.minor()).or(stake)
        }
        (GameResult::Lose(Some(before)), GameResult::Lose(Some(now))) => before == now,
        (GameResult::Lose(_), GameResult::Lose(_)) => true,
        _ => false,
    }
}

fn name(order: &OrderKey) -> (String, String) {
    (order.game.to_string(), order.external_id.to_string())
}

/// A pocket as a name: all of what tells it apart.
pub fn pocket_name(pocket: &purser::ledger::Pocket) -> String {
    format!("{} {} '{}' {}", pocket.currency, pocket.bucket.as_str(), pocket.wallet, pocket.product)
}
