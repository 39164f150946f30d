use super::super::ring::Completion;
use super::Queue;
use crate::native::metadata::{Close, Fsync, MetadataOp, MetadataRequest, Open};
use crate::native::object::Object;
use crate::native::op::{Op, Transfer};
use mfio::io::Write;
use mfio::packet::Packet;
use std::io::PipeReader;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

fn open() -> Op {
    Op::Metadata(MetadataRequest::new(Open::root()).0)
}

#[test]
fn operations_cancelled_before_submission_leave_nothing_behind() {
    let mut queue = Queue::new(16, 0);
    let mut kept: Vec<_> = (0..3).map(|_| queue.submit(open()).unwrap().key).collect();
    for n in 0..10_000 {
        kept.push(queue.submit(open()).unwrap().key);
        assert!(queue.cancel(kept.remove(n % 4)).is_some());
        assert!(queue.pending.len() <= 8, "{} keys", queue.pending.len());
    }
    assert_eq!(queue.close().len(), 3);
}

#[test]
fn a_cancelled_operation_leaves_its_signal_to_the_next() {
    let mut queue = Queue::new(16, 8);
    let first = queue.submit(open()).unwrap();
    assert!(first.signal && !queue.submit(open()).unwrap().signal);
    let mut queue = Queue::new(16, 8);
    let first = queue.submit(open()).unwrap();
    assert!(queue.cancel(first.key).is_some());
    assert!(queue.submit(open()).unwrap().signal);
}

#[test]
fn a_ring_that_failed_says_why() {
    let mut queue = Queue::new(16, 8);
    queue.submit(open()).unwrap();
    assert_eq!(queue.fail(libc::EPERM, 0).len(), 1);
    let (_, cause) = queue.submit(open()).unwrap_err();
    assert_eq!(cause.unwrap().errno(), Some(libc::EPERM));
    assert!(queue.put_back(open()).is_err());
}

/// A queue that is shut down, whose ring has written 1 byte of 4 to a pipe; its reader.
fn partly_written() -> (Queue, Completion, PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let object = Arc::new(Object::new(OwnedFd::from(writer), None));
    let (in_flight, view) = Packet::new(*b"four").start::<Write>();
    drop(in_flight);
    let mut queue = Queue::new(4, 4);
    let write = Op::Write(Transfer::new(object, view, 0));
    let key = queue.submit(write).unwrap().key;
    assert!(queue.next(&mut Vec::new(), 0).is_some());
    assert_eq!(queue.close().len(), 0);
    let completion = Completion {
        user_data: key.get(),
        result: 1,
        more: false,
    };
    (queue, completion, reader)
}

/// The last handle is dropped while another thread drives, and has the write in its hands.
#[test]
fn a_partial_write_that_another_thread_puts_back_has_not_ended() {
    let (mut queue, completion, _reader) = partly_written();
    let mut done = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| queue.take(completion, &mut done));
    });
    assert_eq!(queue.unfinished(false), 1);
    let rest = done.pop().and_then(|(op, _)| op.complete(Ok(1)));
    assert!(queue.put_back(rest.expect("3 bytes are left")).is_ok());
}

/// Its waker drops the last handle: the shutdown cannot wait for the thread that it is on.
#[test]
fn a_partial_write_that_this_thread_puts_back_is_not_waited_for() {
    let (mut queue, completion, _reader) = partly_written();
    queue.take(completion, &mut Vec::new());
    assert_eq!(queue.unfinished(false), 0);
}

/// Returns the result of an operation that the kernel ends with an error, after `exits` of
/// submitting threads; `None` if it is tried again.
fn ended<O: MetadataOp>(op: O, errno: i32, exits: u32) -> Option<Result<O::Answer, Option<i32>>> {
    let (request, slot) = MetadataRequest::new(op);
    let mut queue = Queue::new(4, 4);
    let key = queue.submit(Op::Metadata(request)).unwrap().key;
    assert!(queue.next(&mut Vec::new(), 0).is_some());
    queue.exits += exits;
    let completion = Completion {
        user_data: key.get(),
        result: -errno,
        more: false,
    };
    let mut done = Vec::new();
    queue.take(completion, &mut done);
    let (op, result) = done.pop().unwrap();
    let rest = op.interrupted(-result);
    let answer = match slot.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer.map_err(|cause| cause.errno())),
        Poll::Pending => None,
    };
    assert_eq!(rest.is_some(), answer.is_none());
    answer
}

/// File systems in user space report what they like. The kernel reports an error of a sync once,
/// so that a second one succeeds; a second close hits another file of that number.
#[test]
fn an_error_of_the_file_system_is_not_taken_for_a_cancel() {
    let file = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let sync = || Fsync {
        object: Arc::new(Object::new(file(), None)),
        data_only: false,
    };
    for errno in [libc::ECANCELED, libc::EFAULT] {
        assert_eq!(ended(sync(), errno, 0), Some(Err(Some(errno))));
        assert_eq!(ended(sync(), errno, 1), None);
        let told = ended(Open::root(), errno, 0).expect("it has ended");
        assert_eq!(told.unwrap_err(), Some(errno));
    }
    let closed = file();
    let number = closed.as_raw_fd();
    assert_eq!(
        ended(Close::new(closed), libc::ECANCELED, 0),
        Some(Err(Some(libc::ECANCELED)))
    );
    // The test stands for the kernel, and has not closed it.
    assert!(std::path::Path::new(&format!("/dev/fd/{number}")).exists());
    assert_eq!(ended(Close::new(file()), libc::ECANCELED, 1), None);
}

/// Three are on the ring, of which the kernel has taken one; two more wait for room in the table.
#[test]
fn a_failed_ring_keeps_the_operations_that_the_kernel_has_only() {
    let mut queue = Queue::new(4, 3);
    let keys: Vec<_> = (0..4).map(|_| queue.submit(open()).unwrap().key).collect();
    for _ in 0..2 {
        let (op, why) = queue.submit(open()).unwrap_err();
        assert!(why.is_none());
        let _ = queue.wait_for_room(op);
    }
    for pushed in [7, 8, 10] {
        assert!(queue.next(&mut Vec::new(), pushed).is_some());
    }
    assert_eq!(queue.fail(libc::EPERM, 8).len(), 5);
    assert_eq!((queue.table.len(), queue.on_ring), (1, 1));
    assert!(queue.table.get_mut(keys[0]).is_some());
}
