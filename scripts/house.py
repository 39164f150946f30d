#!/usr/bin/env python3
"""Counts how the source keeps the rules of CONTRIBUTING.md, and refuses to let a count rise.

usage: house.py [--list [WORD]] [--rev REVISION] [--check]

--list   also prints the places; with WORD only those of the counts that have it in their name
--rev    counts an older revision of the repository instead of the working tree
--check  fails if a count is above its ceiling

Rust is read by a small lexer, not by a compiler. Comments, strings and code under `cfg(test)` are
left out where modules, names and lines of code are counted. Private names that only macros make
are not seen.
"""

import argparse
import collections
import dataclasses
import io
import pathlib
import re
import subprocess
import sys
import tarfile

# The highest count that is accepted. A ceiling may only go down.
CEILINGS = {
    "documentation lines with a vague subject": 0,
    "lines over 100 columns": 0,
    "Rust files over 400 lines": 0,
    "functions over 70 lines": 0,
    "files in circles of imports": 0,
    "type names with two meanings": 0,
}

COLUMNS = 100
FILE_LINES = 400
FUNCTION_LINES = 70

# Names of types that have one meaning wherever they are defined: the supertrait that keeps a trait
# closed, and the waker that sets an event object. The latter is in `backend::handle` (it can be
# closed, and shares wake flags) and in `backend::windows` (plain); both are public.
SAME_MEANING = {"EventWaker", "Sealed"}
TYPES = {"struct", "enum", "union", "trait", "type"}

# ---- Reading -------------------------------------------------------------------------------------


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True).stdout


def tree(revision):
    """The tracked text files, {path: text}; links are left out."""
    wanted = re.compile(r".*\.(rs|md|py|sh|mjs)$|\.ci/run$")
    files = {}
    if revision:
        archive = tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", revision)))
        for member in archive:
            if member.isfile() and wanted.match(member.name):
                files[member.name] = archive.extractfile(member).read().decode()
    else:
        for name in git("ls-files", "-z").decode().split("\0"):
            path = pathlib.Path(name)
            if wanted.match(name) and path.is_file() and not path.is_symlink():
                files[name] = path.read_text()
    return dict(sorted(files.items()))


NOT_CODE = re.compile(
    r"""//[^\n]*                                          # a comment
      | /\*                                               # a comment, whose end is looked for
      | \b(?:b|c)?r(?P<hashes>\#*)".*?"(?P=hashes)        # a raw string
      | (?:\bb|\bc)?"(?:\\.|[^"\\])*"                     # a string
      | \bb?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\\n])'         # a character, not a lifetime
      | '(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\\n])'
    """,
    re.DOTALL | re.VERBOSE,
)


def blank(text):
    """Rust with comments, strings and characters replaced by spaces; lines stay where they are."""
    parts, at = [], 0
    while found := NOT_CODE.search(text, at):
        end = end_of_comment(text, found.end()) if found[0] == "/*" else found.end()
        parts += [text[at : found.start()], re.sub(r"[^\n]", " ", text[found.start() : end])]
        at = end
    return "".join(parts) + text[at:]


def end_of_comment(text, at):
    depth = 1
    for found in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if found[0] == "/*" else -1
        if depth == 0:
            return found.end()
    return len(text)


def closing(code, at):
    """The index behind the bracket that closes the one at `at`."""
    depth = 0
    for found in re.compile(r"[(\[{]|[)\]}]").finditer(code, at):
        depth += 1 if found[0] in "([{" else -1
        if depth == 0:
            return found.end()
    return len(code)


ATTRIBUTE = re.compile(r"#!?\[")
ITEM = re.compile(
    r"(?:pub(?:\s*\([^)]*\))?\s+)?(?:(?:default|unsafe|async|const|extern|\s)+\s)?"
    r"(?:fn|mod|use|impl|struct|enum|union|trait|type|const|static|macro_rules|let)\b"
)


def end_of_item(code, at):
    """The end of the item at `at`: a semicolon, a block, or (for a field or an arm) a comma."""
    at = re.compile(r"\s*").match(code, at).end()
    while ATTRIBUTE.match(code, at):
        at = re.compile(r"\s*").match(code, closing(code, code.index("[", at))).end()
    stops = ";{(}[" if ITEM.match(code, at) else ";{(}[,"
    while at < len(code):
        if code[at] in stops:
            if code[at] in "([":
                at = closing(code, at)
                continue
            return closing(code, at) if code[at] == "{" else at + (code[at] != "}")
        at += 1
    return at


def without_tests(code):
    """Blanked code without the items that are compiled for tests only."""
    at = 0
    while found := re.compile(r"#\[cfg\(").search(code, at):
        end = closing(code, found.end() - 5)
        at = end
        condition = re.sub(r"not\s*\(\s*\w+\s*\)", "", code[found.start() : end])
        if re.search(r"\b(test|doctest)\b", condition) and not re.search(r"\bany\b", condition):
            stop = end_of_item(code, end)
            gone = re.sub(r"[^\n]", " ", code[found.start() : stop])
            code = code[: found.start()] + gone + code[stop:]
    return code


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


# ---- Lines and functions -------------------------------------------------------------------------


def vague_subjects(files, _):
    begins = re.compile(r"\s*//[/!]\s*(?:[*-] |\d+\. )?(?:Who|What|Whoever|Where)\b")
    for name, text in files.items():
        if name.endswith(".rs"):
            for number, line in enumerate(text.splitlines(), 1):
                if begins.match(line):
                    yield f"{name}:{number}: {line.strip()}"


def long_lines(files, _):
    for name, text in files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if name.endswith(".md"):
                if line.lstrip().startswith("|"):
                    continue
                line = re.sub(r"\]\([^)]*\)|https?://\S+|^\[[^]]*\]:.*", "", line)
            if len(line) > COLUMNS:
                yield f"{name}:{number}: {len(line)} columns"


def long_files(files, _):
    for name, text in files.items():
        lines = text.count("\n")
        if name.endswith(".rs") and lines > FILE_LINES:
            yield f"{name}: {lines} lines"


def functions(code):
    """(offset, name, lines) of each function with a body, in blanked code."""
    for found in re.finditer(r"\bfn\s+(\w+)", code):
        at = found.end()
        while at < len(code) and code[at] not in "{;":
            at = closing(code, at) if code[at] in "([" else at + 1
        if at < len(code) and code[at] == "{":
            start = code.rindex("\n", 0, found.start()) + 1 if "\n" in code[: found.start()] else 0
            yield found.start(), found[1], code.count("\n", start, closing(code, at)) + 1


def long_functions(files, _):
    for name, text in files.items():
        if name.endswith(".rs"):
            for offset, function, lines in functions(blank(text)):
                if lines > FUNCTION_LINES:
                    yield f"{name}:{line_of(text, offset)}: {function}, {lines} lines"


# ---- Modules -------------------------------------------------------------------------------------


@dataclasses.dataclass
class Module:
    """A module: the file it is in, and the names that it has."""

    path: tuple
    file: str
    children: set = dataclasses.field(default_factory=set)
    defined: dict = dataclasses.field(default_factory=dict)  # name: (kind, offset, conditions)
    imported: dict = dataclasses.field(default_factory=dict)  # name: path
    globs: list = dataclasses.field(default_factory=list)  # paths
    edges: list = dataclasses.field(default_factory=list)  # (path, whether it is a use)
    conditions: tuple = ()


def leaves(tree_text):
    """(path, name) of each import in the text of a use tree; the name of a glob is `*`."""
    text = re.sub(r"\s+", " ", tree_text).strip()
    if found := re.match(r"([^{}]*?)(?:::)?\s*\{(.*)\}$", text):
        prefix = [part.strip() for part in found[1].split("::") if part.strip()]
        depth, part, parts = 0, "", []
        for letter in found[2] + ",":
            depth += {"{": 1, "}": -1}.get(letter, 0)
            if letter == "," and depth == 0:
                parts.append(part)
                part = ""
            else:
                part += letter
        for inner in filter(str.strip, parts):
            for path, name in leaves(inner):
                if path[-1] == "self":
                    path, name = path[:-1], prefix[-1] if name == "self" else name
                yield prefix + path, name
        return
    path, _, alias = text.partition(" as ")
    path = [part.strip() for part in path.split("::") if part.strip()]
    yield path, alias.strip() or path[-1]


PARTS = re.compile(
    r"(?P<attribute>#!?\[)"
    r"|\b(?P<mod>mod)\s+(?P<module>\w+)\s*(?P<opens>[{;])"
    r"|(?P<use>(?P<public>\bpub(?:\s*\([^)]*\))?\s+)?\buse\s+(?P<tree>[^;]*);)"
    r"|\b(?P<kind>struct|enum|union|trait|type|fn|const|static)\s+(?:mut\s+)?(?P<name>[A-Za-z_]\w*)"
    r"|macro_rules!\s*(?P<macro>\w+)"
    r"|(?P<path>\$?\b(?:\w+)(?:\s*::\s*\w+)+)"
    r"|(?P<brace>[{}])|(?P<end>;)"
)


class Crate:
    """The module tree of one `src` directory, without what is compiled for tests only."""

    def __init__(self, source, files):
        self.source, self.files = source, files
        self.modules, self.macros, self.code = {}, {}, {}
        for root in (f"{source}/lib.rs", f"{source}/main.rs"):
            if root in files and () not in self.modules:
                self.read((), root, ())

    def file_of(self, path):
        base = "/".join((self.source, *path))
        return next((f for f in (f"{base}.rs", f"{base}/mod.rs") if f in self.files), None)

    def read(self, path, file, conditions):
        self.code[file] = code = without_tests(blank(self.files[file]))
        self.modules[path] = Module(path, file, conditions=conditions)
        self.scan(code, path, file, conditions)

    def scan(self, code, path, file, conditions):
        """Walks over a file; `stack` has the depth of braces at which each inline module ends."""
        stack, depth, at, pending = [(path, 0)], 0, 0, []
        while found := PARTS.search(code, at):
            at = found.end()
            module = self.modules[stack[-1][0]]
            if found["attribute"]:
                end = closing(code, at - 1)
                if found["attribute"] == "#[":
                    pending.append(self.files[file][found.start() : end])
                at = end
                continue
            if found["mod"]:
                child = (*module.path, found["module"])
                module.children.add(found["module"])
                below = (*module.conditions, *(a for a in pending if "cfg(" in a))
                if found["opens"] == "{":
                    self.modules[child] = Module(child, file, conditions=below)
                    stack.append((child, depth))
                    depth += 1
                elif child_file := self.file_of(child):
                    self.read(child, child_file, below)
            elif found["use"]:
                self.add_use(module, found)
            elif found["kind"]:
                at_module = depth == stack[-1][1] + (len(stack) > 1)
                if at_module and found["name"] not in ("fn", "unsafe", "extern", "trait"):
                    cfg = tuple(a for a in pending if "cfg(" in a)
                    kind = (found["kind"], found.start(), (*module.conditions, *cfg))
                    module.defined.setdefault(found["name"], kind)
                at = found.start("name")
            elif found["macro"]:
                self.macros[found["macro"]] = file
            elif found["path"]:
                parts = re.split(r"\s*::\s*", found["path"].lstrip("$"))
                module.edges.append((parts, True))
            elif found["brace"] == "{":
                depth += 1
            elif found["brace"] == "}":
                depth -= 1
                if len(stack) > 1 and depth == stack[-1][1]:
                    stack.pop()
            pending = []

    def add_use(self, module, found):
        for path, name in leaves(found["tree"]):
            if name == "*":
                module.globs.append(path[:-1])
            else:
                module.imported[name] = path
                module.edges.append((path, not found["public"]))

    # A path leads to (file, name): name is None where it ends at a module.

    def resolve(self, path, module, seen=frozenset()):
        """The module that a path ends at, or the file that defines the item; None if elsewhere."""
        key = (tuple(path), module.path)
        if key in seen or not path:
            return None
        seen = seen | {key}
        first, rest = path[0], path[1:]
        if first == "crate":
            return self.descend(rest, self.modules[()], seen)
        if first == "self":
            return self.descend(rest, module, seen)
        if first == "super":
            parent = self.modules.get(module.path[:-1])
            while parent and rest[:1] == ["super"]:
                parent, rest = self.modules.get(parent.path[:-1]), rest[1:]
            return self.descend(rest, parent, seen) if parent else None
        if first in module.children or first in module.imported:
            return self.descend(path, module, seen)
        return None

    def descend(self, path, module, seen):
        if not path:
            return module
        first, rest = path[0], path[1:]
        if first in module.children:
            child = self.modules.get((*module.path, first))
            return self.descend(rest, child, seen) if child else None
        if first in module.defined:
            return module.file
        if first in module.imported:
            return self.resolve(module.imported[first] + rest, module, seen)
        for glob in module.globs:
            target = self.resolve(glob, module, seen)
            if isinstance(target, Module) and self.has(target, first):
                return self.descend(path, target, seen)
        return self.macros.get(first, module.file if first != "*" else None)

    def has(self, module, name):
        return name in module.defined or name in module.imported or name in module.children

    def graph(self):
        """{file: {file that it imports from: names}}"""
        graph = collections.defaultdict(lambda: collections.defaultdict(set))
        for module in self.modules.values():
            for path, counts in module.edges:
                target = self.resolve(path, module)
                if isinstance(target, str) and target != module.file:
                    if counts or self.mentions(module.file, path[-1]):
                        graph[module.file][target].add(path[-1])
            for glob in module.globs:
                target = self.resolve(glob, module)
                if isinstance(target, Module):
                    for name in (*target.defined, *target.imported):
                        end = self.descend([name], target, frozenset())
                        if isinstance(end, str) and end != module.file:
                            if self.mentions(module.file, name):
                                graph[module.file][end].add(name)
        return graph

    def mentions(self, file, name):
        """Whether a file has a name anywhere but in its imports."""
        code = re.sub(r"\buse\s+[^;]*;", "", self.code[file])
        return re.search(rf"\b{re.escape(name)}\b", code) is not None


def crates_in(files):
    roots = {file.rpartition("/")[0] for file in files if re.search(r"\bsrc/(lib|main)\.rs$", file)}
    return [Crate(root, files) for root in sorted(roots)]


def components(graph):
    """The sets of files that import each other, directly or through others."""
    nodes = sorted(set(graph) | {target for targets in graph.values() for target in targets})
    below = {node: reachable(graph, node) for node in nodes}
    done = set()
    for node in nodes:
        if node in below[node] and node not in done:
            circle = {other for other in below[node] if node in below[other]}
            done |= circle
            yield sorted(circle)


def reachable(graph, start):
    found, todo = set(), [start]
    while todo:
        for target in graph.get(todo.pop(), ()):
            if target not in found:
                found.add(target)
                todo.append(target)
    return found


def circles(files, crates):
    for crate in crates:
        graph = crate.graph()
        for circle in components(graph):
            for file in circle:
                imports = (
                    f"{target.removeprefix(crate.source + '/')} ({', '.join(sorted(names))})"
                    for target, names in sorted(graph[file].items())
                    if target in circle
                )
                yield f"{file} -> {', '.join(imports)}"


def two_meanings(files, crates):
    for crate in crates:
        places = collections.defaultdict(list)
        for module in crate.modules.values():
            for name, (kind, offset, conditions) in module.defined.items():
                if kind in TYPES and name not in SAME_MEANING:
                    line = line_of(files[module.file], offset)
                    places[name].append((f"{module.file}:{line}", conditions))
        for name, found in sorted(places.items()):
            if len(found) > 1 and not all(alternatives(found[0][1], c) for _, c in found[1:]):
                yield f"{name}: {', '.join(place for place, _ in found)}"


def alternatives(one, other):
    """Whether two lists of conditions exclude each other, as far as `not` shows it."""
    strip = lambda attribute: re.sub(r"\s", "", attribute).removeprefix("#[cfg(")[:-2]
    one, other = {strip(a) for a in one}, {strip(a) for a in other}
    return any(f"not({a})" in other for a in one) or any(f"not({a})" in one for a in other)


def code_lines(crates):
    """Lines of code in `crates/*/src`, by crate."""
    for crate in crates:
        if crate.source.startswith("crates/"):
            lines = (line for code in crate.code.values() for line in code.splitlines())
            yield crate.source, sum(1 for line in lines if line.strip())


# ---- The command ---------------------------------------------------------------------------------

COUNTS = {
    "documentation lines with a vague subject": vague_subjects,
    "lines over 100 columns": long_lines,
    "Rust files over 400 lines": long_files,
    "functions over 70 lines": long_functions,
    "files in circles of imports": circles,
    "type names with two meanings": two_meanings,
}


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--list", nargs="?", const="", metavar="WORD")
    options.add_argument("--rev", metavar="REVISION")
    options.add_argument("--check", action="store_true")
    options = options.parse_args()
    files = tree(options.rev)
    crates = crates_in(files)
    broken = []
    for name, count in COUNTS.items():
        places = list(count(files, crates))
        print(f"{len(places):6}  {name}")
        if options.list is not None and options.list in name:
            print("\n".join(f"        {place}" for place in places))
        if len(places) > CEILINGS[name]:
            broken.append(f"{name}: {len(places)}, and at most {CEILINGS[name]} are allowed")
    by_crate = dict(code_lines(crates))
    print(f"{sum(by_crate.values()):6}  lines of code in src, without tests")
    if options.list is not None and options.list in "lines of code":
        print("\n".join(f"        {source}: {lines}" for source, lines in by_crate.items()))
    if options.check and broken:
        sys.exit("house.py: " + "\n".join(broken) + "\nsee `scripts/house.py --list`")


if __name__ == "__main__":
    main()
