#!/usr/bin/env bash
# What must be true of the source before anything runs: format, lints, the scripts, documentation, Rust version.
# usage: check.sh [fmt|shell|clippy|docs|msrv]...      (default: all)
. "$(dirname "$0")/lib.sh"

fmt() {
    cargo fmt --all -- --check
    echo "format: ok"
}

shell() {
    command -v shellcheck >/dev/null || need_debian shellcheck
    shellcheck --severity=warning --external-sources --source-path=SCRIPTDIR scripts/*.sh .ci/run
    echo "shell: ok"
}

clippy() {
    # Each feature set that changes what is compiled, warnings denied.
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
    cargo clippy -p mfio --all-targets --locked -- -D warnings
    cargo clippy -p mfio --lib --no-default-features --locked -- -D warnings
    cargo clippy -p mfio-layers --lib --no-default-features --locked -- -D warnings
    # The code that only loom compiles.
    RUSTFLAGS="--cfg mfio_loom" cargo clippy -p mfio --lib --tests --all-features --locked -- -D warnings
    echo "clippy: ok"
}

docs() {
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --document-private-items --locked
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --locked
    echo "docs: ok"
}

# `rust-version` is a promise; keep it by building with exactly that compiler.
msrv() {
    local promised actual
    promised=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml)
    [ -n "$promised" ] || die "Cargo.toml states no rust-version"
    actual=$(rustc --version | sed 's/^rustc \([0-9]*\.[0-9]*\).*/\1/')
    if [ "$actual" = "$promised" ]; then
        echo "rust-version: ok, all checks run with $(rustc --version)"
        return
    fi
    need rustup "the compiler in use is $actual and the promise is $promised; rustup keeps both"
    local toolchain
    toolchain=$(rustup toolchain list | sed -n "s/^\($promised\(\.[0-9]*\)\?-[^ ]*\).*/\1/p" | head -n 1)
    [ -n "$toolchain" ] || die "toolchain $promised is missing (rust-version): rustup toolchain install $promised"
    CARGO_TARGET_DIR=$target_base/msrv cargo "+$toolchain" check --workspace --all-targets --all-features --locked
    echo "rust-version: ok, checked with $toolchain"
}

[ $# -gt 0 ] || set -- fmt shell clippy docs msrv
for step in "$@"; do
    case $step in
    fmt | shell | clippy | docs | msrv) "$step" ;;
    *) die "unknown step '$step'; there are fmt, shell, clippy, docs and msrv" ;;
    esac
done
