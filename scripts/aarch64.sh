#!/usr/bin/env bash
# Linux on aarch64, std built from source; the tests run under qemu-user, which has no io_uring.
# usage: aarch64.sh [check [ARGUMENT OF cargo check...]]     compiles core, layers and runtime
#        aarch64.sh test [ARGUMENT OF cargo test...]         runs the core's tests
. "$(dirname "$0")/lib.sh"
command=${1:-check}
[ $# -eq 0 ] || shift

use_debian_rust gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
# shellcheck disable=SC2054
build_std=(-Zbuild-std=std,panic_unwind,test --target aarch64-unknown-linux-gnu)
case $command in
check)
    [ $# -gt 0 ] || set -- -p mfio -p mfio-layers -p mfio-rt --all-features
    cargo check "${deny_warnings[@]}" "${build_std[@]}" "$@"
    ;;
test)
    need python3 "apt-get install python3"
    [ $# -gt 0 ] || set -- -p mfio --all-features --lib --tests
    python3 scripts/platform.py aarch64 "qemu-aarch64 -L /usr/aarch64-linux-gnu" -- \
        cargo test "${build_std[@]}" "$@"
    ;;
*) die "unknown command '$command'; there are check and test" ;;
esac
echo "aarch64: $command ok"
