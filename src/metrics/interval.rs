//! What a histogram took in between two looks: how often, and how long.

use super::samples::{Sample, Samples};

/// What was recorded between two moments.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    pub count: f64,
    pub sum: f64,
    /// Upper bounds with how many were at or below each, in order.
    buckets: Vec<(f64, f64)>,
}

impl Interval {
    /// Of a histogram with these labels.
    pub fn of(before: &Samples, after: &Samples, name: &str, labels: &[(&str, &str)]) -> Self {
        let [bucket, count, sum] = ["bucket", "count", "sum"].map(|part| format!("{name}_{part}"));
        let grown = |name: &str, labels: &[(&str, &str)]| {
            let value = |samples: &Samples| samples.value(name, labels).unwrap_or(0.0);
            // A counter that has become smaller was begun anew.
            (value(after) - value(before)).max(0.0)
        };
        let fits = |sample: &&Sample| labels.iter().all(|(label, value)| sample.label(label) == *value);
        let bounds = after.of(&bucket).filter(fits).map(|sample| sample.label("le").to_owned());
        let mut buckets: Vec<(f64, f64)> = bounds
            .filter_map(|le| {
                let with_bound = [labels, &[("le", le.as_str())]].concat();
                Some((le.trim_start_matches('+').parse::<f64>().ok()?, grown(&bucket, &with_bound)))
            })
            .collect();
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        Self { count: grown(&count, labels), sum: grown(&sum, labels), buckets }
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
        let labels = [("party", "a")];
        let between = Interval::of(&samples([100, 100, 100], 7), &samples([150, 190, 200], 9), "h", &labels);
        assert_eq!((between.count, between.sum), (100.0, 2.0));
        assert_eq!(between.quantile(0.5), Some(0.5));
        assert_eq!(between.quantile(0.7), Some(1.0));
        assert_eq!(between.quantile(0.99), Some(1.5), "beyond the last bound, which is all that is known");
        let nothing = Interval::of(&samples([1, 2, 3], 4), &samples([1, 2, 3], 4), "h", &labels);
        assert_eq!((nothing.count, nothing.quantile(0.5)), (0.0, None));
        let anew = Interval::of(&samples([5, 6, 7], 8), &samples([1, 2, 3], 4), "h", &labels);
        assert_eq!(anew.count, 0.0);
    }
}
