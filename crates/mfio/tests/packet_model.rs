//! Random sequences of splits and ends against a model: one outcome per byte.

use mfio::error::{Cause, ErrorKind};
use mfio::io::Read;
use mfio::packet::{Packet, View};
use proptest::prelude::*;
use std::pin::Pin;
use std::task::{Context, Waker};

/// A step on one of the views that are left; numbers are taken modulo the number of views, or of
/// bytes.
#[derive(Clone, Debug)]
enum Step {
    Split {
        view: usize,
        at: usize,
    },
    Done {
        view: usize,
    },
    Fail {
        view: usize,
        kind: usize,
    },
    Prefix {
        view: usize,
        good: usize,
        kind: usize,
    },
    Drop {
        view: usize,
    },
    Poll,
}

const KINDS: [ErrorKind; 3] = [
    ErrorKind::Busy,
    ErrorKind::UnexpectedEof,
    ErrorKind::TimedOut,
];

fn step() -> impl Strategy<Value = Step> {
    let n = 0..64usize;
    prop_oneof![
        4 => (n.clone(), n.clone()).prop_map(|(view, at)| Step::Split { view, at }),
        1 => n.clone().prop_map(|view| Step::Done { view }),
        1 => (n.clone(), n.clone()).prop_map(|(view, kind)| Step::Fail { view, kind }),
        1 => (n.clone(), n.clone(), n.clone())
            .prop_map(|(view, good, kind)| Step::Prefix { view, good, kind }),
        1 => n.prop_map(|view| Step::Drop { view }),
        1 => Just(Step::Poll),
    ]
}

/// The fate of every byte, and whether an empty view failed.
struct Model {
    bytes: Vec<Option<Cause>>,
    empty_failed: bool,
}

impl Model {
    fn fail(&mut self, offset: usize, len: usize, cause: Cause) {
        self.bytes[offset..offset + len].fill(Some(cause));
        self.empty_failed |= len == 0;
    }
}

fn apply(step: &Step, views: &mut Vec<View<Read>>, model: &mut Model) {
    let pick = |n: usize| n % views.len();
    match *step {
        Step::Poll => {}
        Step::Split { view, at } => {
            let view = views.swap_remove(pick(view));
            let at = at % (view.len() + 1);
            let (offset, len) = (view.offset(), view.len());
            let (a, b) = view.split_at(at);
            assert_eq!((a.offset(), a.len()), (offset, at));
            assert_eq!((b.offset(), b.len()), (offset + at, len - at));
            views.extend([a, b]);
        }
        Step::Done { view } => {
            let mut view = views.swap_remove(pick(view));
            view.bytes_mut().fill(0xd0);
            view.done();
        }
        Step::Fail { view, kind } => {
            let view = views.swap_remove(pick(view));
            let cause = Cause::new(KINDS[kind % KINDS.len()]);
            model.fail(view.offset(), view.len(), cause);
            view.fail(cause);
        }
        Step::Prefix { view, good, kind } => {
            let mut view = views.swap_remove(pick(view));
            let good = good % (view.len() + 2);
            let cause = Cause::new(KINDS[kind % KINDS.len()]);
            let shown = good.min(view.len());
            view.bytes_mut()[..shown].fill(0xd0);
            if shown < view.len() {
                model.fail(view.offset() + shown, view.len() - shown, cause);
            }
            view.done_prefix(good, cause);
        }
        Step::Drop { view } => {
            let view = views.swap_remove(pick(view));
            model.fail(view.offset(), view.len(), ErrorKind::Dropped.into());
            drop(view);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn outcomes_are_those_of_the_model(
        len in 0..40usize,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut packet = Packet::new(vec![0u8; len]);
        // Twice, so that nothing of the first operation is left in the second.
        for _ in 0..2 {
            packet.buffer_mut().fill(0);
            let (mut in_flight, view) = packet.start::<Read>();
            let mut views = vec![view];
            let mut model = Model { bytes: vec![None; len], empty_failed: false };
            for step in &steps {
                if views.is_empty() {
                    break;
                }
                apply(step, &mut views, &mut model);
                prop_assert_eq!(in_flight.is_ended(), views.is_empty());
                if let (Step::Poll, false) = (step, views.is_empty()) {
                    let mut cx = Context::from_waker(Waker::noop());
                    prop_assert!(Pin::new(&mut in_flight).poll(&mut cx).is_pending());
                }
            }
            for mut view in views.drain(..) {
                view.bytes_mut().fill(0xd0);
                view.done();
            }
            prop_assert!(in_flight.is_ended(), "every view has ended");
            let ended = mfio::poller::block_on(in_flight);

            let outcome = &ended.outcome;
            let mut seen = vec![None; len];
            let mut empty = 0;
            let mut before = None;
            for range in outcome.failures() {
                if let Some((end, cause)) = before {
                    prop_assert!(range.offset >= end, "sorted, not overlapping");
                    let apart = range.offset > end || range.cause != cause;
                    prop_assert!(apart, "neighbours are merged");
                }
                before = Some((range.offset + range.len, range.cause));
                seen[range.offset..range.offset + range.len].fill(Some(range.cause));
                empty += usize::from(range.len == 0);
            }
            prop_assert_eq!(&seen, &model.bytes);
            let first_byte = model.bytes.iter().position(Option::is_some);
            // An empty view says nothing about bytes, unless there are none.
            let first_empty = (len == 0 && model.empty_failed).then_some(0);
            prop_assert_eq!(empty, usize::from(first_byte.is_none() && first_empty.is_some()));
            prop_assert_eq!(outcome.is_success(), first_byte.or(first_empty).is_none());
            prop_assert_eq!(outcome.good_prefix(), first_byte.or(first_empty).unwrap_or(len));
            for (byte, cause) in ended.packet.buffer().iter().zip(&model.bytes) {
                prop_assert_eq!(*byte, if cause.is_none() { 0xd0 } else { 0 });
            }
            packet = ended.packet;
        }
    }
}
