//! Lists: a page at a time, as JSON or as CSV.

use serde::Serialize;
use serde_json::{Map, Value};

use super::problem::Problem;
use crate::dialects::http::{Failure, Reply};
use crate::ledger::LedgerName;

/// Rows of a page where nothing else is said, and at the most.
const USUAL: usize = 50;
const MOST: usize = 200;

/// What a text begins with that a spreadsheet would take for a formula.
const FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage {
    pub limit: usize,
    pub after: Option<String>,
}

impl ListPage {
    pub fn read(query: &[(String, String)]) -> Result<Self, Problem> {
        let value = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let limit = match value("limit") {
            None => USUAL,
            Some(text) => {
                let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                limit.ok_or_else(|| Problem::bad_request(format!("limit must be a whole number from 1 to {MOST}")))?
            }
        };
        Ok(Self { limit, after: value("after").map(str::to_owned) })
    }

    /// The number after which the page begins.
    pub fn after_number(&self) -> Result<Option<i64>, Problem> {
        let number = self.after.as_deref().map(str::parse).transpose();
        number.map_err(|_| Problem::bad_request("after must be what `next` of the page before says"))
    }

    /// One more than is shown: whether there is a next page.
    pub fn one_more(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or_default().saturating_add(1)
    }
}

/// One page.
#[derive(Debug)]
pub struct Listing {
    columns: &'static [&'static str],
    rows: Vec<Value>,
    /// What `after` must be for the next one.
    next: Option<String>,
    /// What else is said of the list as a whole.
    about: Map<String, Value>,
}

impl Listing {
    /// `found` has one more row than is shown where there are more; `name` is what `after` says of one.
    pub fn new<T: Serialize>(
        columns: &'static [&'static str],
        page: &ListPage,
        found: &[T],
        name: impl Fn(&T) -> String,
    ) -> Result<Self, Problem> {
        let shown = &found[..found.len().min(page.limit)];
        let next = shown.last().filter(|_| found.len() > page.limit).map(name);
        let rows = shown.iter().map(serde_json::to_value).collect::<Result<_, _>>();
        Ok(Self { columns, rows: rows.map_err(|_| Problem::from(Failure::Fault))?, next, about: Map::new() })
    }

    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.about.insert(name.to_owned(), value.into());
        self
    }

    /// Says which ledgers could not be looked at: what is there is missing.
    pub fn without(self, away: &[LedgerName]) -> Self {
        let away: Vec<&str> = away.iter().map(LedgerName::as_str).collect();
        self.with("away", away)
    }

    /// `accept` is the header's value.
    pub fn reply(self, accept: &str) -> Reply {
        let wants_csv = accept.split(',').any(|range| range.split(';').next().unwrap_or_default().trim() == "text/csv");
        if !wants_csv {
            let mut body = self.about;
            body.insert("items".to_owned(), self.rows.into());
            body.insert("next".to_owned(), self.next.into());
            return Reply::json(200, "200", &body);
        }
        let body = self.csv().into_bytes();
        let reply = Reply { content_type: "text/csv; charset=utf-8; header=present", body, ..Reply::empty(200, "200") };
        let reply = match self.next {
            Some(next) => reply.with_header("x-next", next),
            None => reply,
        };
        let away = self.about.get("away").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let away: Vec<&str> = away.collect();
        if away.is_empty() { reply } else { reply.with_header("x-away", away.join(" ")) }
    }

    /// RFC 4180, with a heading.
    fn csv(&self) -> String {
        let heading = self.columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>().join(",");
        let line = |row: &Value| self.columns.iter().map(|column| cell(row, column)).collect::<Vec<_>>().join(",");
        let lines = std::iter::once(heading).chain(self.rows.iter().map(line));
        lines.map(|line| line + "\r\n").collect()
    }
}

/// Amounts and numbers are numbers; every other text is kept from being a formula.
fn cell(row: &Value, column: &str) -> String {
    let is_number = column.ends_with("_minor") || row.get(format!("{column}_minor")).is_some();
    match &row[column] {
        Value::Null => String::new(),
        Value::String(text) if is_number => quoted(text.clone()),
        Value::String(text) => quoted(harmless(text)),
        Value::Array(values) if values.iter().all(Value::is_string) => {
            let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            quoted(harmless(&texts.join(" ")))
        }
        // Numbers, flags and JSON, which begin like no formula that is one.
        other => quoted(other.to_string()),
    }
}

fn harmless(text: &str) -> String {
    if text.starts_with(FORMULAS) { format!("'{text}") } else { text.to_owned() }
}

fn quoted(text: String) -> String {
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(limit: usize) -> ListPage {
        ListPage { limit, after: None }
    }

    #[test]
    fn csv_is_quoted_and_no_text_is_a_formula() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+41", "'+41"),
            ("-cmd|x", "'-cmd|x"),
            ("-5", "'-5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("=\"a\",b", "\"'=\"\"a\"\",b\""),
            ("", ""),
        ] {
            assert_eq!(cell(&json!({ "text": text }), "text"), expected, "{text:?}");
        }
        let row =
            json!({ "real": "-12.50", "real_minor": -1250, "big_minor": "-9223372036854775808", "no": null, "n": -5 });
        let cells = ["real", "real_minor", "big_minor", "no", "n"].map(|column| cell(&row, column));
        assert_eq!(cells, ["-12.50", "-1250", "-9223372036854775808", "", "-5"]);
    }

    #[test]
    fn a_page_says_where_the_next_begins_and_the_last_does_not() {
        let rows = [1, 2, 3].map(|n| json!({ "n": n }));
        let listing = |rows: &[Value]| Listing::new(&["n"], &page(2), rows, |row| row["n"].to_string()).unwrap();
        assert_eq!((listing(&rows).rows.len(), listing(&rows).next), (2, Some("2".to_owned())));
        assert_eq!((listing(&rows[..2]).rows.len(), listing(&rows[..2]).next), (2, None));
        let csv = listing(&rows).reply("application/json;q=0.5, text/csv");
        assert_eq!(String::from_utf8(csv.body).unwrap(), "n\r\n1\r\n2\r\n");
        assert_eq!(csv.headers, [("x-next", "2".to_owned())]);
    }

    #[test]
    fn limits_are_whole_numbers_up_to_the_most() {
        let read = |text: &str| ListPage::read(&[("limit".to_owned(), text.to_owned())]);
        assert_eq!(read("200").unwrap().limit, 200);
        for text in ["0", "201", "-1", "", "ten", "1.5"] {
            assert_eq!(read(text).unwrap_err().status, 400, "{text}");
        }
        assert_eq!(ListPage::read(&[]).unwrap(), page(USUAL));
    }
}
