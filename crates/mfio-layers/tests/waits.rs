//! Real time and real threads: what waits for the clock goes on, whoever else arms it.

#[path = "common/objects.rs"]
mod objects;

use mfio::error::ErrorKind;
use mfio::io::{PacketIo, Read};
use mfio_layers::clock::ThreadClock;
use mfio_layers::{Fault, Limit, Limits, Rate, Retry, RetryPolicy, Rule};
use objects::{Bytes, send};
use std::sync::Arc;
use std::time::{Duration, Instant};

const THREADS: u64 = 4;
const ROUNDS: u64 = 200;

/// Sends from several threads at once, and waits for all ends.
fn hammer(io: Arc<impl PacketIo<Read> + Send + Sync + 'static>) {
    let over = Instant::now() + Duration::from_secs(60);
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let io = io.clone();
            std::thread::spawn(move || {
                let requests: Vec<_> = (0..ROUNDS)
                    .map(|_| send::<Read>(&*io, thread, [0; 1]))
                    .collect();
                for mut request in requests {
                    let ended = loop {
                        match request.try_end() {
                            Ok(ended) => break ended,
                            Err(not_yet) => request = not_yet,
                        }
                        assert!(Instant::now() < over, "it waits for ever");
                        std::thread::yield_now();
                    };
                    assert!(ended.outcome.is_success());
                    assert_eq!(ended.packet.buffer(), [7]);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
}

#[test]
fn pauses_end_among_threads() {
    // Pauses of different lengths, so that each may be due before what is armed.
    let micros = Duration::from_micros;
    let fault = Fault::new(Bytes::new([7; 8]), [Rule::fail(ErrorKind::Busy).every(2)]);
    let policy =
        RetryPolicy::new(u8::MAX).backoff(ThreadClock::new().unwrap(), micros(20), micros(900));
    hammer(Arc::new(Retry::<_>::new(fault, policy)));
}

#[test]
fn a_rate_holds_among_threads() {
    let limits = Limits {
        operation_rate: Some(Rate::per_second(20_000).burst(10)),
        operations: 3,
        ..Limits::default()
    };
    let clock = ThreadClock::new().unwrap();
    let io: Limit<_> = Limit::with_clock(Bytes::new([7; 8]), limits, clock);
    let (io, start) = (Arc::new(io), Instant::now());
    hammer(io.clone());
    assert!(
        start.elapsed() >= Duration::from_millis(39),
        "790 at 20,000 a second"
    );
    assert_eq!((io.in_flight(), io.waiting(), io.refused()), ((0, 0), 0, 0));
}
