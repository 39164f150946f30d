//! Interleaved rounds: each measures everything once, in an order that turns from round to round.

use std::time::Instant;

use super::arena::Arena;
use super::measure::measure;
use super::plan::Plan;
use super::progress::Progress;
use super::reads::Sample;
use crate::failure::Result;

/// One sample for each event, in the order of the plan.
pub(super) type Round = Vec<Sample>;

/// How far the order turns each time.
const TURN: usize = 5;

/// Measures; `begun` is when the command started.
pub(super) fn run(
    arena: &Arena,
    plan: &Plan,
    begun: Instant,
    progress: &mut Progress,
) -> Result<Vec<Round>> {
    progress.line(&announcement(plan));
    let mut rounds: Vec<Round> = Vec::with_capacity(plan.rounds);
    for number in 0..plan.rounds {
        let start = Instant::now();
        rounds.push(round(arena, plan, number, progress)?);
        let took = start.elapsed();
        progress.line(&format!(
            "round {} of {} took {:.1} s",
            number + 1,
            plan.rounds,
            took.as_secs_f64()
        ));
        let late = plan.end.is_some_and(|end| begun.elapsed() + took > end);
        if late && number + 1 < plan.rounds {
            progress.line("this machine is slow: no time is left for further rounds");
            break;
        }
    }
    Ok(rounds)
}

fn announcement(plan: &Plan) -> String {
    let (events, rounds) = (plan.events.len(), plan.rounds);
    let seconds = plan.length.as_secs_f64();
    let total = (events * rounds) as f64 * seconds * 9.0 / 8.0;
    format!("{rounds} rounds of {events} measurements of {seconds:.2} s each: about {total:.0} s")
}

fn round(arena: &Arena, plan: &Plan, number: usize, progress: &mut Progress) -> Result<Round> {
    let count = plan.events.len();
    let mut samples: Vec<Option<Sample>> = vec![None; count];
    for i in 0..count {
        let turned = (i + number * TURN) % count;
        let event = plan.events[turned];
        progress.status(|| {
            let percent = (number * count + i) * 100 / (plan.rounds * count);
            let (name, depth) = (event.contestant.name(), event.depth);
            format!(
                "{percent:3} %  round {} of {}: {name}, depth {depth}",
                number + 1,
                plan.rounds
            )
        });
        let seed = ((number * count + turned) as u64) << 32;
        samples[turned] = Some(measure(arena, event, plan.length, seed)?);
    }
    Ok(samples.into_iter().flatten().collect())
}
