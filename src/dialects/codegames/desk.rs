//! The four calls. What is wrong is looked for in this order: the token (401), the body's shape (400), the currency
//! (400), and then whatever the ledger says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer;
use super::refusal::{Code, Refusal};
use super::users::{User, Users};
use super::wire::{self, Check, Keys, Pay, Purchase, SignIn};
use crate::config::Secret;
use crate::dialects::http::{Decided, Failure, Next, PasswordHash, Request};
use crate::identity::sealing::Vault;
use crate::identity::throttle::{Standing, Throttle, Wait};
use crate::ledger::command::{Act, Command};
use crate::ledger::shop::{BuyKeys, OfferId, OfferState};
use crate::ledger::{Amount, Currency, Done, Outcome, Party, ShopAct, ShopDone};

/// One party's hub.
pub struct Desk {
    pub party: Party,
    pub currency: Currency,
    pub exponent: u32,
    pub users: Users,
    pub vault: Arc<Vault>,
    pub throttle: Mutex<Throttle>,
}

impl Desk {
    /// The seed tells an unknown login from a wrong password; both take as long. Who is signed in already and sends the
    /// token along does not wait for what others have tried.
    pub fn sign_in(self: &Arc<Self>, request: &Request) -> Next {
        let sent = match wire::read::<SignIn>(&request.body).and_then(SignIn::check) {
            Ok(sent) => sent,
            Err(refusal) => return refuse(&refusal),
        };
        let renewing = request.bearer().and_then(|token| self.users.signed_in(token, request.at));
        let is_signed_in = renewing.is_some_and(|user| *user.login == *sent.login);
        let standing = if is_signed_in { Standing::SignedIn } else { Standing::Stranger(request.address) };
        if let Err(Wait(seconds)) = self.throttle().admit(&sent.login, standing, request.at) {
            return Next::Reply(answer::too_many(seconds));
        }
        let user = self.users.named(&sent.login).cloned();
        let against =
            user.as_ref().map_or(PasswordHash::Nobody, |user| PasswordHash::Known(user.password_hash.clone()));
        let (desk, at) = (Arc::clone(self), request.at);
        let then = Box::new(move |is_right| match user {
            Some(user) if is_right => {
                desk.throttle().succeeded(&user.login, standing, at);
                Next::Reply(answer::signed_in(user.token(at)))
            }
            Some(_) => refuse(&Code::InvalidCredentials.plainly()),
            None => refuse(&Code::UserNotFound.plainly()),
        });
        Next::CheckPassword { password: Secret::new(sent.password), against, then }
    }

    /// What an offer costs, and how many keys of it there are.
    pub fn check(self: &Arc<Self>, request: &Request) -> Next {
        let read = || {
            self.signed_in(request)?;
            let (id, currency) = wire::read::<Check>(&request.body)?.parse()?;
            self.check_currency(currency).map(|()| id)
        };
        let id = match read() {
            Ok(id) => id,
            Err(refusal) => return refuse(&refusal),
        };
        let desk = Arc::clone(self);
        Next::Offer(
            OfferId::of(&self.party, &id),
            Box::new(move |found| {
                let Some(state) = found else { return refuse(&Code::OfferNotFound.plainly()) };
                if state.offer.currency != desk.currency {
                    return refuse(&Code::WrongCurrency.plainly());
                }
                if state.stock < 1 {
                    return refuse(&Code::OutOfStock.plainly());
                }
                Next::Reply(answer::offered(state.stock, state.offer.price.minor(), desk.exponent))
            }),
        )
    }

    /// Takes the money and the keys in one.
    pub fn pay(self: &Arc<Self>, request: &Request) -> Next {
        let read = || {
            let user = self.signed_in(request)?;
            let purchase = wire::read::<Pay>(&request.body)?.parse(self.exponent)?;
            self.check_currency(purchase.currency).map(|()| (user, purchase))
        };
        let (user, purchase) = match read() {
            Ok(read) => read,
            Err(refusal) => return refuse(&refusal),
        };
        match purchase.price {
            Some(price) => {
                let command = self.buy(&user, purchase, price, request);
                Next::Decide(Box::new(command), Box::new(ordered))
            }
            None => Next::Offer(OfferId::of(&self.party, &purchase.offer), Box::new(wrongly_priced)),
        }
    }

    fn buy(&self, user: &User, purchase: Purchase, price: Amount, request: &Request) -> Command {
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
    pub fn keys(self: &Arc<Self>, request: &Request) -> Next {
        let read = || {
            let user = self.signed_in(request)?;
            let order = wire::read::<Keys>(&request.body)?.parse()?;
            order.map(|order| (user, order)).ok_or_else(|| Code::OrderNotFound.plainly())
        };
        let (user, order) = match read() {
            Ok(read) => read,
            Err(refusal) => return refuse(&refusal),
        };
        let (party, buyer, vault) = (self.party.clone(), Arc::clone(&user.login), Arc::clone(&self.vault));
        let then = Box::new(move |found: Option<Vec<Arc<str>>>| match found {
            Some(sealed) => opened(&vault, &sealed, order),
            None => refuse(&Code::OrderNotFound.plainly()),
        });
        Next::SoldKeys { party, buyer, order, then }
    }

    /// No panic can leave the counts half changed, so a poisoned lock is as good as any.
    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signed_in(&self, request: &Request) -> Result<Arc<User>, Refusal> {
        let user = request.bearer().and_then(|token| self.users.signed_in(token, request.at));
        user.cloned().ok_or_else(|| Code::Unauthorized.plainly())
    }

    fn check_currency(&self, asked: Currency) -> Result<(), Refusal> {
        if asked == self.currency { Ok(()) } else { Err(Code::WrongCurrency.plainly()) }
    }
}

/// A transaction's name is good for one purchase, the same one included: the seed calls the second a duplicate.
fn ordered(decided: Decided) -> Next {
    match decided.outcome {
        Outcome::Done(Done::Shop(ShopDone::KeysBought { order, .. })) if decided.repeated => {
            refuse(&Refusal::already_bought(order))
        }
        Outcome::Done(Done::Shop(ShopDone::KeysBought { order, .. })) => Next::Reply(answer::paid(order)),
        Outcome::Refused(refusal) => Refusal::of(refusal).map_or_else(fault, |refusal| refuse(&refusal)),
        // What other acts end with.
        Outcome::Done(
            Done::Account(_)
            | Done::Order(_)
            | Done::Transaction(_)
            | Done::Shop(ShopDone::VipBought { .. } | ShopDone::OffersStocked { .. }),
        ) => fault(),
    }
}

/// The price is a number that no price can be, so that the ledger cannot be asked.
fn wrongly_priced(found: Option<OfferState>) -> Next {
    refuse(&found.map_or(Code::OfferNotFound, |_| Code::WrongPrice).plainly())
}

fn opened(vault: &Vault, sealed: &[Arc<str>], order: i64) -> Next {
    match sealed.iter().map(|sealed| vault.unseal(sealed)).collect::<Result<Vec<String>, _>>() {
        Ok(keys) => Next::Reply(answer::bought(keys)),
        Err(error) => {
            tracing::error!(order, "{error}");
            fault()
        }
    }
}

fn refuse(refusal: &Refusal) -> Next {
    Next::Reply(answer::refused(refusal))
}

fn fault() -> Next {
    Next::Reply(answer::failed(Failure::Fault))
}
