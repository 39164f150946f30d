#!/usr/bin/env bash
# The native runtime where io_uring is forbidden (a seccomp filter answers EPERM, as container runtimes do): everything
# passes on the fallback, tests that force io_uring skip themselves and say so, and `mfio doctor` says why.
. "$(dirname "$0")/lib.sh"

log=$target_base/seccomp
mkdir -p "$log"
cargo build -p no-uring --locked
cargo build -p mfio-cli --locked
cargo test -p mfio-rt --all-features --locked --no-run
bin=$(cargo metadata --format-version 1 --no-deps --locked | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')/debug

# Without capture, so that what skips itself is seen here.
"$bin/no-uring" cargo test -p mfio-rt --all-features --locked -- --nocapture 2>&1 | tee "$log/tests.log"

echo "skipped without io_uring:"
grep -oE '^.*\bskipped: .*$' "$log/tests.log" | sed 's/.*skipped: /  /' | sort | uniq -c
skipped=$(grep -cE '\bskipped: ' "$log/tests.log" || true)
[ "$skipped" -gt 0 ] || die "no test said that it was skipped: do the tests that force io_uring run, or is it not forbidden?"

"$bin/no-uring" "$bin/mfio" doctor | tee "$log/doctor.log"
grep -qi 'io_uring.*\(EPERM\|not permitted\)' "$log/doctor.log" || die "doctor does not say that io_uring is not permitted"
echo "seccomp: ok, $skipped skipped"
