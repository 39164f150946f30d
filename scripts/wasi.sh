#!/usr/bin/env bash
# WASI (wasm32-wasip1), std built from source: what is meant to build there does.
# usage: wasi.sh [ARGUMENT OF cargo check...]
. "$(dirname "$0")/lib.sh"
use_debian_rust
[ $# -gt 0 ] || set -- -p mfio
cargo check "${deny_warnings[@]}" -Zbuild-std=std,panic_abort --target wasm32-wasip1 "$@"
echo "wasi: ok"
