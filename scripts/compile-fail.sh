#!/usr/bin/env bash
# The programs that must not compile (doctests marked `compile_fail`): each names the error that it
# must fail with, and fails with that one. The stable rustdoc ignores the code and would take any
# error, a misspelt name included; it checks it where unstable features are allowed. Their
# near-identical twins, which compile, are doctests too and run along.
# usage: compile-fail.sh [ARGUMENT OF cargo test...]
. "$(dirname "$0")/lib.sh"

# What the borrow checker says of lifetimes has no code at times; the program then says so in its
# first line.
unnamed=$(grep -rnE -A1 '```.*compile_fail' --include='*.rs' crates | awk '
    /```.*compile_fail/ { fence = /compile_fail,E[0-9][0-9][0-9][0-9]/ ? "" : $0; next }
    fence != "" && !/error without a code: ./ { print fence }
    { fence = "" }')
[ -z "$unnamed" ] || die "these do not name the error (compile_fail,E0277):"$'\n'"$unnamed"
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$target_base/compile-fail
exec cargo test --workspace --all-features --locked --doc "$@"
