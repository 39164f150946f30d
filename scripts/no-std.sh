#!/usr/bin/env bash
# The core and the layers without std, on targets that have no std at all: whatever names it, in us
# or in a dependency, fails to build.
# usage: no-std.sh       TARGETS overrides the list.
. "$(dirname "$0")/lib.sh"
use_debian_rust
build_std=("${deny_warnings[@]}" "-Zbuild-std=core,alloc")
for target in ${TARGETS:-x86_64-unknown-none thumbv7em-none-eabihf}; do
    for features in "" bytes embedded-io-async stream; do
        cargo check "${build_std[@]}" --target "$target" -p mfio --lib \
            --no-default-features --features "$features"
        echo "no_std: ok on $target, features '$features'"
    done
    cargo check "${build_std[@]}" --target "$target" -p mfio-layers --lib --no-default-features
    echo "no_std: ok on $target, mfio-layers"
done
