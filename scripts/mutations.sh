#!/usr/bin/env bash
# The proof that the hazards' tests can fail: applies each scripts/mutations/NAME.patch to a copy of the tree and requires
# that the test which it names fails there, and passes without it.
# usage: mutations.sh [--list] [--only NAME]... [--minutes N]
#
# With --minutes, none is begun after N minutes of the whole script. The first one then depends on the number of commits,
# so that several runs cover all; those not run are counted as not run.
#
# A patch is a unified diff after lines of the form `# key: value`:
#   test     the command; it must understand cargo's --no-run, unless it tests doctests (--doc)
#   timeout  seconds after which its tests count as hanging, which is failing (default 120)
#   expect   `no-compile` where the compiler is what must refuse
# What survives (the tests pass), does not apply, or fails for another reason than its test, fails this script. Tests of
# races find them with some probability only, and a machine that stalls may hide one: so a test has three runs to fail in
# (and to pass in without the mutation: then it has to fail in all of them with it), and the table tells how many it took
# where one was not enough.
. "$(dirname "$0")/lib.sh"
need git "apt-get install git"
need timeout "it is part of coreutils"

work=$target_base/mutations
tree=$work/tree
logs=$work/logs
only=()
list=
minutes=
runs=3

while [ $# -gt 0 ]; do
    case $1 in
    --only)
        [ $# -ge 2 ] || die "--only needs a name"
        only+=("$root/scripts/mutations/$(basename "$2" .patch).patch")
        shift 2
        ;;
    --list)
        list=yes
        shift
        ;;
    --minutes)
        [ $# -ge 2 ] || die "--minutes needs a number"
        minutes=$2
        [[ $minutes =~ ^[0-9]+$ ]] || die "--minutes needs a number, not '$minutes'"
        shift 2
        ;;
    *) die "unknown argument '$1'; there are --list, --only NAME and --minutes N" ;;
    esac
done

# header FILE KEY DEFAULT: the value of a line `# KEY: VALUE` before the diff.
header() {
    local value
    value=$(sed -n "/^\(---\|diff\) /q; s/^# $2: *//p" "$1" | head -n 1)
    echo "${value:-$3}"
}

# copy_tree: what git knows or would add. Sources are new to cargo: an earlier run may have left a mutated build behind,
# which older times would pass for the build of the copy.
copy_tree() {
    rm -rf "$tree" "$logs"
    mkdir -p "$tree" "$logs"
    git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do
            if [ -e "$file" ]; then printf '%s\0' "$file"; fi
        done |
        tar --null -T - -cf - | tar -xf - -C "$tree"
    find "$tree" -name '*.rs' -exec touch {} +
}

# in_tree SECONDS COMMAND: runs it in the copy; 0 means no limit.
in_tree() (
    cd "$tree" || exit 1
    export CARGO_TARGET_DIR=$work/target RUST_BACKTRACE=0
    # Many small builds: without what only debuggers and releases need.
    export CARGO_PROFILE_DEV_DEBUG=0
    export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0
    timeout --kill-after=10 "$1" bash -c "$2" </dev/null
)

# without_run COMMAND: the same, only building.
without_run() {
    case $1 in
    *" -- "*) echo "${1%% -- *} --no-run -- ${1#* -- }" ;;
    *) echo "$1 --no-run" ;;
    esac
}

# The copy lies below a work tree of git's; git must not find that one.
apply() (
    cd "$tree" || exit 1
    GIT_CEILING_DIRECTORIES=$work git apply --recount -C2 "$@"
)

# verdict COMMAND SECONDS LOG: builds, runs, and says what came of it, in one or two words.
verdict() {
    local status=0
    case $1 in
    *--doc*) ;;
    *)
        if ! in_tree 0 "$(without_run "$1")" >"$3" 2>&1; then
            if grep -q '^error: could not compile' "$3"; then echo no-compile; else echo broken; fi
            return
        fi
        ;;
    esac
    in_tree "$2" "$1" >>"$3" 2>&1 || status=$?
    if [ $status -eq 124 ] || [ $status -eq 137 ]; then
        echo hangs
    elif [ $status -ne 0 ]; then
        if grep -qE '^test result: FAILED|\(signal: [0-9]+|AddressSanitizer' "$3"; then
            echo fails
        elif grep -q '^error: could not compile' "$3"; then
            echo no-compile
        else
            echo broken
        fi
    elif grep -qE '^test result: ok\. [1-9][0-9]* passed' "$3"; then
        echo passes
    else
        echo "no test"
    fi
}

# verdict_within_runs WANTED COMMAND SECONDS LOG: sets `result` to the verdict, and `took` to the runs that it took to be
# one of those that WANTED, a regular expression, matches. What does not compile, or is no test, is that at the first run.
verdict_within_runs() {
    for ((took = 1; ; took++)); do
        result=$(verdict "$2" "$3" "$4")
        # What passes or fails may do otherwise another time; where the compiler is to refuse it, it will not.
        if [[ $result =~ ^($1)$ || $1 = no-compile || ! $result =~ ^(passes|fails)$ || $took -eq $runs ]]; then return; fi
        mv "$4" "${4%.log}-$took.log"
    done
}

shopt -s nullglob
patches=("${only[@]}")
[ ${#patches[@]} -gt 0 ] || patches=("$root"/scripts/mutations/*.patch)
[ ${#patches[@]} -gt 0 ] || die "there is no mutation under scripts/mutations"
for patch in "${patches[@]}"; do
    [ -f "$patch" ] || die "there is no mutation '$(basename "$patch" .patch)'"
    [ -n "$(header "$patch" test "")" ] || die "$(basename "$patch"): no line '# test: COMMAND'"
    if [ -n "$list" ]; then echo "$(basename "$patch" .patch): $(header "$patch" test "")"; fi
done
[ -z "$list" ] || exit 0

if [ -n "$minutes" ]; then
    first=$(($(git rev-list --count HEAD) * 61 % ${#patches[@]}))
    patches=("${patches[@]:first}" "${patches[@]:0:first}")
fi

copy_tree
bad=()
ran=0

# show_logs LOG: the ends of the logs of all runs, for who has nothing but this output.
show_logs() {
    local log
    for log in "${1%.log}"-[0-9].log "$1"; do
        echo "--- the end of $log"
        tail -n 30 "$log"
    done
    echo "---"
}

# A test that fails anyway proves nothing: each command has to pass without a mutation, before the first that it is to notice.
declare -A clean clean_took
commands=0
passes_unmutated() {
    local command=$1 log result took
    if [ -z "${clean[$command]:-}" ]; then
        commands=$((commands + 1))
        log=$logs/unmutated-$commands.log
        verdict_within_runs passes "$command" 600 "$log"
        clean[$command]=$result
        clean_took[$command]=$took
        if [ "$result" != passes ] || [ $took -gt 1 ]; then
            echo "without a mutation: $result (run $took): $command"
            show_logs "$log"
        fi
    fi
    [ "${clean[$command]}" = passes ]
}

printf '%-72s %-21s %4s\n' mutation result s
for patch in "${patches[@]}"; do
    if [ -n "$minutes" ] && [ $SECONDS -ge $((minutes * 60)) ]; then break; fi
    ran=$((ran + 1))
    name=$(basename "$patch" .patch)
    command=$(header "$patch" test "")
    expected=$(header "$patch" expect fails)
    began=$SECONDS
    note=
    took=1
    if ! passes_unmutated "$command"; then
        result="not proven" note="its test does not pass without it"
    elif ! apply "$patch" 2>"$logs/$name.log"; then
        result="stale" note="the diff does not apply: make it anew"
    else
        wanted=$expected
        [ "$expected" != fails ] || wanted="fails|hangs"
        verdict_within_runs "$wanted" "$command" "$(header "$patch" timeout 120)" "$logs/$name.log"
        # A test that fails now and then by itself proves something only if it always fails with the mutation.
        for ((again = 1; again < runs; again++)); do
            if [ "${clean_took[$command]}" -gt 1 ] && [[ $result =~ ^($wanted)$ ]]; then
                result=$(verdict "$command" "$(header "$patch" timeout 120)" "$logs/$name.log")
            fi
        done
        apply --reverse "$patch" || die "$name cannot be taken back: $tree is not what it should be"
        if [[ $result =~ ^($wanted)$ ]]; then
            result="caught: $result"
            [ $took -eq 1 ] || result+=", run $took"
        elif [ "$result" = passes ]; then
            note="SURVIVES: $command"
        else
            note="expected $expected: see $logs/$name.log"
        fi
    fi
    printf '%-72s %-21s %4d  %s\n' "$name" "$result" $((SECONDS - began)) "$note"
    if [ -n "$note" ]; then
        bad+=("$name: $result: $note")
        [ ! -f "$logs/$name.log" ] || show_logs "$logs/$name.log"
    fi
done
echo "mutations: $commands commands; $((ran - ${#bad[@]})) of $ran caught, $((${#patches[@]} - ran)) not run this time"
if [ ${#bad[@]} -gt 0 ]; then
    printf 'not caught: %s\n' "${bad[@]}" >&2
    exit 1
fi
