#!/usr/bin/env bash
# Instructions per operation of the cells without system calls, counted by callgrind.
#
#   ./instructions.sh            count, for ours and for mfio 0.1
#   ./instructions.sh --check    count ours, and fail where it is more than 5 % off instructions.txt
#   ./instructions.sh --update   count ours, and write instructions.txt
#   ./instructions.sh --profile packet/16    where ours spends them, by function, file and line
#
# Each cell runs at two iteration counts; the difference of the counts is divided by the difference
# of the iterations, so that startup cancels out. User space only: what mfio 0.1 spends in the
# kernel (a futex call at every wake) is not in its figures.
set -euo pipefail
cd "$(dirname "$0")"

CELLS="packet/1 packet/16 packet/256 u64 block ready selfwake"
BUDGET=instructions.txt
BIN=${CARGO_TARGET_DIR:-target}/release/c-micro
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT

# The command line of a cell: "packet/16" is --workload w9 --op packet --qd 16.
arguments() {
    case $1 in
        ready | selfwake) echo "--workload w6 --op $1" ;;
        */*) echo "--workload w9 --op ${1%/*} --qd ${1#*/}" ;;
        *) echo "--workload w9 --op $1" ;;
    esac
}

# count VARIANT CELL N: prints "instructions operations" of one run.
count() {
    # shellcheck disable=SC2046
    valgrind --tool=callgrind --callgrind-out-file="$SCRATCH/out" --log-file="$SCRATCH/log" \
        "$BIN" --variant "$1" $(arguments "$2") --n "$3" >"$SCRATCH/json"
    local executed
    executed=$(sed -n 's/.*"executed":\([0-9]*\).*/\1/p' "$SCRATCH/json")
    [ -n "$executed" ] || return 1
    echo "$(sed -n 's/^summary: //p; s/^totals: //p' "$SCRATCH/out" | tail -1) $executed"
}

# per_op VARIANT CELL: instructions per operation, one decimal; "-" where there is no such cell.
per_op() {
    local few many
    few=$(count "$1" "$2" 25600) || { echo -; return; }
    many=$(count "$1" "$2" 76800) || { echo -; return; }
    echo "$few $many" | awk '{ printf "%.1f\n", ($3 - $1) / ($4 - $2) }'
}

print_all() {
    printf '| cell | ours | mfio 0.1 | ratio |\n|---|---:|---:|---:|\n'
    for cell in $CELLS; do
        echo "$cell $(per_op ours "$cell") $(per_op mfio01 "$cell")" |
            awk '{ r = ($2 == "-" || $3 == "-") ? "-" : sprintf("%.2f", $2 / $3)
                   printf "| %s | %s | %s | %s |\n", $1, $2, $3, r }'
    done
}

update() {
    {
        echo "# Instructions per operation; written by ./instructions.sh --update, checked by --check."
        echo "# $(rustc --version | cut -d' ' -f1,2), $(uname -m)"
        for cell in $CELLS; do echo "$cell $(per_op ours "$cell")"; done
    } >"$SCRATCH/budget"
    mv "$SCRATCH/budget" "$BUDGET"
    cat "$BUDGET"
}

check() {
    [ -f "$BUDGET" ] || { echo "instructions.sh: $BUDGET is missing; write it with --update" >&2; exit 1; }
    local failed=0 cell budget now
    for cell in $CELLS; do
        budget=$(awk -v c="$cell" '$1 == c { print $2 }' "$BUDGET")
        now=$(per_op ours "$cell")
        if ! echo "$now ${budget:--}" |
            awk '$1 == "-" || $2 == "-" { exit 1 } { d = $1 / $2 - 1; exit !(d <= 0.05 && d >= -0.05) }'; then
            echo "FAIL $cell: $now instructions, the budget is ${budget:-missing}"
            failed=1
        else
            echo "ok   $cell: $now instructions, the budget is $budget"
        fi
    done
    [ $failed = 0 ] || echo "More than 5 % off. If the change is meant: ./instructions.sh --update" >&2
    return $failed
}

profile() {
    local executed
    executed=$(count ours "$1" 256000 | cut -d' ' -f2)
    ./callgrind.py "$SCRATCH/out" "$executed"
}

for tool in valgrind cargo python3; do
    command -v $tool >/dev/null || { echo "instructions.sh: $tool is not installed" >&2; exit 1; }
done
cargo build --release --quiet -p c-micro
case ${1:-} in
    "") print_all ;;
    --check) check ;;
    --update) update ;;
    --profile) profile "${2:?which cell}" ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
