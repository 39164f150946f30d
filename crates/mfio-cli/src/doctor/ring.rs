//! The features and operations of the kernel's io_uring that the driver needs.

use crate::json::Json;

/// A ring was made to look at, or could not be.
#[derive(Debug)]
pub(super) struct Facts {
    /// Why there is none.
    pub(super) refused: Option<String>,
    pub(super) features: Vec<Fact>,
    pub(super) operations: Vec<Fact>,
}

/// Something that the driver needs, and whether it is there.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) there: bool,
}

impl Facts {
    fn none(why: impl Into<String>) -> Self {
        Self {
            refused: Some(why.into()),
            features: Vec::new(),
            operations: Vec::new(),
        }
    }

    pub(super) fn to_json(&self) -> Json {
        let facts = |facts: &[Fact]| -> Json {
            let fact = |fact: &Fact| {
                Json::Object(vec![
                    ("name", fact.name.into()),
                    ("there", fact.there.into()),
                ])
            };
            facts.iter().map(fact).collect()
        };
        Json::Object(vec![
            ("refused", self.refused.clone().into()),
            ("features", facts(&self.features)),
            ("operations", facts(&self.operations)),
        ])
    }
}

/// Makes a small ring and asks.
#[cfg(target_os = "linux")]
pub(super) fn look() -> Facts {
    use io_uring::{IoUring, Probe};

    let ring = match IoUring::new(8) {
        Ok(ring) => ring,
        Err(error) => return Facts::none(format!("io_uring_setup: {error}")),
    };
    let mut probe = Probe::new();
    if let Err(error) = ring.submitter().register_probe(&mut probe) {
        return Facts::none(format!("IORING_REGISTER_PROBE: {error}"));
    }
    Facts {
        refused: None,
        features: features(ring.params()),
        operations: OPERATIONS
            .iter()
            .map(|&(code, name)| Fact {
                name,
                there: probe.is_supported(code),
            })
            .collect(),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn look() -> Facts {
    Facts::none("io_uring is part of Linux")
}

#[cfg(target_os = "linux")]
fn features(params: &io_uring::Parameters) -> Vec<Fact> {
    let all = [
        ("NODROP", params.is_feature_nodrop()),
        ("SUBMIT_STABLE", params.is_feature_submit_stable()),
        ("EXT_ARG", params.is_feature_ext_arg()),
        ("RSRC_TAGS", params.is_feature_resource_tagging()),
    ];
    all.into_iter()
        .map(|(name, there)| Fact { name, there })
        .collect()
}

#[cfg(target_os = "linux")]
const OPERATIONS: &[(u8, &str)] = {
    use io_uring::opcode::*;
    &[
        (Nop::CODE, "NOP"),
        (Read::CODE, "READ"),
        (Write::CODE, "WRITE"),
        (OpenAt::CODE, "OPENAT"),
        (Statx::CODE, "STATX"),
        (Fsync::CODE, "FSYNC"),
        (Close::CODE, "CLOSE"),
        (PollAdd::CODE, "POLL_ADD"),
        (AsyncCancel::CODE, "ASYNC_CANCEL"),
    ]
};

#[cfg(test)]
mod tests {
    use mfio_rt::native::DriverKind;

    /// The list here and the driver's own must not drift apart: what is missing here must stop the
    /// driver.
    #[test]
    fn a_driver_that_works_has_all_that_is_listed() {
        let facts = super::look();
        if crate::drivers::runtime(Some(DriverKind::IoUring)).is_err() {
            println!("skipped: io_uring is refused here");
            return;
        }
        assert_eq!(facts.refused, None);
        assert!(!facts.features.is_empty() && !facts.operations.is_empty());
        for fact in facts.features.iter().chain(&facts.operations) {
            assert!(fact.there, "{} is missing", fact.name);
        }
    }
}
