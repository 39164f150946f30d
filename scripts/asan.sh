#!/usr/bin/env bash
# The tests under AddressSanitizer: use after free, double free, out of bounds, use after return,
# leaks.
# usage: asan.sh [ARGUMENT OF cargo test...]     default: the unit and integration tests of mfio,
#                                                mfio-layers and mfio-rt
#
# It does not see what the kernel writes into a buffer; the tests of the in-flight table are for
# that.
. "$(dirname "$0")/lib.sh"
host=$(rustc -vV | sed -n 's/^host: //p')
runtime=$(rustc --print sysroot)/lib/rustlib/$host/lib
compgen -G "$runtime/librustc*_rt.asan.a" >/dev/null ||
    die "rustc at $(rustc --print sysroot) ships no AddressSanitizer runtime" \
        "(librustc*_rt.asan.a): use rustup's toolchain"
need cc "AddressSanitizer's runtime is linked by it (gcc or clang)"

# Sanitizers are unstable options of the stable compiler. `--target` keeps them out of build scripts
# and macros.
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes ${RUSTFLAGS:-}"
# Tests that ask for more memory than there is want a null pointer, as without the sanitizer.
asan=detect_stack_use_after_return=1:detect_leaks=1:allocator_may_return_null=1
export ASAN_OPTIONS=$asan:${ASAN_OPTIONS:-}
# What is leaked on purpose: see the test of that name.
supp=$root/scripts/lsan.supp
export LSAN_OPTIONS=suppressions=$supp:print_suppressions=0:${LSAN_OPTIONS:-}
# Tests that panic on purpose would have their backtraces put into words, which takes ten seconds
# for each binary.
export RUST_BACKTRACE=0
export CARGO_TARGET_DIR=$target_base/asan
[ $# -gt 0 ] || set -- -p mfio -p mfio-layers -p mfio-rt --all-features --lib --tests

exec cargo test --target "$host" --locked "$@"
