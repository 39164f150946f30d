#!/usr/bin/env bash
# Instructions per operation of the cells without system calls, counted by callgrind, and how many
# of them are atomic read-modify-writes.
#
#   ./instructions.sh            count, for ours and for mfio 0.1
#   ./instructions.sh --check    count ours, and fail where it is more than 3 % off instructions.txt
#   ./instructions.sh --update   count ours, and write instructions.txt
#   ./instructions.sh --profile packet/16    where ours spends them: atomics, functions, lines
#
# Each cell runs at two iteration counts; the difference of the counts is divided by the difference
# of the iterations, so that startup cancels out. User space only: what mfio 0.1 spends in the
# kernel (a futex call at every wake) is not in its figures.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")"

CELLS="packet/1 packet/16 packet/256 u64 block ready selfwake native/ready native/selfwake"
BUDGET=instructions.txt
RELEASE=${CARGO_TARGET_DIR:-target}/release
MACHINE=$(uname -m)
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT

# The command line of a cell: "packet/16" is --workload w9 --op packet --qd 16. The cells are those
# of objects in memory, except "native/...", which are those of the native runtime.
arguments() {
    case $1 in
        native/*) echo "--workload w6 --op ${1#*/}" ;;
        ready | selfwake) echo "--workload w6 --op $1" ;;
        */*) echo "--workload w9 --op ${1%/*} --qd ${1#*/}" ;;
        *) echo "--workload w9 --op $1" ;;
    esac
}

# contestant VARIANT CELL: the binary and its variant, ours or that of mfio 0.1.
contestant() {
    case $2:$1 in
        native/*:ours) echo "$RELEASE/c-ours packet" ;;
        native/*:mfio01) echo "$RELEASE/c-mfio default" ;;
        *) echo "$RELEASE/c-micro $1" ;;
    esac
}

# run VARIANT CELL N: leaves $SCRATCH/out, prints how many operations were executed.
run() {
    local args binary variant
    read -ra args <<<"$(arguments "$2")"
    read -r binary variant <<<"$(contestant "$1" "$2")"
    valgrind --tool=callgrind --dump-instr=yes --callgrind-out-file="$SCRATCH/out" \
        --log-file="$SCRATCH/log" "$binary" --variant "$variant" "${args[@]}" --n "$3" \
        >"$SCRATCH/json" || {
        cat "$SCRATCH/log" >&2
        return 1
    }
    grep -o '"executed":[0-9]*' "$SCRATCH/json" | cut -d: -f2
}

# per_op VARIANT CELL: instructions and locked instructions per operation.
per_op() {
    local few few_cost many many_cost binary
    read -r binary _ <<<"$(contestant "$1" "$2")"
    few=$(run "$1" "$2" 25600)
    few_cost=$(./callgrind.py count "$SCRATCH/out" "$binary")
    many=$(run "$1" "$2" 76800)
    many_cost=$(./callgrind.py count "$SCRATCH/out" "$binary")
    echo "$few $few_cost $many $many_cost" |
        awk '{ n = $4 - $1; printf "%.1f %.1f\n", ($5 - $2) / n, ($6 - $3) / n }'
}

print_all() {
    local cell ours theirs
    cargo build --release --quiet -p c-mfio
    printf '| cell | ours | mfio 0.1 | ratio | atomics, ours | atomics, mfio 0.1 |\n'
    printf -- '|---|---:|---:|---:|---:|---:|\n'
    for cell in $CELLS; do
        ours=$(per_op ours "$cell")
        theirs=$(per_op mfio01 "$cell")
        echo "$cell $ours $theirs" |
            awk '{ printf "| %s | %s | %s | %.2f | %s | %s |\n", $1, $2, $4, $2 / $4, $3, $5 }'
    done
}

update() {
    local cell now
    {
        echo "# cell, instructions and atomic read-modify-writes per operation."
        echo "# Written by ./instructions.sh --update, checked by --check."
        echo "machine $MACHINE"
        for cell in $CELLS; do
            now=$(per_op ours "$cell")
            echo "$cell $now"
        done
    } >"$SCRATCH/budget"
    mv "$SCRATCH/budget" "$BUDGET"
    cat "$BUDGET"
}

# check: three percent either way, so that the file goes on telling the truth.
check() {
    local failed=0 cell budget now
    if ! grep -qx "machine $MACHINE" "$BUDGET"; then
        echo "instructions.sh: $BUDGET is missing, or not of $MACHINE; see --update" >&2
        return 1
    fi
    for cell in $CELLS; do
        budget=$(awk -v c="$cell" '$1 == c { print $2, $3 }' "$BUDGET")
        now=$(per_op ours "$cell")
        if echo "$now ${budget:-0 0}" | awk '
            function off(now, budget) {
                return now > budget * 1.03 + 0.05 || now < budget * 0.97 - 0.05
            }
            { exit off($1, $3) || off($2, $4) }'; then
            echo "ok   $cell: $now, budget $budget"
        else
            echo "FAIL $cell: $now, budget ${budget:-missing}"
            failed=1
        fi
    done
    [ $failed = 0 ] ||
        echo "More than 3 % off. If the change is meant: ./instructions.sh --update" >&2
    return $failed
}

profile() {
    local executed binary
    read -r binary _ <<<"$(contestant ours "$1")"
    executed=$(run ours "$1" 256000)
    ./callgrind.py profile "$SCRATCH/out" "$binary" "$executed"
}

for tool in valgrind objdump python3 cargo; do
    command -v $tool >/dev/null || { echo "instructions.sh: $tool is not installed" >&2; exit 1; }
done
cargo build --release --quiet -p c-micro -p c-ours
case ${1:-} in
    "") print_all ;;
    --check) check ;;
    --update) update ;;
    --profile) profile "${2:?which cell}" ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
