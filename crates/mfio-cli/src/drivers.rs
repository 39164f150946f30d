//! The ladder of drivers, as both subcommands tell it.

use mfio_rt::native::{BuildError, DriverKind, NativeRt, ProbeResult, Rejected, Report};

use crate::failure::{Failure, Result};
use crate::json::Json;

/// A runtime with this driver, or with the best one.
pub(crate) fn runtime(driver: Option<DriverKind>) -> Result<NativeRt, BuildError> {
    let builder = NativeRt::builder();
    match driver {
        Some(kind) => builder.require(kind).build(),
        None => builder.build(),
    }
}

/// Returns the message for the user when there is no runtime.
pub(crate) fn no_runtime(error: &BuildError) -> Failure {
    Failure::new(error.to_string()).help("`mfio doctor` says more, and what can be done")
}

/// Returns the details of the chosen driver.
pub(crate) fn details(report: &Report) -> &str {
    report
        .drivers()
        .find_map(|(_, result)| match result {
            ProbeResult::Chosen(details) => Some(details.as_str()),
            _ => None,
        })
        .unwrap_or_default()
}

/// Returns the drivers that are better than the chosen one and were rejected.
pub(crate) fn rejected(report: &Report) -> impl Iterator<Item = (DriverKind, &Rejected)> {
    report.drivers().filter_map(|(kind, result)| match result {
        ProbeResult::Rejected(rejected) => Some((kind, rejected)),
        _ => None,
    })
}

/// Converts the report to JSON.
pub(crate) fn report_json(report: &Report) -> Json {
    let drivers = report.drivers().map(|(kind, result)| {
        let mut fields = vec![("name", kind.name().into())];
        match result {
            ProbeResult::Chosen(details) => {
                fields.push(("result", "chosen".into()));
                fields.push(("details", details.as_str().into()));
            }
            ProbeResult::Rejected(rejected) => {
                fields.push(("result", "refused".into()));
                fields.extend(rejection_fields(rejected));
            }
            _ => fields.push(("result", "not tried".into())),
        }
        Json::Object(fields)
    });
    Json::Object(vec![
        ("chosen", report.chosen().name().into()),
        ("details", details(report).into()),
        ("drivers", drivers.collect()),
    ])
}

/// Returns the members that describe a rejected driver.
pub(crate) fn rejection_fields(rejected: &Rejected) -> Vec<(&'static str, Json)> {
    let errno = rejected.cause().errno();
    vec![
        ("step", rejected.step().into()),
        ("cause", rejected.cause().to_string().into()),
        (
            "errno",
            errno.and_then(|errno| u64::try_from(errno).ok()).into(),
        ),
        ("why", rejected.why().into()),
    ]
}
