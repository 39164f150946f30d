#!/usr/bin/env python3
"""Reads a callgrind output file, made with --dump-instr=yes.

usage: callgrind.py count FILE BINARY                 prints: instructions, locked ones among them
       callgrind.py profile FILE BINARY OPERATIONS    prints where they are, per operation

A locked instruction is an atomic read-modify-write: about twenty times the price of a plain one.
They are told from the disassembly, on x86-64 only.
"""

import collections
import os
import re
import subprocess
import sys

NAME = re.compile(r"(c?)(ob|fl|fi|fe|fn)=\((\d+)\)(?: (.*))?$")
COST = re.compile(r"(0x[0-9a-f]+|\+\d+|-\d+|\*) (\d+|\+\d+|-\d+|\*) (\d+)$")


def step(before, text):
    """A position: absolute, or relative to the one before."""
    if text == "*":
        return before
    if text[0] in "+-":
        return before + int(text)
    return int(text, 0)


def costs(path):
    """Yields (object, function, file, line, address, instructions): own costs, callees left out."""
    names, at = {}, {"ob": "", "fl": "", "fn": ""}
    address = line = 0
    callee = False
    for text in open(path):
        text = text.rstrip("\n")
        if m := NAME.match(text):
            kind = "fl" if m[2] in ("fi", "fe") else m[2]
            if m[4]:
                names[kind, m[3]] = m[4]  # told once, by its number afterwards
            if not m[1]:  # a callee's name is no position
                at[kind] = names[kind, m[3]]
        elif text.startswith("calls="):
            callee = True
        elif m := COST.match(text):
            address, line = step(address, m[1]), step(line, m[2])
            if not callee:
                yield at["ob"], at["fn"], at["fl"], line, address, int(m[3])
            callee = False


def locked(binary):
    """{address: (function, instruction)} of the atomic read-modify-writes of a binary."""
    args = ["objdump", "--disassemble", "--no-show-raw-insn", "--demangle", binary]
    out, function = {}, ""
    run = subprocess.run(args, capture_output=True, text=True, check=True)
    for text in run.stdout.splitlines():
        if m := re.match(r"[0-9a-f]+ <(.*)>:$", text):
            function = m[1]
        elif m := re.match(r"\s+([0-9a-f]+):\s+(lock .*|xchg .*\(.*)", text):
            out[int(m[1], 16)] = (function, m[2].strip())
    return out


def read(path, binary):
    """All costs as counters: by function, by file, by line, and by locked instruction."""
    atomics = locked(binary)
    by_function, by_file, by_line, by_lock = (collections.Counter() for _ in range(4))
    for obj, function, file, line, address, n in costs(path):
        by_function[short(function)] += n
        by_file[short(file)] += n
        by_line[f"{short(file)}:{line}"] += n
        if address in atomics and os.path.basename(obj) == os.path.basename(binary):
            where, what = atomics[address]
            by_lock[f"`{what}` in {short(where)}"] += n
    return by_function, by_file, by_line, by_lock


def short(name):
    """A path from its crate on, a function without hashes."""
    name = re.sub(r".*/(?=crates/|library/|contestants/|common/)", "", name)
    name = re.sub(r".*/registry/src/[^/]*/", "", name)
    return re.sub(r"\[[0-9a-f]{16}\]|::h[0-9a-f]{16}", "", name)


def table(title, counter, operations, rows):
    print(f"\n| {title} | per operation |\n|---|---:|")
    for name, n in counter.most_common(rows):
        if n / operations >= 0.05:
            print(f"| {name} | {n / operations:.1f} |")


def main():
    match sys.argv[1:]:
        case ["count", path, binary]:
            _, by_file, _, by_lock = read(path, binary)
            print(by_file.total(), by_lock.total())
        case ["profile", path, binary, operations]:
            by_function, by_file, by_line, by_lock = read(path, binary)
            operations = float(operations)
            for what, counter in (("instructions", by_file), ("locked instructions", by_lock)):
                print(f"{counter.total() / operations:.1f} {what} per operation, startup included")
            table("locked instruction", by_lock, operations, 40)
            table("function, what was inlined into it included", by_function, operations, 25)
            table("source file, wherever it was inlined", by_file, operations, 25)
            table("source line, wherever it was inlined", by_line, operations, 30)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
