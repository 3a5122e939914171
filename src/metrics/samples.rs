//! What was recorded, read back: whoever looks at a page is told the same as whoever scrapes.

use std::collections::HashMap;

/// Every sample of one moment, by name: with many parties there are tens of thousands.
#[derive(Debug, Clone, Default)]
pub struct Samples(HashMap<String, Vec<Sample>>);

#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

impl Sample {
    /// A label's value; empty where it has none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }
}

impl Samples {
    /// Reads Prometheus's text format, as our own exporter writes it. Lines that are none are passed over.
    pub fn parse(text: &str) -> Self {
        let mut samples = Self::default();
        for (name, sample) in text.lines().filter(|line| !line.starts_with('#')).filter_map(sample) {
            match samples.0.get_mut(name) {
                Some(known) => known.push(sample),
                None => _ = samples.0.insert(name.to_owned(), vec![sample]),
            }
        }
        samples
    }

    pub fn of(&self, name: &str) -> impl Iterator<Item = &Sample> {
        self.0.get(name).into_iter().flatten()
    }

    /// What a name without labels, or with these, stands at.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |sample: &&Sample| labels.iter().all(|(label, value)| sample.label(label) == *value);
        self.of(name).find(fits).map(|sample| sample.value)
    }

    /// What a name stands at with all labels together: in every ledger, say.
    pub fn sum(&self, name: &str) -> Option<f64> {
        self.of(name).map(|sample| sample.value).reduce(|sum, value| sum + value)
    }
}

fn sample(line: &str) -> Option<(&str, Sample)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        let mut inside = inside;
        loop {
            inside = inside.trim_start_matches(',');
            if let Some(after) = inside.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, after) = inside.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((label.to_owned(), value));
            inside = after;
        }
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name, Sample { labels, value }))
}

/// A label's value up to its quotation mark, and what follows that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_their_labels() {
        let text = "# HELP a b\n# TYPE a gauge\na 5\n\
                    b{party=\"acme\",queue=\"v1.0.acme.order.bet\"} 2.5\n\
                    c{said=\"a \\\"b\\\" \\\\ \\n}\",le=\"+Inf\"} 1e3\n\nbroken{x=\"y\n";
        let samples = Samples::parse(text);
        assert_eq!(samples.0.values().map(Vec::len).sum::<usize>(), 3);
        assert_eq!(samples.value("a", &[]), Some(5.0));
        assert_eq!(samples.value("b", &[("party", "acme")]), Some(2.5));
        assert_eq!(samples.value("b", &[("party", "other")]), None);
        let ledgers = Samples::parse("a{ledger=\"second\"} 1\na 5\n");
        assert_eq!((ledgers.sum("a"), ledgers.sum("b")), (Some(6.0), None));
        let found = samples.of("c").next().unwrap();
        assert_eq!((found.label("said"), found.label("le"), found.label("no")), ("a \"b\" \\ \n}", "+Inf", ""));
        assert_eq!(samples.value("c", &[]), Some(1000.0));
    }
}
