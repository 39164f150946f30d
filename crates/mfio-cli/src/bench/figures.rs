//! Medians, spread, ratios.
//!
//! Ratios are taken within each round, between measurements that are close in time, and their
//! median is printed.

use super::contestant::Contestant;
use super::plan::{Event, Plan};
use super::reads::Sample;
use super::rounds::Round;

/// The figures of one event.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) event: Event,
    pub(super) samples: Vec<Sample>,
    /// Reads per second.
    pub(super) rate: Summary,
    /// Ratio to one thread of pread.
    pub(super) to_pread: f64,
    /// Ratio to `tokio::fs` at the same depth (1 for contestants without depth, if that was
    /// measured).
    pub(super) to_tokio_fs: Option<f64>,
    /// Seconds of processor time per read.
    pub(super) cpu_per_read: Option<f64>,
}

/// All of them, in the order of the plan.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) all: Vec<Figure>,
    pub(super) rounds: usize,
    /// Number of reads, each of them verified.
    pub(super) reads: u64,
    /// Share of a processor that `pread`, which never waits, got, where the system tells.
    pub(super) processor_share: Option<f64>,
}

/// A set of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Summary {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Summary {
    /// Of at least one value.
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self {
            median: f64::midpoint(low, high),
            min,
            max,
        })
    }

    /// Half of the distance between the extremes, as a part of the median.
    pub(super) fn spread(&self) -> f64 {
        (self.max - self.min) / 2.0 / self.median
    }
}

/// The event that the others are compared with.
const BASELINE: Event = Event {
    contestant: Contestant::StdPread,
    depth: 1,
};

impl Figures {
    pub(super) fn of(plan: &Plan, rounds: &[Round]) -> Self {
        let figure = |(i, event): (usize, &Event)| figure(plan, rounds, i, *event);
        let all: Vec<_> = plan.events.iter().enumerate().filter_map(figure).collect();
        let pread = all.iter().find(|figure| figure.event == BASELINE);
        let shares = pread.iter().flat_map(|figure| &figure.samples);
        Self {
            processor_share: Summary::of(shares.filter_map(Sample::processors)).map(|s| s.median),
            rounds: rounds.len(),
            reads: all
                .iter()
                .flat_map(|figure| &figure.samples)
                .map(|s| s.reads)
                .sum(),
            all,
        }
    }
}

/// `None` if there was no round.
fn figure(plan: &Plan, rounds: &[Round], index: usize, event: Event) -> Option<Figure> {
    let samples: Vec<Sample> = rounds.iter().map(|round| round[index]).collect();
    let beside = |other: Event| {
        let other = plan.events.iter().position(|event| *event == other)?;
        let ratios = rounds
            .iter()
            .map(|round| round[index].rate() / round[other].rate());
        Summary::of(ratios).map(|ratio| ratio.median)
    };
    Some(Figure {
        event,
        rate: Summary::of(samples.iter().map(Sample::rate))?,
        to_pread: beside(BASELINE)?,
        to_tokio_fs: beside(Event {
            contestant: Contestant::TokioFs,
            depth: event.depth,
        }),
        cpu_per_read: Summary::of(samples.iter().filter_map(Sample::cpu_per_read))
            .map(|cpu| cpu.median),
        samples,
    })
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |values: &[f64]| Summary::of(values.iter().copied());
        let summary = of(&[3.0, 1.0, 2.0]).expect("values");
        assert_eq!((summary.median, summary.min, summary.max), (2.0, 1.0, 3.0));
        assert_eq!(summary.spread(), 0.5);
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]).map(|s| s.median), Some(2.5));
        assert_eq!(of(&[7.0]).map(|s| (s.median, s.spread())), Some((7.0, 0.0)));
        assert_eq!(of(&[]), None);
    }
}
