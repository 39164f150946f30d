#!/usr/bin/env python3
"""Where the instructions go: reads a callgrind output file, prints them per operation.

usage: callgrind.py FILE OPERATIONS

A function's own cost includes what was inlined into it; the second table tells the same cost by the
source lines that it came from, wherever they were inlined.
"""

import collections
import re
import sys

SPEC = re.compile(r"(c?)(fl|fi|fe|fn)=\((\d+)\)(?: (.*))?$")


def costs(path):
    """Yields (function, file, line, instructions): what each line cost by itself."""
    names = {}
    at = {"fl": "", "fn": ""}
    line, skip = 0, False
    for text in open(path):
        text = text.rstrip("\n")
        if m := SPEC.match(text):
            kind = "fn" if m[2] == "fn" else "fl"
            if m[4]:
                names[kind, m[3]] = m[4]  # told once, by its number afterwards
            if not m[1]:  # the callee's name is no position
                at[kind] = names[kind, m[3]]
        elif text.startswith("calls="):
            skip = True  # the next line is what the callee cost
        elif m := re.match(r"([+*-]?)(\d*) (\d+)$", text):
            step = int(m[2] or 0)
            line = {"+": line + step, "-": line - step, "*": line, "": step}[m[1]]
            if not skip:
                yield at["fn"], at["fl"], line, int(m[3])
            skip = False


def short(name):
    """A path from its crate on, a function without hashes."""
    name = re.sub(r".*/(?=crates/|library/|contestants/|common/)", "", name)
    name = re.sub(r".*/registry/src/[^/]*/", "", name)
    return re.sub(r"\[[0-9a-f]{16}\]|::h[0-9a-f]{16}", "", name)


def table(title, counter, operations, rows):
    print(f"\n| {title} | instructions per operation |\n|---|---:|")
    for name, n in counter.most_common(rows):
        print(f"| {name} | {n / operations:.1f} |")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    operations = float(sys.argv[2])
    by_function, by_file, by_line = (collections.Counter() for _ in range(3))
    for function, file, line, n in costs(sys.argv[1]):
        by_function[short(function)] += n
        by_file[short(file)] += n
        by_line[f"{short(file)}:{line}"] += n
    print(f"{sum(by_file.values()) / operations:.1f} instructions per operation, startup included")
    table("function", by_function, operations, 25)
    table("source file", by_file, operations, 25)
    table("source line", by_line, operations, 30)


if __name__ == "__main__":
    main()
