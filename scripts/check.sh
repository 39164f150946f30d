#!/usr/bin/env bash
# Checks the source before anything runs: format, scripts, house rules, lints, documentation, the
# README's examples, Rust version.
# usage: check.sh [fmt|shell|house|clippy|docs|readme|msrv]...      (default: all)
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

# Length of lines, functions and files, circles between files, wording: see `house.py --list`.
house() {
    need python3 "apt-get install python3"
    python3 scripts/test_house.py
    python3 scripts/house.py --check
    echo "house: ok"
}

clippy() {
    # Each feature set that changes what is compiled, warnings denied.
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
    cargo clippy -p mfio --all-targets --locked -- -D warnings
    cargo clippy -p mfio --lib --no-default-features --locked -- -D warnings
    cargo clippy -p mfio-layers --lib --no-default-features --locked -- -D warnings
    # The code that only loom compiles.
    RUSTFLAGS="--cfg mfio_loom" \
        cargo clippy -p mfio --lib --tests --all-features --locked -- -D warnings
    echo "clippy: ok"
}

docs() {
    RUSTDOCFLAGS="-D warnings" \
        cargo doc --workspace --all-features --no-deps --document-private-items --locked
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --locked
    # `cargo doc --open` opens the page that is named here.
    local shown
    shown=$(cargo doc --no-deps --locked 2>&1 | tee >(cat >&2) | grep Generated)
    case $shown in
    */doc/mfio/index.html*) ;;
    *) die "plain 'cargo doc' does not open the page of the core: see default-members" ;;
    esac
    echo "docs: ok"
}

# Builds each Rust example of the README and of docs/layers.md as a newcomer does: in a crate of its
# own, with the dependency lines before it only. Crates of this repository are taken from here,
# other versions from Cargo.lock. An example that is not marked `no_run` runs, too.
readme() {
    local scratch=$target_base/readme example number=0
    rm -rf "$scratch/examples"
    mkdir -p "$scratch/examples"
    awk -v to="$scratch/examples" '
        /^```(toml|rust)/ { kind = substr($0, 4); text = ""; next }
        /^```$/ && kind == "toml" && text ~ /^\[dependencies\]/ { dependencies = text }
        /^```$/ && kind ~ /^rust/ {
            name = sprintf("%s/%d%s", to, ++examples, kind ~ /no_run/ ? "-build" : "-run")
            printf "%s", dependencies > (name ".toml")
            printf "%s", text > (name ".rs")
        }
        /^```$/ { kind = "" }
        kind { text = text $0 "\n" }
    ' README.md docs/layers.md
    for example in "$scratch"/examples/*.rs; do
        number=$((number + 1))
        local crate=$scratch/examples/$number
        mkdir -p "$crate/src"
        mv "$example" "$crate/src/main.rs"
        {
            printf '[package]\nname = "readme-%s"\nedition = "2024"\n\n[workspace]\n\n' "$number"
            cat "${example%.rs}.toml"
            printf '\n[patch.crates-io]\n'
            sed -n "s|^\(mfio[a-z-]*\) *=.*|\1 = { path = \"$root/crates/\1\" }|p" \
                "${example%.rs}.toml"
        } >"$crate/Cargo.toml"
        cp Cargo.lock "$crate/Cargo.lock"
        CARGO_TARGET_DIR=$scratch/target cargo build --manifest-path "$crate/Cargo.toml"
        case $example in
        *-run.rs)
            timeout 60 "$scratch/target/debug/readme-$number" ||
                die "example $number of the README failed"
            ;;
        esac
    done
    [ $number -gt 1 ] || die "the README or docs/layers.md has no Rust example"
    echo "readme: ok, $number examples"
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
    toolchain=$(rustup toolchain list |
        sed -n "s/^\($promised\(\.[0-9]*\)\?-[^ ]*\).*/\1/p" | head -n 1)
    [ -n "$toolchain" ] ||
        die "toolchain $promised is missing (rust-version): rustup toolchain install $promised"
    CARGO_TARGET_DIR=$target_base/msrv \
        cargo "+$toolchain" check --workspace --all-targets --all-features --locked
    echo "rust-version: ok, checked with $toolchain"
}

[ $# -gt 0 ] || set -- fmt shell house clippy docs readme msrv
for step in "$@"; do
    case $step in
    fmt | shell | house | clippy | docs | readme | msrv) "$step" ;;
    *) die "unknown step '$step'; there are fmt, shell, house, clippy, docs, readme and msrv" ;;
    esac
done
