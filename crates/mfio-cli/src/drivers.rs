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

/// The particulars of the chosen driver.
pub(crate) fn details(report: &Report) -> &str {
    report
        .drivers()
        .find_map(|(_, verdict)| match verdict {
            ProbeResult::Chosen(details) => Some(details.as_str()),
            _ => None,
        })
        .unwrap_or_default()
}

/// Why drivers that are better than the chosen one were refused.
pub(crate) fn refusals(report: &Report) -> impl Iterator<Item = (DriverKind, &Rejected)> {
    report
        .drivers()
        .filter_map(|(kind, verdict)| match verdict {
            ProbeResult::Rejected(refusal) => Some((kind, refusal)),
            _ => None,
        })
}

/// The whole report.
pub(crate) fn report_json(report: &Report) -> Json {
    let rungs = report.drivers().map(|(kind, verdict)| {
        let mut fields = vec![("name", kind.name().into())];
        match verdict {
            ProbeResult::Chosen(details) => {
                fields.push(("verdict", "chosen".into()));
                fields.push(("details", details.as_str().into()));
            }
            ProbeResult::Rejected(refusal) => {
                fields.push(("verdict", "refused".into()));
                fields.extend(refusal_fields(refusal));
            }
            _ => fields.push(("verdict", "not tried".into())),
        }
        Json::Object(fields)
    });
    Json::Object(vec![
        ("chosen", report.chosen().name().into()),
        ("details", details(report).into()),
        ("rungs", rungs.collect()),
    ])
}

/// The members that describe a refusal.
pub(crate) fn refusal_fields(refusal: &Rejected) -> Vec<(&'static str, Json)> {
    let errno = refusal.cause().errno();
    vec![
        ("step", refusal.step().into()),
        ("cause", refusal.cause().to_string().into()),
        (
            "errno",
            errno.and_then(|errno| u64::try_from(errno).ok()).into(),
        ),
        ("why", refusal.why().into()),
    ]
}
