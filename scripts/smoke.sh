#!/usr/bin/env bash
# The command as a newcomer meets it: `doctor`, and `bench --quick`, which must end within 20 s once
# built; bad input is refused with a message; and the peers' workspace, which is outside the default
# build, still compiles.
. "$(dirname "$0")/lib.sh"

# A busy machine may take longer, not twice as long.
limit=40

cargo build --release
cargo run --release -- doctor

began=$SECONDS
cargo run --release -- bench --quick
took=$((SECONDS - began))
echo "bench --quick took $took s"
[ $took -le $limit ] || die "bench --quick took $took s; it is to end within 20 s"

refuses() {
    local message
    if message=$(cargo run -q --release -- "$@" 2>&1); then die "mfio $* succeeded"; fi
    [ -n "$message" ] || die "mfio $* failed without a word"
    case $message in *panicked*) die "mfio $* panicked: $message" ;; esac
    echo "mfio $*: $message" | head -n 2
}
refuses no-such-command
refuses bench --no-such-option
refuses bench /no/such/file

cargo check --manifest-path bench/Cargo.toml --workspace --all-targets --locked
echo "smoke: ok"
