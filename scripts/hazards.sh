#!/usr/bin/env bash
# docs/hazards.md against the code: every test and mutation that it names exists, it names every
# mutation, and each of those finds its line.
. "$(dirname "$0")/lib.sh"
scripts/mutations.sh --check

lists=$target_base/hazards
mkdir -p "$lists"
scripts/test.sh --locked -- --list >"$lists/tests" 2>"$lists/log" || { tail -n 30 "$lists/log" >&2; die "the tests do not build"; }
scripts/loom.sh -- --list >"$lists/loom" 2>"$lists/log" || { tail -n 30 "$lists/log" >&2; die "the models do not build"; }
exec python3 scripts/hazards.py "$lists/tests" "$lists/loom"
