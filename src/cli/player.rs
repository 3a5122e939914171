//! `purser player`: players, and the passwords that they sign in with.

use std::io::Read;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Ended, failed, output, party, usage};
use crate::app;
use crate::clock;
use crate::config::Config;
use crate::identity::password;
use crate::ledger::command::{Act, Command, OpenPlayer};
use crate::ledger::player::Profile;
use crate::ledger::{Currency, Outcome, Party, PlayerId, PlayerKey, Refusal};
use crate::sequencer::direct;
use crate::storage::{Database, passwords, queries};

/// The longest password that is taken, in bytes.
const MAX_PASSWORD: usize = 1024;

#[derive(Subcommand)]
pub enum Player {
    /// Create a player. A second time with the same values changes nothing.
    Add(Add),
    /// Set a player's password, read from standard input, and end what the player has allowed partners.
    Password(Password),
}

#[derive(Args)]
pub struct Add {
    #[arg(long)]
    party: String,
    #[arg(long)]
    player: String,
    /// Home currency (default: the party's first).
    #[arg(long)]
    currency: Option<String>,
    #[arg(long)]
    username: Option<String>,
    #[arg(long)]
    nickname: Option<String>,
    #[arg(long)]
    email: Option<String>,
    #[arg(long)]
    gender: Option<String>,
    /// Read the player's password from standard input.
    #[arg(long)]
    password_stdin: bool,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Password {
    #[arg(long)]
    party: String,
    #[arg(long)]
    player: String,
    #[arg(long)]
    json: bool,
}

impl Player {
    pub async fn run(self, config: &Config) -> Ended {
        match self {
            Self::Add(add) => add.run(config).await,
            Self::Password(password) => password.run(config).await,
        }
    }
}

impl Add {
    async fn run(self, config: &Config) -> Ended {
        let (party, settings) = party(config, &self.party)?;
        let player = PlayerId::parse(&self.player).map_err(|error| usage(format!("--player {error}")))?;
        let named = self.currency.as_deref().map(Currency::parse).transpose();
        let named = named.map_err(|error| usage(format!("--currency {error}")))?;
        let home_currency = named
            .or_else(|| settings.currencies.first().copied())
            .ok_or_else(|| usage(format!("party {party} has no currencies")))?;
        if !settings.all_currencies().any(|known| known == home_currency) {
            return Err(usage(format!("--currency {home_currency} is not one of party {party}'s")));
        }
        let password = if self.password_stdin { Some(read_password()?) } else { None };

        let database = app::database(config);
        database.migrate().await?;
        let key = PlayerKey::of(&party, &player);
        let is_new = database.query(move |conn| Ok(queries::player(conn, key)?.is_none())).await?;
        if is_new {
            self.check_logins(&database, &party, &player).await?;
        }
        let profile = Profile {
            home_currency,
            username: self.username.clone(),
            nickname: self.nickname.clone(),
            email: self.email.clone(),
            gender: self.gender.clone(),
        };
        let act = Act::OpenPlayer(OpenPlayer { player: player.clone(), profile });
        let command = Command { party, at: clock::now(), correlation: None, act };
        match direct::apply(&mut database.writer()?, command).await? {
            Outcome::Done(_) => {}
            Outcome::Refused(Refusal::KeyReused) => {
                return Err(failed(format!("player {player} exists with other values; nothing was changed")));
            }
            Outcome::Refused(other) => return Err(failed(format!("refused: {other:?}"))),
        }
        if let Some(password) = password {
            set_password(&database, key, password).await?;
        }
        self.report(&player, is_new)
    }

    /// The names that a player signs in by must be nobody else's.
    async fn check_logins(&self, database: &Database, party: &Party, player: &PlayerId) -> Result<(), super::Failure> {
        let logins = [Some(("--player", player.to_string())), self.username.clone().map(|name| ("--username", name))];
        for (option, login) in logins.into_iter().flatten() {
            let (of_party, of_player, named) = (party.clone(), player.clone(), login.clone());
            let taken = database.query(move |conn| queries::is_login_taken(conn, &of_party, &named, &of_player));
            if taken.await? {
                let problem = "is another player's name to sign in by; nothing was changed";
                return Err(failed(format!("{option} {login} {problem}")));
            }
        }
        Ok(())
    }

    fn report(&self, player: &PlayerId, is_new: bool) -> Ended {
        if self.json {
            output::json(&json!({ "party": self.party, "player": player, "created": is_new }))?;
        } else if is_new {
            output::line(&format!("player {player} created"))?;
        } else {
            output::line(&format!("player {player} exists already, with the same values"))?;
        }
        Ok(true)
    }
}

impl Password {
    async fn run(self, config: &Config) -> Ended {
        let (party, _) = party(config, &self.party)?;
        let player = PlayerId::parse(&self.player).map_err(|error| usage(format!("--player {error}")))?;
        let hash = password::hash(&read_password()?)?;
        let database = app::database(config);
        database.migrate().await?;
        let (of, whose, at) = (party.clone(), player.clone(), clock::now());
        let replacing = database.query(move |conn| passwords::replace(conn, &of, &whose, &hash, at));
        let Some(ended) = replacing.await? else {
            return Err(failed(format!("there is no player {player} of party {party}; `purser player add` makes one")));
        };
        if self.json {
            output::json(&json!({ "party": party, "player": player, "grants_ended": ended }))?;
        } else {
            output::line(&format!("password of player {player} set; {ended} grants ended"))?;
        }
        Ok(true)
    }
}

fn read_password() -> Result<String, super::Failure> {
    let mut text = String::new();
    std::io::stdin().take(MAX_PASSWORD as u64 + 2).read_to_string(&mut text)?;
    let password = text.trim_end_matches(['\r', '\n']);
    match password.len() {
        0 => Err(usage("standard input is empty: it must hold the password")),
        length if length > MAX_PASSWORD => {
            Err(usage(format!("the password on standard input has more than {MAX_PASSWORD} bytes")))
        }
        _ => Ok(password.to_owned()),
    }
}

/// Sets the password where there is none; the same again is as good, another is not.
async fn set_password(database: &Database, key: PlayerKey, password: String) -> Result<(), super::Failure> {
    match database.query(move |conn| passwords::hash_of(conn, key)).await? {
        Some(hash) if password::verify(&password, &hash)? => Ok(()),
        Some(_) => {
            Err(failed("the player has another password; it was not changed (`purser player password` does that)"))
        }
        None => {
            let hash = password::hash(&password)?;
            Ok(database.query(move |conn| passwords::set_first(conn, key, &hash)).await?)
        }
    }
}
