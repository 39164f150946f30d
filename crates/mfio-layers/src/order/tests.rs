//! Compares an order with a list of all writes that have not ended.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Write(u64, u64),
    End(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..40u64, 0..12u64).prop_map(|(first, more)| Op::Write(first, first + more)),
        any::<usize>().prop_map(Op::End),
    ]
}

struct Write {
    number: Number,
    first: u64,
    last: u64,
    begun: bool,
}

/// Writes that have not ended, in the order in which they came.
#[derive(Default)]
struct Model(Vec<Write>);

impl Model {
    /// Whether a write must wait: an earlier one overlaps it.
    fn waits(&self, index: usize) -> bool {
        let Write { first, last, .. } = self.0[index];
        self.0[..index]
            .iter()
            .any(|w| w.first <= last && w.last >= first)
    }

    fn begin_ready(&mut self, order: &mut Order<Number>) {
        if !order.begin_starting() {
            return;
        }
        while let Some((number, queued)) = order.next() {
            assert_eq!(queued, Some(number));
            let write = self.0.iter_mut().find(|w| w.number == number).unwrap();
            assert!(!std::mem::replace(&mut write.begun, true), "it begins once");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_write_waits_for_exactly_those_that_came_before_and_overlap_it(
        ops in prop::collection::vec(op(), 1..150),
    ) {
        let (mut order, mut model) = (Order::new(), Model::default());
        for op in ops {
            match op {
                Op::Write(first, last) => {
                    let entry = order.enter(first, last);
                    let (number, begun) = match entry {
                        Entry::Begins(number) => (number, true),
                        Entry::Waits(number) => (number, false),
                        Entry::Refused => panic!("there is room"),
                    };
                    if !begun {
                        order.queue(number, number);
                    }
                    model.0.push(Write { number, first, last, begun });
                }
                Op::End(which) => {
                    let begun: Vec<_> = (0..model.0.len()).filter(|n| model.0[*n].begun).collect();
                    if begun.is_empty() {
                        continue;
                    }
                    let write = model.0.remove(begun[which % begun.len()]);
                    if order.finish(write.number) {
                        model.begin_ready(&mut order);
                    }
                }
            }
            for (index, write) in model.0.iter().enumerate() {
                prop_assert_eq!(write.begun, !model.waits(index));
            }
            let waiting = model.0.iter().filter(|write| !write.begun).count();
            prop_assert_eq!(order.waiting(), waiting);
            let mut neighbours = order.spans.iter().zip(order.spans.iter().skip(1));
            prop_assert!(neighbours.all(|(a, b)| a.last < b.first));
            prop_assert!(order.nodes.len() - order.free.len() == model.0.len());
        }
        while let Some(first) = model.0.first() {
            prop_assert!(first.begun);
            let first = model.0.remove(0);
            if order.finish(first.number) {
                model.begin_ready(&mut order);
            }
        }
        prop_assert!(order.spans.is_empty() && order.ready.is_empty());
    }
}

#[test]
fn the_memory_of_a_great_many_writes_is_given_back() {
    let mut order = Order::<()>::new();
    let all: Vec<_> = (0..=KEPT as u64).map(|at| order.enter(at, at)).collect();
    for entry in all {
        let Entry::Begins(number) = entry else {
            panic!("they do not overlap");
        };
        assert!(!order.finish(number));
    }
    assert_eq!((order.nodes.capacity(), order.spans.capacity()), (0, 0));
    assert_eq!(order.enter(0, u64::MAX), Entry::Begins(0));
}

#[test]
fn too_many_that_wait_are_refused() {
    let mut order = Order::new();
    let Entry::Begins(first) = order.enter(0, 9) else {
        panic!("it is alone");
    };
    for _ in 0..MAX_WAITING {
        let Entry::Waits(number) = order.enter(5, 5) else {
            panic!("there is room");
        };
        order.queue(number, ());
    }
    assert_eq!(order.enter(9, 9), Entry::Refused);
    assert!(order.finish(first));
    assert!(order.begin_starting());
    assert!(
        order.next().is_some() && order.next().is_none(),
        "one at a time"
    );
    assert!(matches!(order.enter(9, 9), Entry::Begins(_)));
}
