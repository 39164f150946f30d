//! Random sequences of calls, some of them given up half-way, against `std::io::Cursor`: through
//! every adapter, and through several handles to one cursor.

use crate::adapters::{Adapter, Cursor, give_up};
use crate::object::{Answer, Scripted};
use mfio::error::ErrorKind;
use proptest::prelude::*;
use std::io::{Cursor as Model, Seek, SeekFrom, Write};

#[derive(Clone, Debug)]
enum Call {
    Read(usize),
    Write(Vec<u8>),
    Seek(SeekFrom),
    Flush,
    Release,
}

#[derive(Clone, Debug)]
struct Step {
    call: Call,
    adapter: Adapter,
    handle: usize,
    give_up: bool,
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        2 => Just(Answer::Now),
        3 => Just(Answer::Late),
        1 => (1..20usize).prop_map(|n| Answer::Part(n, ErrorKind::WouldBlock)),
        1 => (1..20usize).prop_map(|n| Answer::PartNow(n, ErrorKind::WouldBlock)),
    ]
}

fn seek() -> impl Strategy<Value = SeekFrom> {
    prop_oneof![
        (0..80u64).prop_map(SeekFrom::Start),
        (-90..10i64).prop_map(SeekFrom::End),
        (-40..40i64).prop_map(SeekFrom::Current),
        Just(SeekFrom::Current(0)),
        Just(SeekFrom::Start(u64::MAX)),
        Just(SeekFrom::Current(i64::MAX)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let call = prop_oneof![
        6 => (0..40usize).prop_map(Call::Read),
        4 => prop::collection::vec(any::<u8>(), 0..30).prop_map(Call::Write),
        3 => seek().prop_map(Call::Seek),
        1 => Just(Call::Flush),
        2 => Just(Call::Release),
    ];
    let adapter = prop::sample::select(Adapter::ALL.to_vec());
    (call, adapter, 0..3usize, any::<bool>()).prop_map(|(call, adapter, handle, give_up)| Step {
        call,
        adapter,
        handle,
        give_up,
    })
}

/// Runs a call to its end, or polls it once and drops it.
fn perform<F: Future>(io: &Scripted, step: &Step, future: F) -> Option<F::Output> {
    if step.give_up {
        give_up(future)
    } else {
        Some(io.run(future))
    }
}

fn read(
    io: &Scripted,
    step: &Step,
    cursor: &mut Cursor<'_>,
    model: &mut Model<Vec<u8>>,
    want: usize,
) {
    let mut bytes = vec![0xee; want];
    let Some(read) = perform(io, step, step.adapter.read(cursor, &mut bytes)) else {
        assert!(bytes.iter().all(|&b| b == 0xee), "given up, and written to");
        return;
    };
    let n = read.expect("nothing fails here");
    let from = model.get_ref().len().min(model.position() as usize);
    let there = &model.get_ref()[from..];
    assert_eq!(bytes[..n], there[..n]);
    assert_eq!(n == 0, want == 0 || there.is_empty());
    model.set_position(model.position() + n as u64);
}

fn write(
    io: &Scripted,
    step: &Step,
    cursor: &mut Cursor<'_>,
    model: &mut Model<Vec<u8>>,
    bytes: &[u8],
) {
    // Nobody has memory for that.
    if model.position() > 1000 {
        return;
    }
    if let Some(written) = perform(io, step, step.adapter.write(cursor, bytes)) {
        let n = written.expect("nothing fails here");
        assert_eq!(n == 0, bytes.is_empty());
        if n != 0 {
            model.write_all(&bytes[..n]).unwrap();
        }
    }
}

fn seek_to(
    io: &Scripted,
    step: &Step,
    cursor: &mut Cursor<'_>,
    model: &mut Model<Vec<u8>>,
    to: SeekFrom,
) {
    let mut step = step.clone();
    // The next seek of tokio's would complete it first.
    step.give_up &= step.adapter != Adapter::Tokio;
    match perform(io, &step, step.adapter.seek(cursor, to)) {
        None => {}
        Some(Ok(pos)) => assert_eq!(pos, model.seek(to).expect("it was allowed")),
        Some(Err(error)) => {
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
            assert!(model.seek(to).is_err());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(700))]

    #[test]
    fn cursors_are_those_of_std(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        answers in prop::collection::vec(answer(), 0..40),
        steps in prop::collection::vec(step(), 0..40),
        limit in 1..32usize,
    ) {
        let io = Scripted::new(bytes.clone());
        let mut model = Model::new(bytes);
        let first = Cursor::with_capacity(&io, limit);
        let mut handles = [first.clone(), first.clone(), first];
        let mut answers = answers.into_iter();
        for step in &steps {
            let cursor = &mut handles[step.handle];
            let reads = matches!(step.call, Call::Read(_));
            // Whole writes only: a part that fails is an error, which is tested elsewhere.
            io.answer(answers.next().map(|answer| match answer {
                Answer::Part(..) if !reads => Answer::Late,
                Answer::PartNow(..) if !reads => Answer::Now,
                answer => answer,
            }).filter(|_| matches!(step.call, Call::Read(1..) | Call::Write(_))));
            match &step.call {
                Call::Read(want) => read(&io, step, cursor, &mut model, *want),
                Call::Write(bytes) => write(&io, step, cursor, &mut model, bytes),
                Call::Seek(to) => seek_to(&io, step, cursor, &mut model, *to),
                Call::Flush => {
                    if let Some(flushed) = perform(&io, step, step.adapter.flush(cursor)) {
                        flushed.unwrap();
                    }
                }
                Call::Release => drop(io.release()),
            }
            io.clear_answers();
            prop_assert_eq!(cursor.position(), model.position());
        }
        io.run(Adapter::Own.flush(&mut handles[0])).unwrap();
        prop_assert_eq!(&io.bytes(), model.get_ref());
    }
}
