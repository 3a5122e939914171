//! Players: what they have, what they may still stake today, and how one is made.

use serde::{Deserialize, Serialize};

use super::shown::{self, Exact};
use super::{Invalid, Viewing};
use crate::config::{Config, PartyConfig, StakeLimits};
use crate::dialects::egpp::sandbox;
use crate::ledger::accounts::OpenPlayer;
use crate::ledger::command::Timestamp;
use crate::ledger::player::Profile;
use crate::ledger::state::PlayerState;
use crate::ledger::{Account, Bucket, Currency, Party, PlayerId, PlayerKey, Pocket};
use crate::storage::StoreError;
use crate::storage::queries::{self, AnyConnection};
use crate::storage::shop;

/// The longest name to sign in by, in characters: it is a key of an index.
const MAX_USERNAME: usize = 200;

/// The longest other text about a player, in characters: no address of mail may be longer.
const MAX_PROFILE_TEXT: usize = 254;

/// A player, with every bucket.
#[derive(Debug, Serialize)]
pub struct PlayerShown {
    pub party: Party,
    pub player: PlayerId,
    pub home_currency: Currency,
    pub username: Option<String>,
    pub nickname: Option<String>,
    /// Left out for whoever may not see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    pub vip: Option<String>,
    pub buckets: Vec<BucketShown>,
    pub limits: Vec<LimitShown>,
}

#[derive(Debug, Serialize)]
pub struct BucketShown {
    pub currency: Currency,
    pub bucket: Bucket,
    pub wallet: String,
    pub product: i32,
    pub balance: String,
    pub balance_minor: Exact,
}

/// What a player has staked on a UTC day, and the party's limits as they are configured now.
#[derive(Debug, Serialize)]
pub struct LimitShown {
    pub currency: Currency,
    pub day: String,
    pub staked: String,
    pub staked_minor: Exact,
    pub max_stake_per_day: Option<String>,
    pub max_stake_per_day_minor: Option<Exact>,
    pub max_bet: Option<String>,
    pub max_bet_minor: Option<Exact>,
}

/// The player of this name; `None` where there is none.
pub fn show(
    conn: &mut AnyConnection,
    viewing: &Viewing,
    party: &Party,
    player: &PlayerId,
    at: Timestamp,
) -> Result<Option<PlayerShown>, StoreError> {
    let key = PlayerKey::of(party, player);
    let Some(found) = queries::player(conn, key)? else { return Ok(None) };
    let config = &*viewing.config;
    let profile = found.player.profile.clone();
    let bucket = |account: Account| BucketShown {
        currency: account.pocket.currency,
        bucket: account.pocket.bucket,
        wallet: account.pocket.wallet.to_string(),
        product: account.pocket.product,
        balance: shown::amount(config, account.balance, account.pocket.currency),
        balance_minor: Exact(account.balance),
    };
    Ok(Some(PlayerShown {
        party: party.clone(),
        player: player.clone(),
        home_currency: profile.home_currency,
        username: profile.username,
        nickname: profile.nickname,
        email: profile.email.filter(|_| viewing.sees_email()),
        vip: shop::level(conn, key)?.map(|level| level.to_string()),
        buckets: accounts(&found, None).into_iter().map(bucket).collect(),
        limits: limits(config, party, &found, at.day())?,
    }))
}

/// The used accounts, and every bucket of the home currency (or the asked one) even where it is unused; in order.
pub fn accounts(player: &PlayerState, currency: Option<Currency>) -> Vec<Account> {
    let shown = currency.unwrap_or(player.player.profile.home_currency);
    let mut accounts: Vec<Account> = player.accounts.clone();
    for bucket in Bucket::ALL {
        let pocket = Pocket { bucket, ..Pocket::real(shown) };
        if !accounts.iter().any(|account| account.pocket == pocket) {
            accounts.push(player.account(&pocket));
        }
    }
    accounts.retain(|account| currency.is_none_or(|currency| account.pocket.currency == currency));
    accounts.sort_by(|a, b| a.pocket.cmp(&b.pocket));
    accounts
}

/// Of each currency that has a limit, or was staked in today.
fn limits(config: &Config, party: &Party, player: &PlayerState, day: i32) -> Result<Vec<LimitShown>, StoreError> {
    let Some(settings) = config.parties.get(party) else { return Ok(Vec::new()) };
    let mut currencies: Vec<Currency> = settings.all_currencies().collect();
    currencies.extend(player.accounts.iter().map(|account| account.pocket.currency));
    currencies.sort();
    currencies.dedup();
    let mut shown = Vec::new();
    for currency in currencies {
        let staked = player.staked_on(day, &Pocket::real(currency));
        let staked = staked.ok_or_else(|| StoreError::Rejected("more was staked than 64 bits hold".to_owned()))?;
        let limits = settings.limits.get(&currency);
        if limits.is_some() || staked > 0 {
            shown.push(limit(config, currency, day, staked, limits));
        }
    }
    Ok(shown)
}

fn limit(config: &Config, currency: Currency, day: i32, staked: i64, limits: Option<&StakeLimits>) -> LimitShown {
    let (max_bet, max_stake) = limits.map_or((None, None), |limits| (limits.max_bet, limits.max_stake_per_day));
    let written = |minor: Option<i64>| minor.map(|minor| shown::amount(config, minor, currency));
    LimitShown {
        currency,
        day: shown::day(day),
        staked: shown::amount(config, staked, currency),
        staked_minor: Exact(staked),
        max_stake_per_day: written(max_stake),
        max_stake_per_day_minor: max_stake.map(Exact),
        max_bet: written(max_bet),
        max_bet_minor: max_bet.map(Exact),
    }
}

/// What a new player is to be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPlayer {
    pub player: String,
    /// Home currency; the party's first where none is named.
    #[serde(default)]
    pub currency: Option<String>,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub nickname: Option<String>,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub gender: Option<String>,
}

impl NewPlayer {
    /// The act that makes the player. Errors name the field first.
    pub fn open(self, party: &Party, settings: &PartyConfig) -> Result<OpenPlayer, Invalid> {
        let player = PlayerId::parse(&self.player).map_err(|error| Invalid(format!("player {error}")))?;
        may_be_added(&player, party, settings)?;
        let named = self.currency.as_deref().map(Currency::parse).transpose();
        let named = named.map_err(|error| Invalid(format!("currency {error}")))?;
        let home_currency = named
            .or_else(|| settings.currencies.first().copied())
            .ok_or_else(|| Invalid(format!("party {party} has no currencies")))?;
        if !settings.all_currencies().any(|known| known == home_currency) {
            return Err(Invalid(format!("currency {home_currency} is not one of party {party}'s")));
        }
        let Self { username, nickname, email, gender, .. } = self;
        for (field, text) in [("username", &username), ("nickname", &nickname), ("email", &email), ("gender", &gender)]
        {
            let Some(text) = text else { continue };
            if text.contains('\0') {
                return Err(Invalid(format!("{field} must not contain U+0000")));
            }
            if text.chars().count() > MAX_PROFILE_TEXT {
                return Err(Invalid(format!("{field} must be at most {MAX_PROFILE_TEXT} characters long")));
            }
        }
        if username.as_ref().is_some_and(|name| name.chars().count() > MAX_USERNAME) {
            return Err(Invalid(format!("username must be at most {MAX_USERNAME} characters long")));
        }
        Ok(OpenPlayer { player, profile: Profile { home_currency, username, nickname, email, gender } })
    }
}

/// In earnest nobody is called like one of the players with whom providers practise: what is tried out with them must move
/// no money.
pub fn may_be_added(player: &PlayerId, party: &Party, settings: &PartyConfig) -> Result<(), Invalid> {
    if sandbox::is_test_player(player) && !settings.is_sandbox {
        return Err(Invalid(format!("player {player} is for sandboxes, and party {party} is none (sandbox = true)")));
    }
    Ok(())
}

/// What stands in the way of a new player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nobody has this id.
    No,
    /// The player is there already; the ledger tells whether with the same values.
    Yes,
    /// One of the names that the player would sign in by is somebody else's: the field, and the name.
    NameTaken(&'static str, String),
}

/// Whether the player is there, and whether the names to sign in by are free.
pub fn known(conn: &mut AnyConnection, party: &Party, open: &OpenPlayer) -> Result<Known, StoreError> {
    if queries::player(conn, PlayerKey::of(party, &open.player))?.is_some() {
        return Ok(Known::Yes);
    }
    let names =
        [Some(("player", open.player.to_string())), open.profile.username.clone().map(|name| ("username", name))];
    for (field, name) in names.into_iter().flatten() {
        if queries::is_login_taken(conn, party, &name, &open.player)? {
            return Ok(Known::NameTaken(field, name));
        }
    }
    Ok(Known::No)
}
