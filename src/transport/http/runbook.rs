//! What to do when something is wrong, out of the document that operators have: the page and docs/OPERATING.md cannot
//! say two things.

/// The document.
const OPERATING: &str = include_str!("../../../docs/OPERATING.md");

/// The chapter whose table says what is seen, what it is and what to do.
const TROUBLES: &str = "\n## When something is wrong\n";

/// One piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub is_code: bool,
}

/// Text in pieces.
pub type Pieces = Vec<Piece>;

/// What to do about something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// What shows it.
    pub sees: Pieces,
    /// What it is.
    pub is: Pieces,
    pub todo: Pieces,
}

/// Rows of the table whose first column begins so.
pub fn rows(sees: &str) -> Vec<Remedy> {
    let chapter = OPERATING.split_once(TROUBLES).map_or("", |(_, rest)| rest.split("\n## ").next().unwrap_or_default());
    let rows = chapter.lines().filter(|line| line.strip_prefix("| ").is_some_and(|cell| cell.starts_with(sees)));
    let remedy = |line: &str| {
        let mut cells = line.trim_matches('|').split(" | ").map(|cell| pieces(cell.trim()));
        Some(Remedy { sees: cells.next()?, is: cells.next()?, todo: cells.next()? })
    };
    rows.filter_map(remedy).collect()
}

/// The section of an alert.
pub fn alert(name: &str) -> Pieces {
    let heading = format!("\n### {name}\n");
    let section = OPERATING.split_once(&heading).map_or("", |(_, rest)| rest.split("\n#").next().unwrap_or_default());
    pieces(&section.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The text alone.
pub fn plain(pieces: &[Piece]) -> String {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}

/// Markdown's code is marked; links become their words, since the page has no documents to lead to.
fn pieces(text: &str) -> Pieces {
    let mut pieces = Vec::new();
    for (number, part) in text.split('`').enumerate() {
        let is_code = number % 2 == 1;
        let text = if is_code { part.to_owned() } else { without_links(part).replace("**", "") };
        if !text.is_empty() {
            pieces.push(Piece { text, is_code });
        }
    }
    pieces
}

fn without_links(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        shown.push_str(before);
        let link = after.split_once("](").and_then(|(words, target)| Some((words, target.split_once(')')?.1)));
        let Some((words, behind)) = link else {
            shown.push('[');
            rest = after;
            continue;
        };
        shown.push_str(words);
        rest = behind;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_sections_are_those_of_the_document() {
        let away = rows("`/readyz`: `broker: away`");
        assert_eq!(away.len(), 1);
        assert_eq!(plain(&away[0].todo), "bring the broker back");
        assert!(away[0].sees[0].is_code && rows("nothing of the sort").is_empty());
        let section = alert("PurserDatabaseAway");
        assert!(plain(&section).starts_with("Nothing is decided;"), "{section:?}");
        assert!(plain(&section).ends_with("it goes on by itself."), "{section:?}");
        assert_eq!(alert("PurserNothing"), []);
    }

    #[test]
    fn links_become_their_words_and_code_is_marked() {
        let found = pieces("see [Floods](#floods), **or** `purser [x](y)`.");
        let expected = [("see Floods, or ", false), ("purser [x](y)", true), (".", false)];
        let expected = expected.map(|(text, is_code)| Piece { text: text.to_owned(), is_code });
        assert_eq!(found, expected);
    }
}
