//! How long to wait at most, where that may be for ever.

use std::time::{Duration, Instant};

/// The longest wait that is asked of the system at once: whoever has longer asks again.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// A point in time, or never.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// So long from now. What no clock can tell is never.
    pub(super) fn after(patience: Duration) -> Self {
        Self(Instant::now().checked_add(patience))
    }

    /// What is left, as much as can be waited for in one go; zero when it is over.
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
