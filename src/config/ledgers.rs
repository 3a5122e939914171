//! The ledgers: that of `database.url`, called `default`, and those of `[ledgers.NAME]`. A party is in one of them.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{ConfigError, SettingPlace};
use super::section::Section;
use super::server;
use super::{Config, DatabaseSettings, DatabaseUrl};
use crate::ledger::ids::{LedgerName, Party};

/// Those of `[ledgers.NAME]`.
pub(super) fn ledgers(section: Section) -> Result<BTreeMap<LedgerName, DatabaseSettings>, ConfigError> {
    let mut ledgers = BTreeMap::new();
    for (name, setting) in section.entries() {
        let place = setting.place.clone();
        let name = LedgerName::parse(&name).map_err(|error| place.wrong(error.to_string()))?;
        if name.is_default() {
            return Err(place.wrong("is the ledger of database.url: give this one another name"));
        }
        ledgers.insert(name, server::database(setting.section()?)?);
    }
    Ok(ledgers)
}

impl Config {
    /// The ledger that a party's players and money are in: `default` where its section names none.
    pub fn ledger_of(&self, party: &Party) -> LedgerName {
        self.parties.get(party).map_or_else(LedgerName::default_ledger, |settings| settings.ledger.clone())
    }

    /// Where a ledger is kept; none where there is no such ledger.
    pub fn ledger_url(&self, ledger: &LedgerName) -> Option<&DatabaseUrl> {
        if ledger.is_default() {
            return Some(&self.database.url);
        }
        self.ledgers.get(ledger).map(|settings| &settings.url)
    }

    /// All that are configured, by name.
    pub fn all_ledgers(&self) -> BTreeSet<LedgerName> {
        std::iter::once(LedgerName::default_ledger()).chain(self.ledgers.keys().cloned()).collect()
    }

    /// The ledgers that parties are in, by name.
    pub fn ledgers_in_use(&self) -> BTreeSet<LedgerName> {
        self.parties.values().map(|settings| settings.ledger.clone()).collect()
    }

    /// Those, and the others that are configured and there: what a party left when it moved is still to be audited. A file that
    /// was never made is none.
    pub fn ledgers_known(&self) -> BTreeSet<LedgerName> {
        let is_made = |name: &LedgerName| self.ledger_url(name).is_some_and(DatabaseUrl::is_made);
        self.ledgers_in_use().into_iter().chain(self.all_ledgers().into_iter().filter(is_made)).collect()
    }

    /// The parties of a ledger.
    pub fn parties_in(&self, ledger: &LedgerName) -> impl Iterator<Item = &Party> {
        let is_in = move |settings: &super::PartyConfig| settings.ledger == *ledger;
        self.parties.iter().filter(move |(_, settings)| is_in(settings)).map(|(party, _)| party)
    }

    /// The parties of every other ledger.
    pub fn parties_outside(&self, ledger: &LedgerName) -> impl Iterator<Item = &Party> {
        self.parties.iter().filter(move |(_, settings)| settings.ledger != *ledger).map(|(party, _)| party)
    }

    /// What parties name must be there, and two names for one database would be two writers that know nothing of each
    /// other's waiting, and two audits of the same rows.
    pub(super) fn check_ledgers(&self) -> Result<(), ConfigError> {
        for (party, settings) in &self.parties {
            if self.ledger_url(&settings.ledger).is_none() {
                let place = SettingPlace { key: format!("parties.{party}.ledger"), origin: None };
                let known = self.ledgers.keys().map(LedgerName::as_str);
                let known = std::iter::once("default").chain(known).collect::<Vec<_>>().join(", ");
                return Err(place.wrong(format!("names {}, and there is {known}", settings.ledger)));
            }
        }
        let mut urls = vec![("database.url".to_owned(), &self.database.url)];
        for (name, settings) in &self.ledgers {
            let key = format!("ledgers.{name}.url");
            if let Some((other, _)) = urls.iter().find(|(_, url)| **url == settings.url) {
                let place = SettingPlace { key, origin: None };
                return Err(place.wrong(format!("equals {other}: each ledger has a database or a schema of its own")));
            }
            urls.push((key, &settings.url));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    const PARTIES: &str = r#"
[parties.acme]
currencies = ["CHF"]
player_tokens = "trusted"
[parties.beta]
currencies = ["CHF"]
player_tokens = "trusted"
ledger = "second"
"#;

    #[test]
    fn a_party_is_in_the_ledger_that_it_names() {
        let config = parse(&format!("[ledgers.second]\nurl = \"sqlite://second.db\"\n{PARTIES}")).unwrap();
        let [acme, beta] = ["acme", "beta"].map(|name| Party::parse(name).unwrap());
        assert_eq!([&acme, &beta].map(|party| config.ledger_of(party).to_string()), ["default", "second"]);
        let second = LedgerName::parse("second").unwrap();
        assert_eq!(config.ledger_url(&second).unwrap().to_string(), "sqlite://second.db");
        assert_eq!(config.parties_in(&second).collect::<Vec<_>>(), [&beta]);
        assert_eq!(config.ledgers_in_use().len(), 2);
    }

    #[test]
    fn ledgers_that_cannot_be_are_named() {
        let same = "database.url = \"sqlite://one.db\"\n[ledgers.second]\nurl = \"sqlite://one.db\"\n";
        let own = "[ledgers.default]\nurl = \"sqlite://one.db\"\n";
        let dots = "[ledgers.\"a.b\"]\nurl = \"sqlite://one.db\"\n";
        for (ledgers, problem) in [
            ("", "parties.beta.ledger names second, and there is default"),
            (same, "ledgers.second.url equals database.url"),
            (own, "is the ledger of database.url"),
            (dots, "must be 1 to 32 of a-z, 0-9 and '-'"),
            ("[ledgers.second]\n", "needs a url"),
        ] {
            let told = parse(&format!("{ledgers}{PARTIES}")).unwrap_err().to_string();
            assert!(told.contains(problem), "{told}");
        }
    }
}
