#!/usr/bin/env bash
# Tests that need luck to find something, again and again: random ones with another seed each time,
# and those that have threads race for longer than in the suite. Run by hand; it ends at the first
# failure, and says with which seed.
# usage: soak.sh [MINUTES]       default: 10
. "$(dirname "$0")/lib.sh"
minutes=${1:-10}
[[ $minutes =~ ^[0-9]+$ ]] || die "the number of minutes is not a number: '$minutes'"

# Each is `PACKAGE ARGUMENT OF cargo test...`.
tests=(
    "mfio --test packet_stress"
    "mfio --test packet_model"
    "mfio --test ranges"
    "mfio --test pipeline"
    "mfio --test flow"
    "mfio --test cursor"
    "mfio --test hazard_fd_wakers"
    "mfio --test contract_wakes"
    "mfio --test sharing"
    "mfio --lib shelf"
    "mfio-layers --test model_cache --test model_failures --test model_overlay --test model_remap"
    "mfio-layers --test model_stripe --test model_tree --test model_window --test trace"
    "mfio-layers --test timeout --test timeout_races --test limit --test waits --test retry"
    "mfio-rt --test hazards everybody_at_once"
    "mfio-rt --test memory everybody_gives_up_reads_of_one_handle"
    "mfio-rt --test model"
)

rounds=0
while [ $SECONDS -lt $((minutes * 60)) ]; do
    for test in "${tests[@]}"; do
        [ $SECONDS -lt $((minutes * 60)) ] || break
        seed=$((RANDOM << 15 | RANDOM))
        read -ra arguments <<<"$test"
        echo "PROPTEST_RNG_SEED=$seed MFIO_READS=1000000 cargo test -q --all-features -p $test"
        PROPTEST_RNG_SEED=$seed MFIO_READS=1000000 \
            cargo test -q --all-features --locked -p "${arguments[@]}" ||
            die "failed with PROPTEST_RNG_SEED=$seed: $test"
    done
    rounds=$((rounds + 1))
done
echo "soak: nothing found in $rounds rounds, $((SECONDS / 60)) minutes"
