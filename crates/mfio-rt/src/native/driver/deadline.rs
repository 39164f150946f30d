//! Deadlines of waits that may be endless.

use std::time::{Duration, Instant};

/// The longest single wait; longer waits are repeated.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// A point in time, or never.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// Returns the end of `patience`; never, if that is beyond the range of the clock.
    pub(super) fn after(patience: Duration) -> Self {
        Self(Instant::now().checked_add(patience))
    }

    /// Returns the remaining time, at most one single wait; zero when it is over.
    pub(super) fn left(self) -> Duration {
        self.0.map_or(LONG, |until| {
            until.saturating_duration_since(Instant::now()).min(LONG)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Deadline, LONG};
    use std::time::Duration;

    #[test]
    fn a_patience_without_end_does_not_overflow() {
        assert_eq!(Deadline::after(Duration::MAX).left(), LONG);
        assert_eq!(Deadline::after(Duration::ZERO).left(), Duration::ZERO);
        let second = Deadline::after(Duration::from_secs(1)).left();
        assert!(!second.is_zero() && second <= Duration::from_secs(1));
    }
}
