//! The command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use mfio_rt::native::DriverKind;

/// Completion I/O that you await from any executor, or from none: what this machine can do, and how
/// fast it is.
#[derive(Debug, Parser)]
#[command(name = "mfio", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say which drivers work here, which one would be chosen, why no better one, and what to do
    ///
    /// The exit code is 0 if a runtime can be had, and with --require if that very driver can.
    Doctor(DoctorArgs),
    /// Read random blocks of a file through std, tokio and mfio, side by side
    ///
    /// All of mfio's columns read one and the same file object, opened once. Every read is
    /// verified, in the same way for everybody. Run it optimised: `cargo run --release -- bench`.
    Bench(BenchArgs),
}

#[derive(Debug, Parser)]
pub(crate) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Fail unless this driver works
    #[arg(long, value_name = "DRIVER", value_parser = driver())]
    pub(crate) require: Option<DriverKind>,
}

#[derive(Debug, Parser)]
pub(crate) struct BenchArgs {
    /// The file (or block device) to read; without it one is made, and removed again
    pub(crate) file: Option<PathBuf>,
    /// Directory in which to make the file [default: the directory for temporary files]
    #[arg(long, conflicts_with = "file")]
    pub(crate) dir: Option<PathBuf>,
    /// How much to make, at most 256M, or to read of FILE [default: 256M; 64M with --quick]
    #[arg(long, value_parser = size)]
    pub(crate) size: Option<u64>,
    /// Bytes per read: a multiple of 512, at most 1M
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "4K")]
    pub(crate) block_size: u64,
    /// How many reads are in flight at once; several, separated by commas
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,8,32,128",
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) depths: Vec<u32>,
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// How long each measurement takes [default: 0.5; with --quick as long as time allows]
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) seconds: Option<f64>,
    /// Use this driver, and fail where it is refused
    #[arg(long, value_name = "DRIVER", value_parser = driver())]
    pub(crate) driver: Option<DriverKind>,
    /// Write machine, drivers and all samples there as JSON; `-` for standard output, instead of
    /// the table
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Be done within 20 seconds
    #[arg(long, conflicts_with = "seconds")]
    pub(crate) quick: bool,
    /// No progress on standard error
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

fn driver() -> impl TypedValueParser<Value = DriverKind> {
    PossibleValuesParser::new(DriverKind::ALL.iter().map(|kind| kind.name())).try_map(|name| {
        let kind = DriverKind::ALL.iter().find(|kind| kind.name() == name);
        kind.copied().ok_or("no such driver")
    })
}

/// `4096`, `4K`, `4KiB`, `256M`, `1GiB`.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().trim_end_matches("ib") {
        "" | "b" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err("expected a number of bytes, such as 4096, 4K or 256M".into()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "expected a number of bytes, such as 4096, 4K or 256M")?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "that is more bytes than there can be".into())
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.001..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected a number of seconds from 0.001 to 600".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, seconds, size};
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("512"), Ok(512));
        assert_eq!(size("4k"), Ok(4096));
        assert_eq!(size("4KiB"), Ok(4096));
        assert_eq!(size("256M"), Ok(256 << 20));
        for bad in [
            "",
            "K",
            "4X",
            "-1",
            "1.5M",
            "99999999999999999999",
            "99999999T",
        ] {
            assert!(size(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn seconds_are_bounded() {
        assert_eq!(seconds("0.5"), Ok(0.5));
        for bad in ["", "0", "-1", "nan", "inf", "601"] {
            assert!(seconds(bad).is_err(), "{bad:?}");
        }
    }
}
