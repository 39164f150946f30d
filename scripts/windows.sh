#!/usr/bin/env bash
# Windows (x86_64-pc-windows-gnu), std built from source.
# usage: windows.sh [check [ARGUMENT OF cargo check...]]     compiles the core, without warnings
#        windows.sh test [ARGUMENT OF cargo test...]         builds with mingw and runs under Wine
. "$(dirname "$0")/lib.sh"
command=${1:-check}
[ $# -eq 0 ] || shift

# Wine 8 lacks bcryptprimitives.dll, which Rust's std links for its hash seeds: make one.
wine_prefix() {
    export WINEPREFIX=${WINEPREFIX:-$target_base/wine} WINEDEBUG=-all
    mkdir -p "$(dirname "$WINEPREFIX")"
    if [ ! -f "$WINEPREFIX/system.reg" ]; then
        WINEDLLOVERRIDES="mscoree,mshtml=" wineboot -i </dev/null >/dev/null 2>&1 || true
        wineserver -w
    fi
    local dll=$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll scratch
    [ -f "$dll" ] && return
    scratch=$(mktemp -d)
    cat >"$scratch/random.c" <<'C'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG); /* RtlGenRandom, in advapi32 */
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE p, SIZE_T n) {
  while (n) {
    ULONG chunk = n > 0x10000 ? 0x10000 : (ULONG)n;
    if (!SystemFunction036(p, chunk)) return FALSE;
    p += chunk;
    n -= chunk;
  }
  return TRUE;
}
C
    x86_64-w64-mingw32-gcc -O2 -s -shared -o "$dll" "$scratch/random.c" -ladvapi32
    rm -r "$scratch"
}

# shellcheck disable=SC2054
build_std=(-Zbuild-std=std,panic_unwind,test --target x86_64-pc-windows-gnu)
case $command in
check)
    # std imports functions of Windows by name, for which even a check needs dlltool.
    use_debian_rust binutils-mingw-w64-x86-64
    [ $# -gt 0 ] || set -- -p mfio
    cargo check "${deny_warnings[@]}" "${build_std[@]}" "$@"
    ;;
test)
    use_debian_rust gcc-mingw-w64-x86-64-win32 wine64 wine
    need python3 "apt-get install python3"
    wine_prefix
    export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc
    [ $# -gt 0 ] || set -- -p mfio --lib --tests
    python3 scripts/platform.py windows wine -- cargo test "${build_std[@]}" "$@"
    ;;
*) die "unknown command '$command'; there are check and test" ;;
esac
echo "windows: $command ok"
