"""Checks docs/hazards.md against the lists of tests. Called by hazards.sh, from the root.

usage: hazards.py TESTS LOOM     what `cargo test -- --list` and `loom.sh -- --list` print

A row of a table is: hazard | test | seen to fail. The second cell names tests in backticks, by the
end of their path; a doctest as `FILE - ITEM`. The third names mutations of scripts/mutations.toml
in backticks, each of which runs a test of the row, or says how the test was seen to fail.
"""

import pathlib
import re
import sys
import tomllib

MUTATIONS = tomllib.loads(pathlib.Path("scripts/mutations.toml").read_text())
problems = []


def listed(path):
    """The names in a listing; of doctests without the line number."""
    names = set()
    for line in pathlib.Path(path).read_text().splitlines():
        if found := re.fullmatch(r"(.*): test", line):
            names.add(re.sub(r" \(line \d+\)", "", found[1]))
    return names


def rows():
    """(line number, cells) of every row with three cells, heads and rules excluded."""
    for number, line in enumerate(pathlib.Path("docs/hazards.md").read_text().splitlines(), 1):
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != 3:
            problems.append(f"line {number}: {len(cells)} cells instead of 3")
        elif cells[0] != "hazard" and not set(cells[0]) <= set("-: "):
            yield number, cells


def must_not_compile(name):
    """Whether a name in the table is of a doctest in a file with programs that must not compile."""
    file = pathlib.Path(name.split(" - ")[0])
    return " - " in name and file.is_file() and "```compile_fail" in file.read_text()


def runs(mutation, tests):
    """Whether a mutation runs one of the tests."""
    wanted = MUTATIONS[mutation]["test"].split()[-1]
    return any(wanted in test for test in tests)


def find(name, names):
    """The listed tests that a name in the table stands for."""
    return {
        full
        for full in names
        if full == name or full.endswith("::" + name) or full.startswith(name + " ")
    }


def tests_of_hazards():
    """Tests that are there for a hazard, by the name of their file or their own.

    The table must have them all.
    """
    test = re.compile(r"#\[(?:\w+::)?test\b[^\n]*\n(?:\s*#\[.*\n)*\s*(?:async )?fn (\w+)")
    for path in sorted(pathlib.Path("crates").rglob("*.rs")):
        for name in test.findall(path.read_text()):
            if name.startswith("hazard_") or path.name.startswith("hazard_"):
                yield path, name


def check_row(number, cells, tests, loom):
    """One hazard; returns the mutations that it names."""
    hazard, test_cell, proof = cells
    where = f"line {number} ({hazard[:50]})"
    meant = set()
    names = re.findall(r"`([^`]+)`", test_cell)
    for name in names:
        found = find(name, tests | loom)
        if not found:
            problems.append(f"{where}: there is no test `{name}`")
        meant |= found
    if not names:
        problems.append(f"{where}: names no test")
    mutations = re.findall(r"`([^`]+)`", proof)
    for name in mutations:
        if name not in MUTATIONS:
            problems.append(f"{where}: there is no mutation {name}")
        elif not runs(name, meant):
            test = MUTATIONS[name]["test"]
            problems.append(f"{where}: {name} does not run a test of this row: {test}")
    if "loom" in re.sub(r"`[^`]*`", "", proof) and not meant & loom:
        problems.append(f"{where}: says loom, and none of its tests is a model")
    if "must not compile" in proof and not any(map(must_not_compile, names)):
        problems.append(
            f"{where}: says that it must not compile, "
            "and none of its tests is a compile_fail doctest"
        )
    if not proof:
        problems.append(f"{where}: does not say how its test was seen to fail")
    return mutations


def main():
    tests, loom = listed(sys.argv[1]), listed(sys.argv[2])
    named, shown, count = set(), set(), 0
    for number, cells in rows():
        count += 1
        shown.update(name.rsplit("::", 1)[-1] for name in re.findall(r"`([^`]+)`", cells[1]))
        named.update(check_row(number, cells, tests, loom))
    for name in sorted(MUTATIONS.keys() - named):
        problems.append(f"no row names the mutation {name}")
    for path, name in tests_of_hazards():
        if name not in shown:
            problems.append(f"{path}: no row names the test {name}")
    if count == 0:
        problems.append("no hazard in the table")
    for problem in problems:
        print(f"docs/hazards.md: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    among = f"{len(tests)} tests and {len(loom)} models"
    print(f"hazards: ok, {count} with {len(named)} mutations, among {among}")


main()
