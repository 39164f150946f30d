#!/usr/bin/env bash
# docs/hazards.md against the code: every test and mutation that it names exists, it names every
# mutation, and each of those finds its line.
. "$(dirname "$0")/lib.sh"
scripts/mutations.sh --check

lists=$target_base/hazards
mkdir -p "$lists"

# list WHAT COMMAND...: keeps the names of all tests that a command runs.
list() {
    "${@:2}" -- --list >"$lists/$1" 2>"$lists/log" || {
        tail -n 30 "$lists/log" >&2
        die "the $1 do not build"
    }
}
list tests scripts/test.sh --locked
list models scripts/loom.sh
exec python3 scripts/hazards.py "$lists/tests" "$lists/models"
