//! Futures for the length of layers that calculate it from the lengths of the objects below.

use alloc::vec::Vec;
use core::future::Future;
use core::mem;
use core::num::NonZeroU64;
use core::pin::Pin;
use core::task::{Context, Poll};
use mfio::error::Result;

/// A future for the length of an [`Offset`](crate::Offset) or a [`Window`](crate::Window). `F` is
/// that of the object below.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct PartLen<F> {
    below: F,
    base: u64,
    most: u64,
}

impl<F> PartLen<F> {
    /// Resolves to the length from `base` on, up to `most`.
    pub(crate) const fn new(below: F, base: u64, most: u64) -> Self {
        Self { below, base, most }
    }
}

/// Returns the length of a part of up to `most` bytes from `base` on, of an object of `len` bytes.
pub(crate) fn part_len(len: u64, base: u64, most: u64) -> u64 {
    len.saturating_sub(base).min(most)
}

impl<F: Future<Output = Result<u64>> + Unpin> Future for PartLen<F> {
    type Output = Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        let Self { base, most, .. } = *self;
        let below = Pin::new(&mut self.below).poll(cx);
        below.map_ok(|len| part_len(len, base, most))
    }
}

/// A future for the length of a [`Mirror`](crate::Mirror). `F` is that of a replica.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct MirrorLen<F>(Joined<F>);

impl<F> MirrorLen<F> {
    pub(crate) fn new(replicas: impl Iterator<Item = F>) -> Self {
        Self(Joined::new(replicas))
    }
}

impl<F: Future<Output = Result<u64>> + Unpin> Future for MirrorLen<F> {
    type Output = Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        let longest = |one, other| match (one, other) {
            (Ok(one), Ok(other)) => Ok(u64::max(one, other)),
            (Err(_), Ok(len)) => Ok(len),
            (first, Err(_)) => first,
        };
        self.0.poll_reduce(cx, |_, answer| answer, longest)
    }
}

/// A future for the length of a [`Stripe`](crate::Stripe). `F` is that of a member.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct StripeLen<F> {
    members: Joined<F>,
    number: u64,
    unit: NonZeroU64,
}

impl<F> StripeLen<F> {
    pub(crate) fn new(members: impl ExactSizeIterator<Item = F>, unit: NonZeroU64) -> Self {
        Self {
            number: members.len() as u64,
            members: Joined::new(members),
            unit,
        }
    }
}

impl<F: Future<Output = Result<u64>> + Unpin> Future for StripeLen<F> {
    type Output = Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        let Self { number, unit, .. } = *self;
        let ends = |member: usize, answer: Result<u64>| {
            answer.map(|len| first_missing(member as u64, number, unit, len))
        };
        let nearest = |one, other| match (one, other) {
            (Ok(one), Ok(other)) => Ok(u64::min(one, other)),
            (Ok(_), failed) => failed,
            (first, _) => first,
        };
        self.members.poll_reduce(cx, ends, nearest)
    }
}

/// Returns the first byte of a stripe that a member of `len` bytes does not have.
pub(crate) fn first_missing(member: u64, members: u64, unit: NonZeroU64, len: u64) -> u64 {
    let (row, within) = (len / unit, len % unit);
    let number = row.checked_mul(members).and_then(|n| n.checked_add(member));
    let start = number.and_then(|number| number.checked_mul(unit.get()));
    // Beyond 64 bits: the member has all bytes that a request can reach.
    start.map_or(u64::MAX, |start| start.saturating_add(within))
}

/// The lengths of several objects, which are asked at the same time.
#[derive(Debug)]
struct Joined<F>(Vec<Answer<F>>);

#[derive(Debug)]
enum Answer<F> {
    Pending(F),
    Ready(Result<u64>),
}

impl<F> Joined<F> {
    fn new(futures: impl Iterator<Item = F>) -> Self {
        // The upper bound is the number of objects, or a little more: so it allocates once.
        let mut slots = Vec::with_capacity(futures.size_hint().1.unwrap_or(0));
        slots.extend(futures.map(Answer::Pending));
        Self(slots)
    }
}

impl<F: Future<Output = Result<u64>> + Unpin> Joined<F> {
    /// Resolves when all have answered, to the reduction of the answers in their order. Pending for
    /// ever after that.
    fn poll_reduce(
        &mut self,
        cx: &mut Context<'_>,
        map: impl Fn(usize, Result<u64>) -> Result<u64>,
        reduce: impl Fn(Result<u64>, Result<u64>) -> Result<u64>,
    ) -> Poll<Result<u64>> {
        let mut waits = false;
        for slot in &mut self.0 {
            if let Answer::Pending(future) = slot {
                match Pin::new(future).poll(cx) {
                    Poll::Ready(answer) => *slot = Answer::Ready(answer),
                    Poll::Pending => waits = true,
                }
            }
        }
        if waits {
            return Poll::Pending;
        }
        let answers = mem::take(&mut self.0).into_iter().enumerate();
        let ready = answers.filter_map(|(index, slot)| match slot {
            Answer::Ready(answer) => Some(map(index, answer)),
            Answer::Pending(_) => None,
        });
        ready.reduce(reduce).map_or(Poll::Pending, Poll::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::future::{Ready, ready};
    use core::task::Waker;
    use mfio::error::{Error, ErrorKind};

    fn now<T>(mut future: impl Future<Output = Result<T>> + Unpin) -> Poll<Result<T, ErrorKind>> {
        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop()));
        polled.map_err(|error| error.kind())
    }

    type Answer = Result<u64, ErrorKind>;

    fn questions<const N: usize>(answers: [Answer; N]) -> [Ready<Result<u64>>; N] {
        answers.map(|answer| ready(answer.map_err(|kind| Error::new(kind, "length"))))
    }

    const FAILED: Answer = Err(ErrorKind::Other);
    const REFUSED: Answer = Err(ErrorKind::NotSupported);

    #[test]
    fn a_mirror_needs_one_length_and_a_stripe_all() {
        let mirror = |answers| now(MirrorLen::new(questions::<3>(answers).into_iter()));
        assert_eq!(mirror([FAILED, Ok(3), REFUSED]), Poll::Ready(Ok(3)));
        assert_eq!(mirror([Ok(3), Ok(7), Ok(5)]), Poll::Ready(Ok(7)));
        assert_eq!(mirror([FAILED, REFUSED, REFUSED]), Poll::Ready(FAILED));

        let unit = NonZeroU64::MIN;
        let stripe = |answers| now(StripeLen::new(questions::<3>(answers).into_iter(), unit));
        assert_eq!(stripe([Ok(3), Ok(3), Ok(2)]), Poll::Ready(Ok(8)));
        assert_eq!(stripe([Ok(3), FAILED, REFUSED]), Poll::Ready(FAILED));
        assert_eq!(stripe([REFUSED, FAILED, Ok(2)]), Poll::Ready(REFUSED));
    }

    #[test]
    fn every_length_is_awaited_and_none_is_queried_twice() {
        struct Late(u32);
        impl Future for Late {
            type Output = Result<u64>;

            fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<u64>> {
                self.0 = self.0.checked_sub(1).expect("asked after the answer");
                match self.0 {
                    0 => Poll::Ready(Ok(9)),
                    _ => Poll::Pending,
                }
            }
        }
        let mut cx = Context::from_waker(Waker::noop());
        let mut mirror = MirrorLen::new([Late(1), Late(3), Late(2)].into_iter());
        for _ in 0..2 {
            assert!(Pin::new(&mut mirror).poll(&mut cx).is_pending());
        }
        assert!(matches!(
            Pin::new(&mut mirror).poll(&mut cx),
            Poll::Ready(Ok(9))
        ));
        assert!(Pin::new(&mut mirror).poll(&mut cx).is_pending());
    }

    #[test]
    fn a_part_ends_where_it_or_the_object_does() {
        let part = |len, base, most| now(PartLen::new(ready(Ok(len)), base, most));
        assert_eq!(part(10, 4, u64::MAX), Poll::Ready(Ok(6)));
        assert_eq!(part(10, 4, 5), Poll::Ready(Ok(5)));
        assert_eq!(part(10, 11, 5), Poll::Ready(Ok(0)));
    }

    #[test]
    fn the_first_missing_byte_beyond_the_address_space_is_its_end() {
        let unit = |unit| NonZeroU64::new(unit).unwrap();
        assert_eq!(first_missing(1, 3, unit(10), 25), 75);
        assert_eq!(first_missing(1, 3, unit(10), 20), 70);
        assert_eq!(first_missing(0, 1, unit(10), u64::MAX), u64::MAX);
        assert_eq!(first_missing(1, 2, unit(1), u64::MAX), u64::MAX);
        assert_eq!(first_missing(1, 2, unit(u64::MAX), u64::MAX), u64::MAX);
        assert_eq!(first_missing(1, 2, unit(u64::MAX), 5), u64::MAX);
        assert_eq!(first_missing(0, 2, unit(u64::MAX), 5), 5);
    }
}
