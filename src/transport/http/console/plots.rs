//! Plots of the last two minutes, drawn here: a line in a box of 240 by 60.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::transport::http::live::Moment;

const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 60.0;

/// Left above and below the line, so that it is not cut in half at its ends.
const MARGIN: f64 = 2.0;

pub struct Plot {
    pub title: &'static str,
    pub newest: String,
    pub most: String,
    /// Of an SVG polyline.
    pub points: String,
}

/// What the overview draws.
pub fn of(moments: &[Arc<Moment>]) -> Vec<Plot> {
    let series = |value: fn(&Moment) -> f64| moments.iter().map(|moment| value(moment)).collect::<Vec<f64>>();
    let answered = series(|moment| moment.of_parties().map(|operation| operation.per_second).sum());
    let slowest =
        series(|moment| moment.of_parties().filter_map(|operation| operation.p99_seconds).fold(0.0, f64::max));
    let ready = series(|moment| moment.queues.iter().map(|queue| queue.messages).sum());
    let waiting = series(|moment| moment.waiting);
    let whole = |value: f64| format!("{value:.0}");
    vec![
        plot("Answered a second", &answered, |value| format!("{value:.1}")),
        plot("99 of 100 within", &slowest, |value| milliseconds(Some(value))),
        plot("Ready in queues", &ready, whole),
        plot("Waiting for their bet", &waiting, whole),
    ]
}

/// A time as it is shown; a dash where there was none.
pub fn milliseconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "–".to_owned(), |seconds| format!("{:.1} ms", seconds * 1e3))
}

fn plot(title: &'static str, values: &[f64], written: impl Fn(f64) -> String) -> Plot {
    let most = values.iter().copied().fold(0.0, f64::max);
    Plot {
        title,
        newest: written(values.last().copied().unwrap_or(0.0)),
        most: written(most),
        points: points(values, most),
    }
}

/// From the left to the right edge, the highest at the top. What is nought throughout lies on the ground.
fn points(values: &[f64], most: f64) -> String {
    let step = WIDTH / f64::from(u32::try_from(values.len().saturating_sub(1)).unwrap_or(u32::MAX)).max(1.0);
    let mut points = String::new();
    let mut x = 0.0;
    for value in values {
        let share = if most > 0.0 { value / most } else { 0.0 };
        let y = HEIGHT - MARGIN - share * (HEIGHT - 2.0 * MARGIN);
        // Writing to a text cannot fail.
        let _ = write!(points, "{x:.1},{y:.1} ");
        x += step;
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_from_edge_to_edge_and_the_most_is_at_the_top() {
        assert_eq!(points(&[0.0, 5.0, 10.0], 10.0), "0.0,58.0 120.0,30.0 240.0,2.0 ");
        assert_eq!(points(&[0.0, 0.0], 0.0), "0.0,58.0 240.0,58.0 ");
        assert_eq!(points(&[], 0.0), "");
        let plot = plot("t", &[0.0, 0.25], |value| milliseconds(Some(value)));
        assert_eq!((&*plot.newest, &*plot.most), ("250.0 ms", "250.0 ms"));
        assert_eq!(milliseconds(None), "–");
    }
}
