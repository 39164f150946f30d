"""Runs the mutations of scripts/mutations.toml. Called by mutations.sh, from the root.

usage: mutations.py [--check] [--list] [--only NAME]...

Two lanes run side by side, each with a copy of the tree and build output of its own: `loom` builds
the models, `tests` the rest. A lane first builds every test that it needs, and runs each without a
mutation. Then it takes the mutations one after another: it changes the line, builds the one test
binary, and goes on with the next while a copy of the binary runs.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import threading
import time
import tomllib

ROOT = pathlib.Path.cwd()
LIST = ROOT / "scripts/mutations.toml"
KEYS = {"file", "search", "replace", "test", "timeout"}
# Seconds until a test with a mutation counts as hanging. It runs for milliseconds otherwise.
TIMEOUT = 20
# Seconds for a test without a mutation: only a defect reaches them.
UNMUTATED_TIMEOUT = 300
# Seconds that tests with a limit of their own wait for an end where there is a mutation.
PATIENCE = "5"

printing = threading.Lock()


class Bad(Exception):
    """A mutation, or its description, that proves nothing."""


class Mutation:
    """One entry: the line to replace in one file, and the test that must notice."""

    def __init__(self, name, entry):
        self.name = name
        missing, unknown = KEYS - {"timeout"} - entry.keys(), entry.keys() - KEYS
        if missing or unknown:
            raise Bad(f"lacks {sorted(missing)}, and has {sorted(unknown)}")
        self.file = entry["file"]
        self.search = entry["search"].strip()
        self.replace = entry["replace"]
        self.timeout = entry.get("timeout", TIMEOUT)
        words = entry["test"].split()
        self.loom = words[0] == "loom"
        self.filter = words[-1]
        # The package and the kind of test that cargo is to build.
        self.target = ("mfio", "--lib") if self.loom else tuple(words[:-1])
        if not self.loom and (len(words) < 3 or words[1] not in ("--lib", "--test")):
            raise Bad(f"its test is neither `loom FILTER` nor `CRATE --test NAME FILTER`: {words}")

    def applied(self, tree):
        """Returns the file with the mutation. The file must have the line once."""
        path = tree / self.file
        if not path.is_file():
            raise Bad(f"there is no file {self.file}")
        lines = path.read_text().splitlines(keepends=True)
        found = [n for n, line in enumerate(lines) if line.strip() == self.search]
        if len(found) != 1:
            raise Bad(f"{self.file} has {len(found)} times the line: {self.search}")
        if self.search == self.replace:
            raise Bad("replaces a line by itself")
        old = lines[found[0]]
        indent = old[: len(old) - len(old.lstrip())]
        lines[found[0]] = "".join(f"{indent}{line}\n" for line in self.replace.splitlines())
        return "".join(lines)


class Lane:
    """A copy of the tree and its build output. Builds follow each other, runs go beside them."""

    def __init__(self, name, mutations, work, runs):
        self.name = name
        # Neighbours share the test binary, then the file: the less changes, the less is built.
        self.mutations = sorted(mutations, key=lambda m: (m.target, m.file))
        self.tree = work / name / "tree"
        self.out = work / name / "runs"
        self.runs = runs
        self.env = os.environ | {
            "CARGO_TARGET_DIR": str(work / name / "target"),
            "CARGO_INCREMENTAL": "1",
            "CARGO_PROFILE_DEV_DEBUG": "0",
            "RUST_BACKTRACE": "0",
            # As in .cargo/config.toml, which is for tests that cargo runs.
            "PROPTEST_RNG_SEED": "1",
        }
        self.cargo = "cargo test --all-features --locked --no-run --message-format=json".split()
        if name == "loom":
            self.env["RUSTFLAGS"] = "--cfg mfio_loom " + os.environ.get("RUSTFLAGS", "")
            self.env.setdefault("LOOM_MAX_PREEMPTIONS", "3")
            # Loom itself is built once and runs a lot.
            for package in ("loom", "generator"):
                self.cargo += ["--config", f"profile.dev.package.{package}.opt-level=3"]

    def copy_tree(self):
        """Copies every file that git knows or would add.

        The copies have new times: an earlier run may have left the build of a mutation behind.
        """
        shutil.rmtree(self.tree, ignore_errors=True)
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        command = "git ls-files -z --cached --others --exclude-standard".split()
        listed = subprocess.run(command, check=True, capture_output=True, text=True)
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, self.tree / name)

    def build(self, targets, log):
        """Builds tests of one package.

        Returns the path of each target's binary, and the targets that were not built anew.
        """
        (package,) = {target[0] for target in targets}
        command = [*self.cargo, "-p", package]
        for target in sorted(targets):
            command += target[1:]
        with open(log, "w") as errors:
            done = subprocess.run(
                command,
                cwd=self.tree,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        messages = [json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{"]
        if done.returncode != 0:
            with open(log, "a") as file:
                said = (m["message"]["rendered"] for m in messages if "message" in m)
                file.writelines(filter(None, said))
            raise Bad("does not compile")
        binaries, fresh = {}, set()
        for message in messages:
            if message["reason"] != "compiler-artifact" or not message.get("executable"):
                continue
            target = (package, "--lib")
            if message["target"]["kind"] == ["test"]:
                target = (package, "--test", message["target"]["name"])
            binaries[target] = message["executable"]
            if message["fresh"]:
                fresh.add(target)
        return binaries, fresh

    def run(self, binary, mutation, timeout, patience, log):
        """Runs a test; returns its verdict in a word or two."""
        command = [binary, mutation.filter, "--test-threads=1"]
        with open(log, "a") as file:
            process = subprocess.Popen(
                command,
                cwd=self.tree / "crates" / mutation.target[0],
                env=self.env | ({"MFIO_TEST_PATIENCE": patience} if patience else {}),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
                return "hangs"
        text = log.read_text(errors="replace")
        if status == 0:
            passed = re.search(r"^test result: ok\. [1-9]", text, re.MULTILINE)
            return "passes" if passed else "runs no test"
        if status < 0 or "test result: FAILED" in text:
            return "fails"
        return f"ends with status {status}"

    def unmutated(self):
        """Builds everything, runs each test, and returns the mutations whose test does not pass."""
        began = time.monotonic()
        log = self.out / "build-unmutated.log"
        targets = {m.target for m in self.mutations}
        binaries = {}
        try:
            for package in sorted({target[0] for target in targets}):
                binaries |= self.build({t for t in targets if t[0] == package}, log)[0]
        except Bad as bad:
            say(f"{self.name}: without a mutation: {bad}", log)
            return {m.name for m in self.mutations}
        say(f"{self.name}: built in {time.monotonic() - began:.0f} s")
        tests = {(m.target, m.filter): m for m in self.mutations}
        waiting = {}
        for number, ((target, _), mutation) in enumerate(tests.items()):
            log = self.out / f"unmutated-{number}.log"
            args = (binaries[target], mutation, UNMUTATED_TIMEOUT, None, log)
            waiting[self.runs.submit(self.run, *args)] = (mutation, log)
        bad = set()
        for future in concurrent.futures.as_completed(waiting):
            mutation, log = waiting[future]
            if future.result() != "passes":
                test = f"{' '.join(mutation.target)} {mutation.filter}"
                say(f"without a mutation, `{test}` {future.result()}", log)
                same = (mutation.target, mutation.filter)
                bad.update(m.name for m in self.mutations if (m.target, m.filter) == same)
        say(f"{self.name}: everything passes without a mutation, after {since(began)}")
        return bad

    def mutated(self, mutation):
        """Builds with the mutation; returns a future of whether its test notices."""
        began = time.monotonic()
        log = self.out / f"{mutation.name}.log"
        path = self.tree / mutation.file
        original = path.read_text()
        path.write_text(mutation.applied(self.tree))
        try:
            built, fresh = self.build({mutation.target}, log)
            if mutation.target in fresh:
                raise Bad("changes nothing that its test is built from")
            binary = self.out / mutation.name
            shutil.copy2(built[mutation.target], binary)
        finally:
            path.write_text(original)
        building = since(began)

        def finish():
            began = time.monotonic()
            verdict = self.run(str(binary), mutation, mutation.timeout, PATIENCE, log)
            binary.unlink()
            caught = verdict in ("fails", "hangs")
            told = f"caught: {verdict}" if caught else f"NOT CAUGHT: {verdict}"
            times = f"{building:>4} to build, {since(began):>4} to run"
            say(f"{mutation.name:<68} {told:<14} {times}", None if caught else log)
            return caught

        return self.runs.submit(finish)

    def all(self):
        """Runs the lane; returns the mutations that are not caught."""
        self.copy_tree()
        bad = self.unmutated()
        waiting = {}
        for mutation in self.mutations:
            if mutation.name in bad:
                continue
            try:
                waiting[mutation.name] = self.mutated(mutation)
            except Bad as reason:
                log = self.out / f"{mutation.name}.log"
                say(f"{mutation.name:<68} NOT CAUGHT: {reason}", log)
                bad.add(mutation.name)
        bad.update(name for name, future in waiting.items() if not future.result())
        return bad


def since(began):
    """The seconds since `began`, for people."""
    return f"{time.monotonic() - began:.0f} s"


def say(line, log=None):
    """Prints a line, and the end of a log below it."""
    with printing:
        print(line, flush=True)
        if log and log.is_file():
            for line in log.read_text(errors="replace").splitlines()[-30:]:
                print(f"    {line}", flush=True)


def load(only):
    """Returns the mutations, or those of `only`; exits where one of them cannot be applied."""
    mutations, problems = [], []
    entries = tomllib.loads(LIST.read_text())
    for name in only or entries:
        try:
            entry = entries.get(name)
            if entry is None:
                raise Bad(f"it is not in {LIST.name}")
            mutation = Mutation(name, entry)
            mutation.applied(ROOT)
            mutations.append(mutation)
        except Bad as bad:
            problems.append(f"{name}: {bad}")
    if problems:
        sys.exit("\n".join(f"mutations: {problem}" for problem in problems))
    return mutations


def run(mutations):
    """Runs them in their lanes; exits where one is not caught."""
    began = time.monotonic()
    work = pathlib.Path(os.environ["MUTATIONS_DIR"])
    lanes = {
        "loom": [m for m in mutations if m.loom],
        "tests": [m for m in mutations if not m.loom],
    }
    pool = concurrent.futures.ThreadPoolExecutor
    # Tests that hang take no processor, so there may be more runs than processors.
    with pool(4) as runs, pool(len(lanes)) as builds:
        working = [
            builds.submit(Lane(name, some, work, runs).all) for name, some in lanes.items() if some
        ]
        bad = sorted(name for lane in working for name in lane.result())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"mutations: {len(mutations) - len(bad)} of {len(mutations)} caught in {since(began)},"
        f" with {used.ru_utime + used.ru_stime:.0f} s of processor time"
    )
    if bad:
        sys.exit("not caught: " + ", ".join(bad))


def main():
    arguments, only, mode = sys.argv[1:], [], "run"
    while arguments:
        argument = arguments.pop(0)
        if argument == "--only" and arguments:
            only.append(arguments.pop(0))
        elif argument in ("--check", "--list"):
            mode = argument
        else:
            sys.exit(f"mutations: '{argument}'? There are --check, --list and --only NAME.")
    mutations = load(only)
    if mode == "--list":
        for m in mutations:
            print(f"{m.name}: {'loom' if m.loom else ' '.join(m.target)} {m.filter}")
    elif mode == "--check":
        print(f"mutations: {len(mutations)}, and each finds its line")
    else:
        run(mutations)


if __name__ == "__main__":
    main()
