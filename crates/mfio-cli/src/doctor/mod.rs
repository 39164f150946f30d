//! `mfio doctor`: what works here, what would be chosen, and why nothing better.
//!
//! | module | what |
//! |---|---|
//! | `diagnosis` | trying every driver for real |
//! | `ring` | what the kernel's io_uring can do |
//! | `hints` | what to do about it |
//! | `text` | the page for people |

mod diagnosis;
mod hints;
mod ring;
mod text;

use crate::args::DoctorArgs;
use crate::failure::{Failure, Result};
use crate::{drivers, output};

use self::diagnosis::Diagnosis;

/// Prints the page, and fails if no runtime can be had or the driver that is required is refused.
pub(crate) fn run(args: &DoctorArgs) -> Result<()> {
    let diagnosis = Diagnosis::make();
    if args.json {
        let hints = hints::all(&diagnosis);
        output::print(&format!("{}\n", diagnosis.to_json(hints)))?;
    } else {
        output::print(&text::page(&diagnosis))?;
    }
    judge(args, &diagnosis)
}

fn judge(args: &DoctorArgs, diagnosis: &Diagnosis) -> Result<()> {
    if let Some(kind) = args.require
        && let Err(error) = diagnosis.trial(kind)
    {
        let reasons: Vec<_> = error.rejected().map(|(_, why)| why.to_string()).collect();
        let why = format!("{kind} is required, and is refused: {}", reasons.join("; "));
        let help = match hints::all(diagnosis) {
            hints if hints.is_empty() => "run without --require to accept a fallback".to_owned(),
            hints => hints.join("; "),
        };
        return Err(Failure::new(why).help(help));
    }
    match &diagnosis.chosen {
        Err(error) => Err(drivers::no_runtime(error)),
        Ok(chosen) => match &chosen.check {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::new(format!(
                "a runtime can be built, but does not work: {error}"
            ))),
        },
    }
}
