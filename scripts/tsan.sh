#!/usr/bin/env bash
# The tests under ThreadSanitizer, std included: data races that happen in them.
# usage: tsan.sh [ARGUMENT OF cargo test...]     default: the unit and integration tests of mfio and mfio-layers
#
# Without an instrumented std it would report races that are none, so std is built along, by Debian's Rust, which has its
# sources. That one has no sanitizer runtime; rustup's toolchain has.
. "$(dirname "$0")/lib.sh"
need rustc "install Rust by rustup"
target=x86_64-unknown-linux-gnu
[ "$(rustc -vV | sed -n 's/^host: //p')" = $target ] || die "only for $target"
runtime=$(rustc --print sysroot)/lib/rustlib/$target/lib
compgen -G "$runtime/librustc*_rt.tsan.a" >/dev/null ||
    die "rustc at $(rustc --print sysroot) ships no ThreadSanitizer runtime (librustc*_rt.tsan.a): use rustup's toolchain"
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
export TSAN_OPTIONS=allocator_may_return_null=1:suppressions=$root/scripts/tsan.supp:print_suppressions=0:${TSAN_OPTIONS:-}
export CARGO_TARGET_DIR=$target_base/tsan
[ $# -gt 0 ] || set -- -p mfio -p mfio-layers --all-features --lib --tests
exec cargo test -Zbuild-std --target $target --locked "$@"
