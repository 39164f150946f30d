#!/usr/bin/env bash
# Dependencies: licences, sources and duplicates by the rules of deny.toml, and how many crates the
# core pulls in.
. "$(dirname "$0")/lib.sh"
need python3 "apt-get install python3"
exec python3 scripts/deps.py
