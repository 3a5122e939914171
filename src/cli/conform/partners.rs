//! What the dialects for partners are spoken with: the party's configuration, and what it does not have.

use std::path::{Path, PathBuf};

use clap::Args;

use super::wallet::{quoted, signer, text};
use crate::cli::{CommandFailure, usage};
use crate::config::{Config, PartyConfig, SignatureDigest};
use crate::conformance::catalogue::SpokenDialect;
use crate::conformance::partners::PartnerAccess;
use crate::conformance::request_signer::RequestSigner;
use crate::conformance::tokens::Signer;
use crate::ledger::Currency;

/// Partners' amounts are whole units. So many minor units of one are few enough for what a player may lose.
const MOST_UNIT: i64 = 100;

#[derive(Args)]
pub struct PartnerOptions {
    /// QuickPlay's private key (PEM, RSA), whose public half the party's `[quickplay]` has.
    #[arg(long, value_name = "FILE")]
    quickplay_key_file: Option<PathBuf>,
    /// An access token of a player's for GoPlay, with both scopes.
    #[arg(long, value_name = "FILE")]
    goplay_token_file: Option<PathBuf>,
    /// The password of the first of the party's `[[codegames.users]]`.
    #[arg(long, value_name = "FILE")]
    codegames_password_file: Option<PathBuf>,
    /// An offer of which one key is bought, and which has fewer than 100.
    #[arg(long, value_name = "ID")]
    codegames_offer: Option<String>,
}

/// What a dialect is spoken with, or what is missing for that.
type Prepared = Result<(), String>;

impl PartnerOptions {
    pub fn partners(
        &self,
        config: &Config,
        ours: Option<&PartyConfig>,
        currency: &str,
        players: &[String],
    ) -> Result<PartnerAccess, CommandFailure> {
        let mut partners = PartnerAccess::default();
        let parsed = Currency::parse(currency).map_err(|error| usage(format!("--currency {error}")))?;
        let unit = 10_i64.saturating_pow(config.exponent(parsed));
        partners.numbers.extend([("unit", unit), ("most_units", i64::MAX.checked_div(unit).unwrap_or_default())]);
        let key = self.quickplay_key_file.as_deref().map(|path| signer(path).map(|key| (path, key))).transpose()?;
        let read = |path: &Option<PathBuf>| path.as_deref().map(text).transpose();
        let (token, password) = (read(&self.goplay_token_file)?, read(&self.codegames_password_file)?);
        let affordable = || match unit {
            ..=MOST_UNIT => Ok(()),
            _ => Err(format!("one {currency} is more than a player may lose (--currency)")),
        };
        for (dialect, prepared) in [
            (
                SpokenDialect::BalanceService,
                affordable().and_then(|()| balance_service(&mut partners, ours, currency, players)),
            ),
            (SpokenDialect::Quickplay, affordable().and_then(|()| quickplay(&mut partners, ours, currency, key))),
            (SpokenDialect::Goplay, goplay(&mut partners, ours, token)),
            (SpokenDialect::Codegames, self.codegames(&mut partners, ours, password)),
        ] {
            if let Err(why) = prepared {
                partners.lacking.insert(dialect, why);
            }
        }
        Ok(partners)
    }

    fn codegames(
        &self,
        partners: &mut PartnerAccess,
        ours: Option<&PartyConfig>,
        password: Option<String>,
    ) -> Prepared {
        let section = ours.and_then(|party| party.codegames.as_ref()).ok_or("the party has no [codegames]")?;
        let user = section.users.first().ok_or("nobody may sign in: [[codegames.users]]")?;
        let password = password.ok_or("the partner's password is not known (--codegames-password-file)")?;
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        let offer = self.codegames_offer.clone().ok_or("no offer may be bought (--codegames-offer)")?;
        partners.secrets.push(password.clone());
        partners.values.extend([
            ("codegames_path", section.path.clone()),
            ("codegames_currency", section.currency.as_str().to_owned()),
            ("codegames_login", user.login.clone()),
            ("codegames_password", password),
            ("offer", offer),
        ]);
        Ok(())
    }

    /// The same for another run.
    pub fn again(&self) -> String {
        let file = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let options = [
            ("--quickplay-key-file", file(&self.quickplay_key_file)),
            ("--goplay-token-file", file(&self.goplay_token_file)),
            ("--codegames-password-file", file(&self.codegames_password_file)),
            ("--codegames-offer", self.codegames_offer.clone()),
        ];
        let given = options.into_iter().filter_map(|(name, value)| Some(format!(" {name} {}", quoted(&value?))));
        given.collect()
    }
}

fn balance_service(
    partners: &mut PartnerAccess,
    ours: Option<&PartyConfig>,
    currency: &str,
    players: &[String],
) -> Prepared {
    let section = ours.and_then(|party| party.balance_service.as_ref()).ok_or("the party has no [balance_service]")?;
    let known = |(_, known): &(&i32, &Currency)| known.as_str() == currency;
    let id = section.currency_ids.iter().find(known).map(|(id, _)| i64::from(*id));
    let id = id.ok_or_else(|| format!("[balance_service] has no currency_ids for {currency}"))?;
    if let Some(player) = players.iter().find(|player| player.parse::<i32>().is_err()) {
        return Err(format!("player {player} is no number, as users are here"));
    }
    let key = section.api_keys.first().map(|key| key.expose().to_owned());
    let key = key.ok_or("[balance_service] has no api_keys")?;
    partners.secrets.push(key.clone());
    partners.numbers.insert("currency_id", id);
    partners.values.extend([("balance_service_path", section.path.clone()), ("balance_service_key", key)]);
    Ok(())
}

fn quickplay(
    partners: &mut PartnerAccess,
    ours: Option<&PartyConfig>,
    currency: &str,
    key: Option<(&Path, Signer)>,
) -> Prepared {
    let section = ours.and_then(|party| party.quickplay.as_ref()).ok_or("the party has no [quickplay]")?;
    if section.currency.as_str() != currency {
        let theirs = section.currency.as_str();
        return Err(format!("[quickplay] is in {theirs}, and the players have {currency} (--currency)"));
    }
    let (path, signer) = key.ok_or("nobody signs as QuickPlay (--quickplay-key-file)")?;
    let signer = match section.digest {
        SignatureDigest::Sha256 => Some(RequestSigner::Sha256(signer)),
        SignatureDigest::Sha1 => RequestSigner::sha1(path),
    };
    partners.signer =
        Some(signer.ok_or("[quickplay] asks for signatures with SHA-1: the program openssl makes them, and cannot")?);
    partners.values.extend([("quickplay_path", section.path.clone()), ("quickplay_partner", section.partner.clone())]);
    Ok(())
}

fn goplay(partners: &mut PartnerAccess, ours: Option<&PartyConfig>, token: Option<String>) -> Prepared {
    let section = ours.and_then(|party| party.goplay.as_ref()).ok_or("the party has no [goplay]")?;
    let client = section.clients.first().ok_or("nobody is a partner: [[goplay.clients]]")?;
    let token = token.ok_or("no player has signed in (--goplay-token-file)")?.trim().to_owned();
    let form = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let secret = form(client.secret.expose());
    partners.secrets.extend([token.clone(), secret.clone(), client.secret.expose().to_owned()]);
    let redirect = client.redirect_uris.first().map(|uri| form(uri)).unwrap_or_default();
    partners.values.extend([
        ("goplay_path", section.path.clone()),
        ("goplay_token", token),
        ("goplay_client", form(&client.id)),
        ("goplay_secret", secret),
        ("goplay_redirect", redirect),
    ]);
    Ok(())
}
