//! Driver selection: the best driver that is available.

use std::sync::Arc;

use super::config::{Choice, Config};
use super::driver;
use super::driver::contract::{Common, Driver};
use super::driver::kind::DriverKind;
use super::report::{BuildError, ProbeResult, Rejected, Report};

/// Sets up the first driver that is available, in the order of preference.
pub(super) fn select(
    config: &Config,
    common: &Common,
) -> Result<(Arc<dyn Driver>, Report), BuildError> {
    let mut rejected = Vec::new();
    for kind in order(config.choice) {
        match driver::open(kind, config, common) {
            Ok(driver) => {
                let details = driver.capabilities().details.clone();
                return Ok((driver, report(&rejected, kind, details)));
            }
            Err(reason) => rejected.push((kind, reason)),
        }
    }
    Err(BuildError::new(rejected))
}

fn report(rejected: &[(DriverKind, Rejected)], chosen: DriverKind, details: String) -> Report {
    let result = |kind| match rejected.iter().find(|(other, _)| *other == kind) {
        Some((_, reason)) => ProbeResult::Rejected(reason.clone()),
        None if kind == chosen => ProbeResult::Chosen(details.clone()),
        None => ProbeResult::NotTried,
    };
    let drivers = DriverKind::ALL.iter().map(|kind| (*kind, result(*kind)));
    Report::new(drivers.collect(), chosen)
}

fn order(choice: Choice) -> Vec<DriverKind> {
    let all = DriverKind::ALL.iter().copied();
    match choice {
        Choice::Best => all.collect(),
        Choice::Require(kind) => vec![kind],
        Choice::Prefer(first) => std::iter::once(first)
            .chain(all.filter(|kind| *kind != first))
            .collect(),
    }
}
