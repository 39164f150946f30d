#!/usr/bin/env bash
# The proof that tests can fail: changes one line of a copy of the tree for each entry of
# scripts/mutations.toml, and requires that the test which it names fails there, at the first run,
# and passes without it.
# usage: mutations.sh [--check] [--list] [--only NAME]...
#
# --check   only that each entry finds its line (a second)
. "$(dirname "$0")/lib.sh"
need git "apt-get install git"
python3 -c 'import tomllib' 2>/dev/null || die "needs Python 3.11 as python3"
export MUTATIONS_DIR=$target_base/mutations
exec python3 scripts/mutations.py "$@"
