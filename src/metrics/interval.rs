//! What a histogram took in between two looks: how often, and how long.

use std::collections::BTreeMap;

use super::samples::{Sample, Samples};

/// A bucket's upper bound.
const BOUND: &str = "le";

/// What was recorded between two moments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interval {
    pub count: f64,
    pub sum: f64,
    /// Upper bounds with how many were at or below each, in order.
    buckets: Vec<(f64, f64)>,
}

/// What tells a histogram of one name from others: its labels, by name.
pub type Labels = BTreeMap<String, String>;

impl Interval {
    /// Of every histogram of this name, in one pass.
    pub fn all(before: &Samples, after: &Samples, name: &str) -> BTreeMap<Labels, Self> {
        let mut before = standing(before, name);
        let since = |(labels, mut now): (Labels, Self)| {
            now.subtract(&before.remove(&labels).unwrap_or_default());
            (labels, now)
        };
        standing(after, name).into_iter().map(since).collect()
    }

    fn subtract(&mut self, before: &Self) {
        // A counter that has become smaller was begun anew.
        let grown = |now: f64, before: f64| (now - before).max(0.0);
        (self.count, self.sum) = (grown(self.count, before.count), grown(self.sum, before.sum));
        for (bound, now) in &mut self.buckets {
            let known = before.buckets.iter().find(|(known, _)| known == bound);
            *now = grown(*now, known.map_or(0.0, |(_, count)| *count));
        }
    }

    /// The value that this share of what was recorded does not pass, as near as the buckets tell; `None` where there was
    /// nothing.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = self.buckets.last().map(|(_, all)| all * share).filter(|wanted| *wanted > 0.0)?;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in &self.buckets {
            if *count >= wanted {
                // The last bucket has no upper bound: all that is known is that it is more than the one before.
                let width = if bound.is_finite() { bound - lower } else { 0.0 };
                return Some(lower + width * (wanted - below) / (count - below));
            }
            (lower, below) = (*bound, *count);
        }
        None
    }
}

/// What every histogram of a name stands at.
fn standing(samples: &Samples, name: &str) -> BTreeMap<Labels, Interval> {
    let mut all: BTreeMap<Labels, Interval> = BTreeMap::new();
    for sample in samples.of(&format!("{name}_count")) {
        all.entry(labels(sample)).or_default().count = sample.value;
    }
    for sample in samples.of(&format!("{name}_sum")) {
        all.entry(labels(sample)).or_default().sum = sample.value;
    }
    for sample in samples.of(&format!("{name}_bucket")) {
        if let Ok(bound) = sample.label(BOUND).trim_start_matches('+').parse() {
            all.entry(labels(sample)).or_default().buckets.push((bound, sample.value));
        }
    }
    for interval in all.values_mut() {
        interval.buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    }
    all
}

fn labels(sample: &Sample) -> Labels {
    sample.labels.iter().filter(|(name, _)| name != BOUND).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(counts: [u32; 3], sum: u32) -> Samples {
        let [low, middle, all] = counts;
        Samples::parse(&format!(
            "h_bucket{{party=\"a\",le=\"0.5\"}} {low}\nh_bucket{{party=\"a\",le=\"1.5\"}} {middle}\n\
             h_bucket{{party=\"a\",le=\"+Inf\"}} {all}\nh_sum{{party=\"a\"}} {sum}\nh_count{{party=\"a\"}} {all}\n\
             h_count{{party=\"b\"}} 1000\n"
        ))
    }

    #[test]
    fn quantiles_are_of_what_came_in_between() {
        let of_a = |before: Samples, after: Samples| {
            let labels = Labels::from([("party".to_owned(), "a".to_owned())]);
            Interval::all(&before, &after, "h").remove(&labels).unwrap()
        };
        let between = of_a(samples([100, 100, 100], 7), samples([150, 190, 200], 9));
        assert_eq!((between.count, between.sum), (100.0, 2.0));
        assert_eq!(between.quantile(0.5), Some(0.5));
        assert_eq!(between.quantile(0.7), Some(1.0));
        assert_eq!(between.quantile(0.99), Some(1.5), "beyond the last bound, which is all that is known");
        let nothing = of_a(samples([1, 2, 3], 4), samples([1, 2, 3], 4));
        assert_eq!((nothing.count, nothing.quantile(0.5)), (0.0, None));
        let anew = of_a(samples([5, 6, 7], 8), samples([1, 2, 3], 4));
        assert_eq!(anew.count, 0.0);
    }
}
