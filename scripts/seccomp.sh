#!/usr/bin/env bash
# The native runtime where io_uring is forbidden (a seccomp filter answers EPERM, as container
# runtimes do): everything passes on the fallback, tests that force io_uring skip themselves and say
# so, and `mfio doctor` says why.
# usage: seccomp.sh                                  all of that
#        seccomp.sh ARGUMENT OF cargo test...        these tests only, under the filter
. "$(dirname "$0")/lib.sh"

no_uring=$target_base/debug/no-uring
if [ $# -gt 0 ]; then
    cargo build --locked -q -p no-uring
    exec "$no_uring" cargo test --locked "$@"
fi

logs=$target_base/seccomp
mkdir -p "$logs"
cargo build --locked -p no-uring -p mfio-cli
cargo test --locked -p mfio-rt --all-features --no-run

# suite LOG [COMMAND...]: the runtime's tests under a command, without capture, so that what skips
# itself is seen.
suite() {
    local log=$1
    shift
    "$@" cargo test --locked -p mfio-rt --all-features -- --nocapture >"$log" 2>&1 || {
        cat "$log"
        die "the suite of mfio-rt fails under: ${*:-nothing}"
    }
    grep '^test result' "$log"
}

# skipped LOG: which tests said that they, or their part for one driver, were skipped.
skipped() {
    sed -n 's/^.*SKIPPED \([^:]*\): \([^:]*\): .*/\1 (\2)/p' "$1" | sort
}

echo "without the filter"
suite "$logs/with-uring.log"
echo "under the filter"
suite "$logs/without-uring.log" "$no_uring"

skipped "$logs/with-uring.log" >"$logs/before"
skipped "$logs/without-uring.log" >"$logs/after"
echo "skipped because of the filter:"
comm -13 "$logs/before" "$logs/after" | tee "$logs/because" | sed 's/^/    /'
echo "$(wc -l <"$logs/before") skipped without the filter, $(wc -l <"$logs/after") under it"
[ -s "$logs/because" ] ||
    die "no test was skipped because of the filter:" \
        "does none force io_uring, or is io_uring not to be had here anyway?"

"$no_uring" "$target_base/debug/mfio" doctor | tee "$logs/doctor"
grep -qi 'not permitted\|EPERM' "$logs/doctor" ||
    die "doctor does not say that io_uring is not permitted"
grep -qi 'seccomp' "$logs/doctor" || die "doctor does not say that a seccomp filter is in the way"
echo "seccomp: ok, $(wc -l <"$logs/because") skipped because of the filter"
