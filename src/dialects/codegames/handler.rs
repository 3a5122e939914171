//! The four calls. What is wrong is looked for in this order: the token (401), the body's shape (400), the currency
//! (400), and then whatever the ledger says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer;
use super::refusal::{CodeGamesCode, CodeGamesRefusal};
use super::users::{User, Users};
use super::wire::{self, Check, Keys, Pay, PurchaseRequest, SignIn};
use crate::config::Secret;
use crate::dialects::http::{Failure, HandlerError, Reply, Request};
use crate::identity::password::PasswordChecker;
use crate::identity::sealing::Vault;
use crate::identity::throttle::{RetryAfter, Standing, Throttle};
use crate::ledger::command::{Act, Command};
use crate::ledger::shop::{BuyKeys, OfferId};
use crate::ledger::{Amount, CommandKey, Currency, Done, Outcome, Party, ShopAct, ShopDone};
use crate::wallet::{DecidedCommand, SharedWallet, WalletPort};

/// One party's hub.
pub struct CodeGamesHandler {
    pub party: Party,
    pub currency: Currency,
    pub exponent: u32,
    pub users: Users,
    pub vault: Vault,
    pub passwords: PasswordChecker,
    pub throttle: Mutex<Throttle>,
}

impl CodeGamesHandler {
    /// The seed tells an unknown login from a wrong password; both take as long. Who is signed in already and sends the
    /// token along does not wait for what others have tried.
    pub async fn sign_in(self: Arc<Self>, _: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
        let sent = wire::read::<SignIn>(&request.body).and_then(SignIn::check)?;
        let renewing = request.bearer().and_then(|token| self.users.signed_in(token, request.at));
        let is_signed_in = renewing.is_some_and(|user| *user.login == *sent.login);
        let standing = if is_signed_in { Standing::SignedIn } else { Standing::Stranger(request.address) };
        if let Err(RetryAfter(seconds)) = self.throttle().admit(&sent.login, standing, request.at) {
            return Ok(answer::too_many(seconds));
        }
        let user = self.users.named(&sent.login);
        let hash = user.map(|user| user.password_hash.clone());
        let is_right = self.passwords.fits(Secret::new(sent.password), hash).await?;
        let user = user.ok_or(CodeGamesCode::UserNotFound)?;
        if !is_right {
            return Err(CodeGamesCode::InvalidCredentials.into());
        }
        self.throttle().succeeded(&user.login, standing, request.at);
        Ok(answer::signed_in(user.token(request.at)))
    }

    /// What an offer costs, and how many keys of it there are.
    pub async fn check(self: Arc<Self>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
        self.signed_in(&request)?;
        let (id, currency) = wire::read::<Check>(&request.body)?.parse()?;
        self.check_currency(currency)?;
        let found = wallet.offer(self.party.clone(), OfferId::of(&self.party, &id)).await?;
        let state = found.ok_or(CodeGamesCode::OfferNotFound)?;
        self.check_currency(state.offer.currency)?;
        if state.stock < 1 {
            return Err(CodeGamesCode::OutOfStock.into());
        }
        Ok(answer::offered(state.stock, state.offer.price.minor(), self.exponent))
    }

    /// Takes the money and the keys in one.
    pub async fn pay(self: Arc<Self>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
        let user = self.signed_in(&request)?;
        let purchase = wire::read::<Pay>(&request.body)?.parse(self.exponent)?;
        self.check_currency(purchase.currency)?;
        let Some(price) = purchase.price else {
            return Err(self.refuse_unpriced(&*wallet, &user, &purchase).await?.into());
        };
        ordered(&wallet.decide(self.buy(&user, purchase, price, &request)).await?)
    }

    /// Why a purchase is refused whose price is a number that no price can be, so that the ledger cannot be asked. As
    /// there, a txnId that has bought goes first.
    async fn refuse_unpriced(
        &self,
        wallet: &dyn WalletPort,
        user: &User,
        purchase: &PurchaseRequest,
    ) -> Result<CodeGamesCode, HandlerError> {
        let key = CommandKey::of_buy_keys(&self.party, &user.login, &purchase.reference);
        if wallet.kept_command(self.party.clone(), key).await?.is_some() {
            return Ok(CodeGamesCode::TxnDuplicate);
        }
        let found = wallet.offer(self.party.clone(), OfferId::of(&self.party, &purchase.offer)).await?;
        Ok(found.map_or(CodeGamesCode::OfferNotFound, |_| CodeGamesCode::WrongPrice))
    }

    fn buy(&self, user: &User, purchase: PurchaseRequest, price: Amount, request: &Request) -> Command {
        let buy = BuyKeys {
            player: user.player.clone(),
            buyer: Arc::clone(&user.login),
            reference: purchase.reference.into(),
            offer: purchase.offer.into(),
            count: purchase.count,
            price,
            currency: purchase.currency,
            number: None,
        };
        let (party, correlation) = (self.party.clone(), Some(Arc::clone(&request.correlation)));
        Command { party, at: request.at, correlation, act: Act::Shop(ShopAct::BuyKeys(buy)) }
    }

    /// The keys of an order of the asker's own.
    pub async fn keys(self: Arc<Self>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
        let user = self.signed_in(&request)?;
        let order = wire::read::<Keys>(&request.body)?.parse()?.ok_or(CodeGamesCode::OrderNotFound)?;
        let found = wallet.sold_keys(self.party.clone(), Arc::clone(&user.login), order).await?;
        let sealed = found.ok_or(CodeGamesCode::OrderNotFound)?;
        match sealed.iter().map(|sealed| self.vault.unseal(sealed)).collect::<Result<Vec<String>, _>>() {
            Ok(keys) => Ok(answer::bought(keys)),
            Err(error) => {
                tracing::error!(order, "{error}");
                Err(Failure::Fault.into())
            }
        }
    }

    /// No panic can leave the counts half changed, so a poisoned lock is as good as any.
    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signed_in(&self, request: &Request) -> Result<Arc<User>, CodeGamesRefusal> {
        let user = request.bearer().and_then(|token| self.users.signed_in(token, request.at));
        user.cloned().ok_or_else(|| CodeGamesCode::Unauthorized.plainly())
    }

    fn check_currency(&self, asked: Currency) -> Result<(), CodeGamesRefusal> {
        if asked == self.currency { Ok(()) } else { Err(CodeGamesCode::WrongCurrency.plainly()) }
    }
}

/// A transaction's name is good for one purchase, the same one included: the seed calls the second a duplicate.
fn ordered(decided: &DecidedCommand) -> Result<Reply, HandlerError> {
    match decided.outcome {
        Outcome::Done(Done::Shop(ShopDone::KeysBought { order, .. })) if decided.repeated => {
            Err(CodeGamesRefusal::already_bought(order).into())
        }
        Outcome::Done(Done::Shop(ShopDone::KeysBought { order, .. })) => Ok(answer::paid(order)),
        Outcome::Refused(refusal) => {
            Err(CodeGamesRefusal::of(refusal).map_or(Failure::Fault.into(), HandlerError::from))
        }
        // What other acts end with.
        Outcome::Done(Done::Account(_) | Done::Order(_) | Done::Transaction(_) | Done::Shop(_)) => {
            Err(Failure::Fault.into())
        }
    }
}
