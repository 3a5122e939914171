//! Search by any exact name or number, in every party. Each place is one look by a key: nothing reads a whole table.

use serde::Serialize;
use uuid::Uuid;

use super::Viewing;
use crate::config::PartyConfig;
use crate::ledger::command::CommandKey;
use crate::ledger::orders::OrderKey;
use crate::ledger::{ExternalId, LedgerName, OrderId, Party, PlayerId, PlayerKey};
use crate::storage::StoreError;
use crate::storage::history::{self, HistoryAnswer as Looked};
use crate::storage::lookups;
use crate::storage::queries::{self, AnyConnection};
use crate::storage::shop;

/// The longest text that is looked for, in characters.
pub const MAX_QUERY: usize = 256;

/// Commands of one correlation id that are told of each party. Mostly there is one.
const MOST_HITS: usize = 50;

/// Where the pages of the API begin.
pub const PAGES: &str = "/admin/v1";

/// What a text may be, in the order in which it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchPlace {
    Player,
    Username,
    ExternalId,
    BetId,
    TransactionNumber,
    PartnerTransactionId,
    CodegamesTxnId,
    CodegamesOrder,
    JournalNumber,
    CorrelationId,
}

impl SearchPlace {
    pub const ALL: [Self; 10] = [
        Self::Player,
        Self::Username,
        Self::ExternalId,
        Self::BetId,
        Self::TransactionNumber,
        Self::PartnerTransactionId,
        Self::CodegamesTxnId,
        Self::CodegamesOrder,
        Self::JournalNumber,
        Self::CorrelationId,
    ];
}

/// What no look by a key can find.
const NOT_FOUND: &str = "a bet that was refused is kept under its player's own name: it is found by its correlation id or in \
                         the player's history, not by its externalId or betId; an order of a game that is not configured any more is found by its \
                         betId, not by its externalId";

/// What was found, and where it was looked for.
#[derive(Debug, Serialize)]
pub struct SearchResult {
    pub q: String,
    pub found: Vec<Hit>,
    /// Every kind of name and number that the text was compared with.
    pub looked: Vec<SearchPlace>,
    /// Those that the text cannot be (not a number, say, or too long), or that one of the ledgers could not tell.
    pub passed_over: Vec<SearchPlace>,
    pub parties: Vec<Party>,
    /// The ledgers of these parties.
    pub ledgers: Vec<LedgerName>,
    /// Ledgers that could not be looked at: what is there is missing.
    pub away: Vec<LedgerName>,
    /// What is not found although it was looked for.
    pub note: &'static str,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// What the text is.
    pub is: SearchPlace,
    pub party: String,
    /// Its page; null where it came from another ledger's journal, in which it had another number.
    pub path: Option<String>,
}

impl Hit {
    fn new(is: SearchPlace, party: impl ToString, page: &[&str]) -> Self {
        let path = page.iter().fold(PAGES.to_owned(), |path, part| path + "/" + &encoded(part));
        Self { is, party: party.to_string(), path: Some(path) }
    }
}

impl SearchResult {
    /// Before anything was looked for.
    pub fn nowhere(q: &str, away: Vec<LedgerName>) -> Self {
        let (looked, passed_over) = (SearchPlace::ALL.to_vec(), Vec::new());
        let (found, parties, ledgers, note) = (vec![], vec![], vec![], NOT_FOUND);
        Self { q: q.to_owned(), found, looked, passed_over, parties, ledgers, away, note }
    }

    /// With what another ledger says.
    pub fn and(mut self, other: Self) -> Self {
        self.found.extend(other.found);
        self.parties.extend(other.parties);
        self.parties.sort_unstable();
        self.ledgers.extend(other.ledgers);
        self.pass_over(&other.passed_over);
        self
    }

    /// What one ledger could not compare the text with was not looked for everywhere.
    fn pass_over(&mut self, places: &[SearchPlace]) {
        let is_passed = |place: &SearchPlace| places.contains(place) || self.passed_over.contains(place);
        let (passed_over, looked) = SearchPlace::ALL.into_iter().partition(is_passed);
        (self.passed_over, self.looked) = (passed_over, looked);
    }

    /// Says in the paths of numbers which ledger's they are: each numbers by itself.
    pub fn number_within(&mut self, query: &str) {
        let numbered = [format!("{PAGES}/transactions/"), format!("{PAGES}/journal/")];
        let paths = self.found.iter_mut().filter_map(|hit| hit.path.as_mut());
        for path in paths.filter(|path| numbered.iter().any(|start| path.starts_with(start))) {
            path.push_str(query);
        }
    }
}

/// A segment of a path.
pub fn encoded(part: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let encode = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    part.bytes().map(encode).collect()
}

/// The parties that a ledger is looked through for.
type Parties<'a> = [(&'a Party, &'a PartyConfig)];

/// Looks in one ledger, for its parties.
pub fn run(
    conn: &mut AnyConnection,
    viewing: &Viewing,
    ledger: &LedgerName,
    q: &str,
) -> Result<SearchResult, StoreError> {
    let is_here = |(_, settings): &(&Party, &PartyConfig)| settings.ledger == *ledger;
    let parties: Vec<_> = viewing.config.parties.iter().filter(is_here).collect();
    let mut here = SearchResult::nowhere(q, vec![]);
    here.parties = parties.iter().map(|(party, _)| (*party).clone()).collect();
    here.ledgers.push(ledger.clone());
    for place in SearchPlace::ALL {
        match look(conn, &parties, place, q)? {
            Some(hits) => here.found.extend(hits),
            None => here.pass_over(&[place]),
        }
    }
    Ok(here)
}

/// `None` where the text cannot be what is looked for.
fn look(
    conn: &mut AnyConnection,
    parties: &Parties<'_>,
    place: SearchPlace,
    q: &str,
) -> Result<Option<Vec<Hit>>, StoreError> {
    // Postgres would take a NUL for damage rather than for a name.
    let name = Some(q).filter(|name| !name.contains('\0'));
    let number = q.parse::<i64>().ok();
    match (place, name, number) {
        (SearchPlace::Player, ..) => PlayerId::recorded(q).ok().map(|id| players(conn, parties, &id)).transpose(),
        (SearchPlace::Username, Some(name), _) => usernames(conn, parties, name).map(Some),
        (SearchPlace::ExternalId, ..) => {
            ExternalId::recorded(q).ok().map(|id| external_ids(conn, parties, &id)).transpose()
        }
        (SearchPlace::BetId, ..) => Uuid::try_parse(q).ok().map(|id| bet_id(conn, id)).transpose(),
        (SearchPlace::PartnerTransactionId, Some(name), _) => references(conn, name).map(Some),
        (SearchPlace::CodegamesTxnId, Some(name), _) => purchases(conn, parties, name).map(Some),
        (SearchPlace::TransactionNumber, _, Some(number)) => {
            let found = lookups::transaction(conn, number)?;
            Ok(Some(found.map(|(found, _)| transaction(place, number, found.party)).into_iter().collect()))
        }
        (SearchPlace::CodegamesOrder, _, Some(number)) => {
            let Some(found) = shop::purchase(conn, number)? else { return Ok(Some(Vec::new())) };
            // A replay keeps an order's number, and gives its row one of its own.
            let is_its_row = shop::has_made_order(conn, number)?;
            let hit = entry(place, number, found.party);
            Ok(Some(vec![Hit { path: hit.path.filter(|_| is_its_row), ..hit }]))
        }
        (SearchPlace::JournalNumber, _, Some(number)) => {
            let party = lookups::party_of_entry(conn, number)?;
            Ok(Some(party.map(|party| entry(place, number, party)).into_iter().collect()))
        }
        (SearchPlace::CorrelationId, Some(name), _) => correlations(conn, parties, name),
        (
            SearchPlace::Username
            | SearchPlace::PartnerTransactionId
            | SearchPlace::CodegamesTxnId
            | SearchPlace::TransactionNumber
            | SearchPlace::CodegamesOrder
            | SearchPlace::JournalNumber
            | SearchPlace::CorrelationId,
            ..,
        ) => Ok(None),
    }
}

fn players(conn: &mut AnyConnection, parties: &Parties<'_>, id: &PlayerId) -> Result<Vec<Hit>, StoreError> {
    let mut hits = Vec::new();
    for (party, _) in parties {
        if queries::player(conn, PlayerKey::of(party, id))?.is_some() {
            hits.push(player(SearchPlace::Player, party, id.as_str()));
        }
    }
    Ok(hits)
}

fn usernames(conn: &mut AnyConnection, parties: &Parties<'_>, name: &str) -> Result<Vec<Hit>, StoreError> {
    let mut hits = Vec::new();
    for (party, _) in parties {
        let named = lookups::players_named(conn, party, name)?;
        hits.extend(named.iter().map(|id| player(SearchPlace::Username, party, id)));
    }
    Ok(hits)
}

/// Accepted orders of the games that are configured now. What one player alone was refused is under a name of its own.
fn external_ids(conn: &mut AnyConnection, parties: &Parties<'_>, id: &ExternalId) -> Result<Vec<Hit>, StoreError> {
    let mut hits = Vec::new();
    for (party, settings) in parties {
        for game in &settings.games {
            let order = OrderId::of(party, &OrderKey { game: game.clone(), external_id: id.clone() });
            if queries::order(conn, order)?.is_some() {
                hits.push(Hit::new(SearchPlace::ExternalId, party, &["orders", &order.uuid().to_string()]));
            }
        }
    }
    Ok(hits)
}

fn bet_id(conn: &mut AnyConnection, id: Uuid) -> Result<Vec<Hit>, StoreError> {
    let found = queries::order(conn, OrderId::from_uuid(id))?;
    let hit = |(order, _): (crate::ledger::Order, _)| {
        Hit::new(SearchPlace::BetId, order.party().clone(), &["orders", &id.to_string()])
    };
    Ok(found.map(hit).into_iter().collect())
}

fn references(conn: &mut AnyConnection, name: &str) -> Result<Vec<Hit>, StoreError> {
    let called = lookups::transactions_called(conn, name)?;
    let hit = |(number, party)| transaction(SearchPlace::PartnerTransactionId, number, party);
    Ok(called.into_iter().map(hit).collect())
}

fn purchases(conn: &mut AnyConnection, parties: &Parties<'_>, name: &str) -> Result<Vec<Hit>, StoreError> {
    let mut hits = Vec::new();
    for (party, settings) in parties {
        let keys = purchase_keys(party, settings, name);
        for number in lookups::kept_under(conn, &keys)? {
            hits.push(entry(SearchPlace::CodegamesTxnId, number, party));
        }
    }
    Ok(hits)
}

/// `None` where the index of histories is too far behind to tell.
fn correlations(conn: &mut AnyConnection, parties: &Parties<'_>, name: &str) -> Result<Option<Vec<Hit>>, StoreError> {
    let mut hits = Vec::new();
    for (party, _) in parties {
        let Looked::Rows(rows) = history::of_correlation(conn, party, name)? else { return Ok(None) };
        let rows = rows.iter().take(MOST_HITS);
        hits.extend(rows.map(|row| entry(SearchPlace::CorrelationId, row.number, party)));
    }
    Ok(Some(hits))
}

fn purchase_keys(party: &Party, settings: &PartyConfig, name: &str) -> Vec<CommandKey> {
    let users = settings.codegames.iter().flat_map(|hub| &hub.users);
    users.map(|user| CommandKey::of_buy_keys(party, &user.login, name)).collect()
}

fn player(is: SearchPlace, party: &Party, id: &str) -> Hit {
    Hit::new(is, party, &["parties", party.as_str(), "players", id])
}

fn transaction(is: SearchPlace, number: i64, party: impl ToString) -> Hit {
    Hit::new(is, party, &["transactions", &number.to_string()])
}

fn entry(is: SearchPlace, number: i64, party: impl ToString) -> Hit {
    Hit::new(is, party, &["journal", &number.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_named_so_that_no_id_ends_a_segment() {
        let hit = Hit::new(SearchPlace::Player, "acme", &["parties", "acme", "players", "a/b?ü"]);
        assert_eq!(hit.path.as_deref(), Some("/admin/v1/parties/acme/players/a%2Fb%3F%C3%BC"));
    }
}
