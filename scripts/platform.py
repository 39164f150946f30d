"""Runs the tests of another platform and prints how many ran, file by file, as a table of Markdown.
Called from the root.

usage: platform.py PLATFORM RUNNER -- COMMAND...

COMMAND is the `cargo test` that builds the tests; RUNNER runs one executable. platforms.toml has
the reason for each file and test that cannot run there. Fails if a test fails, if a file runs
fewer tests than its source has without a reason, and if a reason is out of date.
"""

import dataclasses
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tomllib

# Seconds for one executable. Only a hang takes as long.
PATIENCE = 900

RESULT = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. *(ok|FAILED|ignored)?", re.MULTILINE)
SKIPPED = re.compile(r"^SKIPPED (\S+): ([^:]*): ", re.MULTILINE)


@dataclasses.dataclass
class File:
    """The outcome of one test executable."""

    name: str
    in_source: int | None
    ran: int = 0
    failed: list = dataclasses.field(default_factory=list)
    cannot: dict = dataclasses.field(default_factory=dict)  # test: reason
    in_part: set = dataclasses.field(default_factory=set)  # (test, driver that it left out)


def build(command):
    """(package, target, kind, source, executable) of each test executable."""
    built = subprocess.run([*command, "--no-run", "--message-format=json"], stdout=subprocess.PIPE)
    messages = [json.loads(line) for line in built.stdout.decode().splitlines() if line[:1] == "{"]
    if built.returncode != 0:
        for message in messages:
            sys.stderr.write((message.get("message") or {}).get("rendered") or "")
        sys.exit(f"platform.py: {shlex.join(command)} failed")
    for message in messages:
        if message.get("executable") and message["profile"]["test"]:
            package = pathlib.Path(message["manifest_path"]).parent
            target = message["target"]
            source = pathlib.Path(target["src_path"])
            yield package, target["name"], target["kind"][0], source, message["executable"]


def tests_in(kind, source):
    """The number of tests in the source of an integration test; None for others."""
    if kind != "test":
        return None
    elsewhere = re.findall(r'#\[path = "(.*)"\]', source.read_text())
    files = source.parent.rglob("*.rs") if source.name == "main.rs" else [source]
    files = [*files, *(source.parent / path for path in elsewhere)]
    return sum(len(re.findall(r"#\[(?:tokio::)?test\b", file.read_text())) for file in files)


def run(file, runner, executable, directory, known):
    """Runs an executable; again without the test at which it stopped, where panics abort."""
    # What cargo would set, the seed of random tests among it.
    cargo_config = tomllib.loads(pathlib.Path(".cargo/config.toml").read_text())
    environment = {**cargo_config["env"], **os.environ}
    done = set()
    for _ in range(200):
        skip = [part for test in (*file.cannot, *done) for part in ("--skip", test)]
        exact = ["--exact"] if skip else []
        command = [*runner, executable, "--show-output", *exact, *skip]
        try:
            got = subprocess.run(
                command, cwd=directory, env=environment, capture_output=True, timeout=PATIENCE
            )
            text, status = got.stdout.decode(errors="replace"), got.returncode
            complaint = got.stderr.decode(errors="replace")
        except subprocess.TimeoutExpired as late:
            text, status, complaint = (late.stdout or b"").decode(errors="replace"), -1, "hangs"
        file.in_part.update(SKIPPED.findall(text + complaint))
        stopped = None
        for test, result in RESULT.findall(text.replace("\r", "")):
            if result == "ok":
                file.ran += 1
                done.add(test)
            elif result == "ignored":
                file.cannot.setdefault(test, known.get(test, "ignored there"))
            else:
                stopped = test if not result else stopped
                if test in known:
                    file.cannot[test] = known[test]
                else:
                    file.failed.append(f"{test}: {result or complaint.strip()[-400:]}")
                done.add(test)
        if status == 0 or (stopped is None and "test result:" in text):
            return
        if stopped is None:
            file.failed.append(f"status {status}: {complaint.strip()[-400:]}")
            return


def main():
    split = sys.argv.index("--")
    platform, runner, command = sys.argv[1], shlex.split(sys.argv[2]), sys.argv[split + 1 :]
    reasons = tomllib.loads(pathlib.Path("scripts/platforms.toml").read_text())[platform]
    about_files, about_tests = reasons.get("files", {}), reasons.get("tests", {})
    files, problems, stale = [], [], set(about_tests)
    for package, target, kind, source, executable in build(command):
        name = f"{package.name}/{target if kind == 'test' else kind}"
        known = {
            test.partition(" ")[2]: reason
            for test, reason in about_tests.items()
            if test.partition(" ")[0] == name
        }
        file = File(name, tests_in(kind, source), cannot=dict(known))
        run(file, runner, os.path.abspath(executable), package, known)
        stale -= {f"{name} {test}" for test in file.cannot}
        files.append(file)
        short = file.in_source is not None and file.ran + len(file.cannot) < file.in_source
        if short and name not in about_files:
            problems.append(f"{name}: {file.ran} of {file.in_source} tests, and no reason given")
        if not short and name in about_files:
            problems.append(f"{name}: a reason is listed, and all tests are there")
        problems += [f"{name}: {failed}" for failed in file.failed]
    problems += [f"{test}: is listed, and there is no such test" for test in stale if files]
    tell(platform, files, about_files)
    if problems:
        sys.exit("platform.py: " + "\n".join(problems))


def tell(platform, files, about_files):
    print(f"\n| {platform}: file | ran | of | left out, and why |\n|---|---|---|---|")
    for file in sorted(files, key=lambda file: file.name):
        why = [about_files[file.name]] if file.name in about_files else []
        why += [f"`{test}`: {reason}" for test, reason in sorted(file.cannot.items())]
        if file.in_part:
            drivers = ", ".join(sorted({driver for _, driver in file.in_part}))
            why.append(f"{len(file.in_part)} tests leave out their part for {drivers}")
        of = "" if file.in_source is None else file.in_source
        print(f"| `{file.name}` | {file.ran} | {of} | {'; '.join(why)} |")
    print(f"| all | {sum(file.ran for file in files)} | | |")


if __name__ == "__main__":
    main()
