#!/usr/bin/env bash
# The tests under ThreadSanitizer, std included: data races that happen in them.
# usage: tsan.sh [ARGUMENT OF cargo test...]     default: the unit tests of mfio and mfio-layers,
#                                                and those of their integration tests that have
#                                                threads, as there is no race without
#
# Without an instrumented std it would report races that are none, so std is built along, by
# Debian's Rust, which has its sources. That one has no sanitizer runtime; rustup's toolchain has.
. "$(dirname "$0")/lib.sh"
need rustc "install Rust by rustup"
target=x86_64-unknown-linux-gnu
[ "$(rustc -vV | sed -n 's/^host: //p')" = $target ] || die "only for $target"
runtime=$(rustc --print sysroot)/lib/rustlib/$target/lib
compgen -G "$runtime/librustc*_rt.tsan.a" >/dev/null ||
    die "rustc at $(rustc --print sysroot) ships no ThreadSanitizer runtime" \
        "(librustc*_rt.tsan.a): use rustup's toolchain"
use_debian_rust

# A sysroot of links that has both.
sysroot=$target_base/tsan-sysroot
libraries=$sysroot/lib/rustlib/$target/lib
mkdir -p "$libraries" "$sysroot/bin"
ln -sfn /usr/lib/rustlib/src "$sysroot/lib/rustlib/src"
ln -sf /usr/lib/rustlib/$target/lib/* "$runtime"/librustc*_rt.*.a "$libraries/"
printf '#!/bin/sh\nexec /usr/bin/rustc --sysroot %s "$@"\n' "$sysroot" >"$sysroot/bin/rustc"
chmod +x "$sysroot/bin/rustc"

export RUSTC=$sysroot/bin/rustc
export RUSTFLAGS="-Zsanitizer=thread ${RUSTFLAGS:-}"
# Tests that ask for more memory than there is want a null pointer, as without the sanitizer.
supp=$root/scripts/tsan.supp
tsan=allocator_may_return_null=1:suppressions=$supp:print_suppressions=0
export TSAN_OPTIONS=$tsan:${TSAN_OPTIONS:-}
# Tests that panic on purpose would have their backtraces put into words, which takes ten seconds
# for each binary.
export RUST_BACKTRACE=0
export CARGO_TARGET_DIR=$target_base/tsan
# Reports name functions and lines, and no more than that is built for them.
export CARGO_PROFILE_DEV_DEBUG=${CARGO_PROFILE_DEV_DEBUG:-line-tables-only}

# with_threads: the names of the integration tests in whose files something makes a thread.
with_threads() {
    local main sources
    for main in crates/{mfio,mfio-layers}/tests/{*.rs,*/main.rs}; do
        [ -f "$main" ] || continue
        sources=$main
        [ "${main##*/}" != main.rs ] || sources=${main%/main.rs}
        if grep -qrE 'thread::|spawn|ThreadClock|tokio::|smol::' "$sources"; then
            basename "${main%/main.rs}" .rs
        fi
    done | sort -u
}

if [ $# -eq 0 ]; then
    set -- -p mfio -p mfio-layers --all-features --lib
    for name in $(with_threads); do set -- "$@" --test "$name"; done
    # A million tasks show that nothing recurses, and take a minute here; other tests wake by the
    # same code from several threads.
    set -- "$@" -- --skip wakes_a_million_tasks
fi
exec cargo test -Zbuild-std --target $target --locked "$@"
