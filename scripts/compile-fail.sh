#!/usr/bin/env bash
# The programs that must not compile (doctests marked `compile_fail`): each names the error that it must fail with, and
# fails with that one. The stable rustdoc ignores the code and would take any error, a misspelt name included; it checks
# it where unstable features are allowed. Their near-identical twins, which compile, are among the other doctests.
# usage: compile-fail.sh [ARGUMENT OF cargo test...]
. "$(dirname "$0")/lib.sh"

if unnamed=$(grep -rnE '```.*compile_fail' --include='*.rs' crates | grep -vE 'compile_fail,E[0-9]{4}'); then
    die "these do not name the error (compile_fail,E0277):"$'\n'"$unnamed"
fi
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$target_base/compile-fail
exec cargo test --workspace --all-features --locked --doc "$@" -- "compile fail"
