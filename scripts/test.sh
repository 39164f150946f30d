#!/usr/bin/env bash
# The README's test command: every unit test, integration test and doctest that this machine can
# run.
# usage: test.sh [ARGUMENT OF cargo test...]
. "$(dirname "$0")/lib.sh"
exec cargo test --workspace --all-features --no-fail-fast "$@"
