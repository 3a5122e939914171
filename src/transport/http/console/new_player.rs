//! The form that adds a player.

use askama::Template;

use super::forms::FailedForm;
use super::frame::Frame;
use super::pages::PageRequest;
use crate::transport::http::admin::problem::Problem;

#[derive(Template)]
#[template(path = "console/new_player.html")]
struct NewPlayerPage {
    frame: Frame,
    party: String,
    parties: Vec<String>,
    currencies: Vec<String>,
    /// What was typed.
    currency: String,
    player: String,
    fields: Vec<Field>,
    /// Why the last try did nothing.
    error: Option<String>,
}

/// A text that may be left out.
struct Field {
    name: &'static str,
    label: &'static str,
    value: String,
}

/// The page, with the form that did nothing where there is one.
pub fn show(asked: PageRequest, failed: Option<&FailedForm>) -> Result<String, Problem> {
    let party = asked.chosen_party()?;
    let settings = asked.viewing.config.parties.get(&party);
    let currencies = settings
        .map_or_else(Vec::new, |settings| settings.all_currencies().map(|currency| currency.to_string()).collect());
    let typed = |name: &str| failed.map_or("", |failed| failed.value(name)).to_owned();
    let field = |(name, label)| Field { name, label, value: typed(name) };
    let page = NewPlayerPage {
        party: party.to_string(),
        parties: asked.parties(),
        currencies,
        currency: typed("currency"),
        player: typed("player"),
        fields: [("username", "Username"), ("nickname", "Nickname"), ("email", "E-mail"), ("gender", "Gender")]
            .map(field)
            .into(),
        error: failed.map(|failed| failed.why.clone()),
        frame: asked.frame,
    };
    Ok(page.render()?)
}
