#!/usr/bin/env bash
# The loom models: every interleaving of two or three threads, up to a number of preemptions of each.
# usage: loom.sh [FILTER OR ARGUMENT OF cargo test...]
#
# LOOM_MAX_PREEMPTIONS bounds how often a running thread is interrupted (default 3; that finds nearly everything, and
# the states grow exponentially with it). A model that needs another bound states it itself.
. "$(dirname "$0")/lib.sh"
export LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-3}
export RUSTFLAGS="--cfg mfio_loom ${RUSTFLAGS:-}"
export CARGO_TARGET_DIR=$target_base/loom
echo "loom: at most $LOOM_MAX_PREEMPTIONS preemptions"
exec cargo test --release -p mfio --lib --locked loom "$@"
