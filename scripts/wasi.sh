#!/usr/bin/env bash
# WASI (wasm32-wasip1), std built from source.
# usage: wasi.sh [check [ARGUMENT OF cargo check...]]     compiles the core, without warnings
#        wasi.sh test [ARGUMENT OF cargo test...]         links with lld and runs under Node
. "$(dirname "$0")/lib.sh"
command=${1:-check}
[ $# -eq 0 ] || shift

# Debian 12's wasi-libc lacks the functions of threads that std names: make them fail (58: ENOTSUP).
thread_stubs() {
    stubs=$target_base/wasi-threads.o
    [ -f "$stubs" ] && return
    local scratch
    scratch=$(mktemp -d)
    cat >"$scratch/stubs.rs" <<'RS'
#![feature(no_core, lang_items)] #![no_core] #![allow(internal_features)]
#[lang = "pointee_sized"] pub trait PointeeSized {}
#[lang = "meta_sized"] pub trait MetaSized: PointeeSized {}
#[lang = "sized"] pub trait Sized: MetaSized {}
#[lang = "copy"] pub trait Copy {}
impl Copy for i32 {}
#[no_mangle] pub extern "C" fn pthread_join(_t: i32, _r: i32) -> i32 { 58 }
#[no_mangle] pub extern "C" fn pthread_detach(_t: i32) -> i32 { 58 }
#[no_mangle] pub extern "C" fn pthread_attr_init(_a: i32) -> i32 { 58 }
#[no_mangle] pub extern "C" fn pthread_attr_destroy(_a: i32) -> i32 { 58 }
#[no_mangle] pub extern "C" fn pthread_attr_setstacksize(_a: i32, _n: i32) -> i32 { 58 }
#[no_mangle] pub extern "C" fn pthread_create(_t: i32, _a: i32, _f: i32, _x: i32) -> i32 { 58 }
RS
    mkdir -p "$target_base"
    rustc --crate-type lib --emit=obj -O -Cpanic=abort --target wasm32-wasip1 "$scratch/stubs.rs" \
        -o "$stubs"
    rm -r "$scratch"
}

case $command in
check)
    use_debian_rust
    [ $# -gt 0 ] || set -- -p mfio
    cargo check "${deny_warnings[@]}" -Zbuild-std=std,panic_abort --target wasm32-wasip1 "$@"
    ;;
test)
    use_debian_rust wasi-libc lld-19
    command -v node >/dev/null || need_debian nodejs
    need python3 "apt-get install python3"
    thread_stubs
    library=/usr/lib/wasm32-wasi
    export CARGO_TARGET_WASM32_WASIP1_LINKER=/usr/bin/wasm-ld-19
    CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-Clink-self-contained=no -Lnative=$library"
    CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS+=" -Clink-arg=$library/crt1-command.o -Clink-arg=$stubs"
    export CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS
    # The files whose tests need neither threads nor caught panics, but for those of platforms.toml.
    [ $# -gt 0 ] || set -- -p mfio --lib --test fd_files --test packet_traits --test packet_batch \
        --test flow --test ranges --test copies
    python3 scripts/platform.py wasi "node --no-warnings $root/scripts/wasi.mjs" -- \
        cargo test -Zbuild-std=std,panic_abort,test --target wasm32-wasip1 "$@"
    ;;
*) die "unknown command '$command'; there are check and test" ;;
esac
echo "wasi: $command ok"
