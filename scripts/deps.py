"""Checks the dependencies of the workspace. Called by deps.sh, from the root of the repository."""

import json
import re
import subprocess
import sys
import tomllib

RULES = tomllib.load(open("deny.toml", "rb"))

# What users of the core compile, itself not counted: most crates by set of features and target.
LINUX, WINDOWS, BARE = "x86_64-unknown-linux-gnu", "x86_64-pc-windows-gnu", "x86_64-unknown-none"
CORE_LIMITS = {
    # features of `mfio`: {target: limit}
    (): {LINUX: 6, "aarch64-apple-darwin": 6, WINDOWS: 6, "wasm32-wasip1": 6},
}
# Without std exactly these and nothing else may be there: they are no_std, and small.
BARE_ALLOWED = {"bytemuck", "pin-project-lite"}
PUBLISHED = ["mfio", "mfio-layers", "mfio-rt"]

problems = []


def cargo(*args):
    """Standard output of cargo."""
    run = subprocess.run(["cargo", *args, "--locked"], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"deps: cargo {' '.join(args)} failed:\n{run.stderr}")
    return run.stdout


def tree(package, *args):
    """{(name, version)} of the normal (not dev, not build) dependencies; excludes the package."""
    edges = ["-e", "normal,no-proc-macro"]
    out = cargo("tree", "-p", package, *edges, "--prefix", "none", "--no-dedupe", *args)
    pairs = {tuple(line.split()[:2]) for line in out.splitlines() if line.strip()}
    return {(name, version.lstrip("v")) for name, version in pairs if name != package}


def licence_allowed(expression):
    """Evaluates an SPDX expression (AND, OR, parentheses, WITH) against the allow-list.

    AND binds tighter than OR.
    """
    allowed = set(RULES["licenses"]["allow"])
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))

    def either():
        value = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            value = both() or value
        return value

    def both():
        value = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            value = one() and value
        return value

    def one():
        token = tokens.pop(0)
        if token == "(":
            value = either()
            tokens.pop(0)
            return value
        if tokens[:1] == ["WITH"]:
            token = f"{token} WITH {tokens[1]}"
            del tokens[:2]
        return token in allowed

    return either()


def check_packages(metadata):
    """Licences and sources of everything in the lock file, tests' needs included."""
    registries = {f"registry+{url}" for url in RULES["sources"]["allow-registry"]}
    for package in metadata["packages"]:
        where = f"{package['name']} {package['version']}"
        licence = package["license"]
        if not licence or not licence_allowed(licence):
            problems.append(f"{where}: licence {licence!r} is not allowed by deny.toml")
        if package["source"] is not None and package["source"] not in registries:
            source = package["source"]
            problems.append(f"{where}: comes from {source}, which deny.toml does not allow")
    print(f"licences and sources: {len(metadata['packages'])} packages looked at")


def check_manifests(metadata):
    """What the published packages must say of themselves, and that no requirement is a wildcard."""
    members = set(metadata["workspace_members"])
    for package in (p for p in metadata["packages"] if p["id"] in members):
        name = package["name"]
        for dependency in package["dependencies"]:
            if dependency["req"] == "*" and "path" not in dependency:
                problems.append(f"{name}: depends on any version of {dependency['name']}")
        if package["publish"] == []:
            continue
        for field in ("description", "license", "readme", "rust_version"):
            if not package[field]:
                problems.append(f"{name}: Cargo.toml has no {field.replace('_', '-')}")
        listed = cargo("package", "-p", name, "--list", "--allow-dirty").split()
        for file in ("LICENSE-MIT", "LICENSE-APACHE", "README.md"):
            if file not in listed:
                problems.append(f"{name}: the package lacks {file}")


def check_core():
    """The size of the core."""
    for features, limits in CORE_LIMITS.items():
        flags = ["--features", ",".join(features)] if features else []
        for target, limit in limits.items():
            found = tree("mfio", "--target", target, *flags)
            names = ", ".join(sorted(name for name, _ in found))
            print(f"mfio on {target}: {len(found)} of at most {limit} ({names})")
            if len(found) > limit:
                problems.append(
                    f"mfio on {target}: {len(found)} dependencies, at most {limit} are agreed"
                )
    found = {name for name, _ in tree("mfio", "--target", BARE, "--no-default-features")}
    print(f"mfio without std: {len(found)} ({', '.join(sorted(found))})")
    if extra := found - BARE_ALLOWED:
        problems.append(f"mfio without std depends on {', '.join(sorted(extra))}")


def check_duplicates():
    """One version of each crate in what is published, per target, all features on."""
    for package in PUBLISHED:
        for target in (LINUX, "aarch64-apple-darwin", WINDOWS):
            versions = {}
            for name, version in tree(package, "--target", target, "--all-features"):
                versions.setdefault(name, set()).add(version)
            for name, found in versions.items():
                if len(found) > 1:
                    listed = ", ".join(sorted(found))
                    problems.append(f"{package} on {target}: {name} in versions {listed}")
            print(f"{package} on {target}, all features: {len(versions)} crates")


def main():
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--all-features"))
    check_packages(metadata)
    check_manifests(metadata)
    check_core()
    check_duplicates()
    for problem in problems:
        print(f"deps: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    print("deps: ok")


main()
