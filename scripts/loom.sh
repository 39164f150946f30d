#!/usr/bin/env bash
# The loom models: every interleaving of two or three threads, up to a number of preemptions of
# each.
# usage: loom.sh [FILTER] [ARGUMENT OF cargo test...]       default filter: loom, which all models
#                                                           have in their path
#
# LOOM_MAX_PREEMPTIONS bounds how often a running thread is interrupted (default 3; that finds
# nearly everything, and the states grow exponentially with it). A model that needs another bound
# states it itself.
. "$(dirname "$0")/lib.sh"
export LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-3}
export RUSTFLAGS="--cfg mfio_loom ${RUSTFLAGS:-}"
export CARGO_TARGET_DIR=$target_base/loom
# The models are many small programs; linking them as a release is linked takes longer than it
# saves.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
export CARGO_PROFILE_RELEASE_DEBUG=0
echo "loom: at most $LOOM_MAX_PREEMPTIONS preemptions"
filter=loom
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
    filter=$1
    shift
fi
log=$CARGO_TARGET_DIR/log
mkdir -p "$CARGO_TARGET_DIR"
cargo test --release -p mfio --lib --locked "$filter" "$@" | tee "$log"
case " $* " in
*" --no-run "* | *" --list "*) ;;
*) grep -qE '^test result: ok\. [1-9]' "$log" || die "no model has '$filter' in its path" ;;
esac
