//! The calls that only look.

use serde::Serialize;
use uuid::Uuid;

use super::dead;
use super::decisions;
use super::ledgers::OperatedLedger;
use super::listing::{ListPage, Listing};
use super::problem::Problem;
use super::routes::AdminLook;
use super::{AdminAnswer, AdminRequest, Api};
use crate::admin::orders::OrderShown;
use crate::admin::search::SearchResult;
use crate::admin::{self, Viewing, history, journal, orders, parties, players, search, transactions, voids};
use crate::clock;
use crate::dialects::http::Reply;
use crate::ledger::{OrderId, Party, PlayerId};
use crate::storage::StoreError;
use crate::storage::queries::AnyConnection;
use crate::storage::trail;
use crate::storage::voids as queue;

pub(super) async fn take(api: &Api, look: AdminLook, asked: AdminRequest) -> Result<AdminAnswer, Problem> {
    match look {
        AdminLook::Search => look_for(api, asked).await,
        AdminLook::Parties => list_parties(&asked),
        AdminLook::Player => player(asked).await,
        AdminLook::History => list_history(asked).await,
        AdminLook::Order => {
            let id = Uuid::try_parse(asked.parameters.get("order"));
            let id = id.map_err(|_| Problem::bad_request("an order is named by a UUID"))?;
            let found = api.order(&asked.viewing, OrderId::from_uuid(id)).await?;
            found.map(|(_, order)| shown(&order)).ok_or_else(|| Problem::not_found("there is no such order"))
        }
        AdminLook::Transaction => {
            let number = asked.number()?;
            show(asked, "transaction", move |conn, viewing| transactions::show(conn, viewing, number)).await
        }
        AdminLook::Entry => {
            let number = asked.number()?;
            show(asked, "journal row", move |conn, viewing| journal::show(conn, viewing, number)).await
        }
        AdminLook::Voids => list_voids(api, asked).await,
        AdminLook::Trail => list_trail(asked).await,
        AdminLook::Approvals => decisions::list(api, asked).await,
        AdminLook::DeadLetters => dead::calls::list(api, &asked).await,
        AdminLook::DeadGroups => dead::calls::groups(api, &asked).await,
        AdminLook::Plan => dead::calls::show_plan(api, &asked).await,
        AdminLook::Audit => Ok(shown(&asked.ledger.audits.show(&asked.ledger.reader).await?)),
        AdminLook::Live => api.live.stream().map(AdminAnswer::Events).ok_or_else(Problem::too_many_streams),
    }
}

impl AdminRequest {
    /// The number in the path.
    pub(super) fn number(&self) -> Result<i64, Problem> {
        let number = self.parameters.get("number").parse();
        number.map_err(|_| Problem::bad_request("the path must end with a number"))
    }

    /// The party in the path.
    pub(super) fn party(&self) -> Result<Party, Problem> {
        let name = self.parameters.get("party");
        let found = admin::party(&self.viewing.config, name);
        found.map(|(party, _)| party).ok_or_else(|| Problem::not_found("there is no such party"))
    }

    /// The player in the path.
    pub(super) fn player(&self) -> Result<PlayerId, Problem> {
        let player = PlayerId::recorded(self.parameters.get("player"));
        player.map_err(|error| Problem::bad_request(format!("player {error}")))
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether those are meant, too, that wait no more.
    pub(super) fn all(&self) -> Result<bool, Problem> {
        match self.query("all") {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::bad_request("all must be true or false")),
        }
    }
}

/// Shows one thing, where it is there.
async fn show<T: Serialize + Send + 'static>(
    asked: AdminRequest,
    what: &str,
    show: impl Fn(&mut AnyConnection, &Viewing) -> Result<Option<T>, StoreError> + Send + Sync + 'static,
) -> Result<AdminAnswer, Problem> {
    let found = asked.ledger.reader.ask(move |conn| show(conn, &asked.viewing)).await?;
    found.map(|found| shown(&found)).ok_or_else(|| Problem::not_found(format!("there is no such {what}")))
}

impl Api {
    /// An order, from the ledger of its party.
    pub(in crate::transport::http) async fn order(
        &self,
        viewing: &Viewing,
        id: OrderId,
    ) -> Result<Option<(&OperatedLedger, OrderShown)>, Problem> {
        let finding = |_: &OperatedLedger| {
            let viewing = viewing.clone();
            move |conn: &mut AnyConnection| orders::show(conn, &viewing, id)
        };
        let found = self.ledgers.ask_each(finding).await?;
        found.first(|ledger, order| self.ledgers.is_of(ledger, order.party.as_str()))
    }

    /// Looks in every ledger for one exact name or number of the parties that are in it.
    pub(in crate::transport::http) async fn search(&self, viewing: &Viewing, q: &str) -> Result<SearchResult, Problem> {
        let looking = |ledger: &OperatedLedger| {
            let (viewing, name, q) = (viewing.clone(), ledger.name.clone(), q.to_owned());
            move |conn: &mut AnyConnection| search::run(conn, &viewing, &name, &q)
        };
        let told = self.ledgers.ask_each(looking).await?;
        let mut whole = SearchResult::nowhere(q, told.away);
        for (ledger, mut here) in told.answers {
            here.found.retain(|hit| self.ledgers.is_of(ledger, &hit.party));
            here.number_within(&self.ledgers.query_of(ledger));
            whole = whole.and(here);
        }
        Ok(whole)
    }
}

fn shown(value: &impl Serialize) -> AdminAnswer {
    AdminAnswer::Shown(Reply::json(200, "200", value))
}

async fn look_for(api: &Api, asked: AdminRequest) -> Result<AdminAnswer, Problem> {
    let q = asked.query("q").unwrap_or_default().to_owned();
    if q.is_empty() || q.chars().count() > search::MAX_QUERY {
        let most = search::MAX_QUERY;
        return Err(Problem::bad_request(format!("q must be 1 to {most} characters")));
    }
    Ok(shown(&api.search(&asked.viewing, &q).await?))
}

fn list_parties(asked: &AdminRequest) -> Result<AdminAnswer, Problem> {
    let page = ListPage::read(&asked.query)?;
    let found = parties::list(&asked.viewing, page.after.as_deref(), page.limit + 1);
    Ok(AdminAnswer::List(Listing::new(&parties::COLUMNS, &page, &found, |shown| shown.party.to_string())?))
}

async fn player(asked: AdminRequest) -> Result<AdminAnswer, Problem> {
    let (party, player) = (asked.party()?, asked.player()?);
    let at = clock::now();
    show(asked, "player", move |conn, viewing| players::show(conn, viewing, &party, &player, at)).await
}

async fn list_history(asked: AdminRequest) -> Result<AdminAnswer, Problem> {
    let (party, player) = (asked.party()?, asked.player()?);
    let page = ListPage::read(&asked.query)?;
    let (before, most, viewing) = (page.after_number()?, page.limit + 1, asked.viewing);
    let reader = asked.ledger.reader;
    let found = reader.ask(move |conn| history::of_player(conn, &viewing, &party, &player, before, most)).await?;
    let found = found.map_err(Problem::behind)?;
    Ok(AdminAnswer::List(Listing::new(&history::COLUMNS, &page, &found, |shown| shown.number.0.to_string())?))
}

async fn list_voids(api: &Api, asked: AdminRequest) -> Result<AdminAnswer, Problem> {
    let party = asked.party()?;
    let page = ListPage::read(&asked.query)?;
    let (after, most) = (page.after_number()?, page.one_more());
    let all = asked.all()?;
    let found = asked.ledger.reader.ask(move |conn| queue::page(conn, &party, all, after, most)).await?;
    let found: Vec<voids::VoidShown> = found.iter().map(|queued| voids::shown(&api.config, queued)).collect();
    Ok(AdminAnswer::List(Listing::new(&voids::COLUMNS, &page, &found, |shown| shown.number.0.to_string())?))
}

async fn list_trail(asked: AdminRequest) -> Result<AdminAnswer, Problem> {
    let page = ListPage::read(&asked.query)?;
    let (before, most) = (page.after_number()?.unwrap_or(i64::MAX), page.one_more());
    let found = asked.ledger.reader.ask(move |conn| trail::before(conn, before, most)).await?;
    let found: Vec<admin::trail::TrailShown> = found.into_iter().map(admin::trail::TrailShown::of).collect();
    Ok(AdminAnswer::List(Listing::new(&admin::trail::COLUMNS, &page, &found, |shown| shown.number.0.to_string())?))
}
