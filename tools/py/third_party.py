"""Writes THIRD-PARTY.md: the crates inside the `endocast` program, and their licences.

    python tools/py/third_party.py

Cargo says which crates the program links on each system, and fetches those that are not here yet.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = {
    "linux": "x86_64-unknown-linux-gnu",
    "macos": "aarch64-apple-darwin",
    "windows": "x86_64-pc-windows-msvc",
}
HEAD = """\
# Third-party crates

The `endocast` program, built with its default features, contains these crates besides its own. Crates
that only run while it is built are left out. A crate that offers Apache-2.0 is taken under it; the text
is in LICENSE-APACHE. The licence files of the others follow the table, the MIT one where there is a
choice, and NOTICE files where a crate has one.

The Rust standard library is inside too, under Apache-2.0; the notices of its parts come with the Rust
toolchain, in COPYRIGHT-library.html.

`python tools/py/third_party.py` writes this file.

| crate | version | licence | only on |
|---|---|---|---|
"""


def cargo(*arguments):
    return subprocess.check_output(["cargo", *arguments, "--locked"], cwd=ROOT, text=True)


def linked(target):
    """Names and versions of the crates in the program for a target."""
    tree = cargo(
        "tree", "--edges", "normal,no-proc-macro", "--target", target,
        "--prefix", "none", "--no-dedupe", "--format", "{p}",
    )
    crates = {tuple(line.split()[:2]) for line in tree.splitlines()}
    return {(name, version.removeprefix("v")) for name, version in crates}


def texts(package, *patterns):
    folder = Path(package["manifest_path"]).parent
    files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
    return [file.read_text(encoding="utf-8").strip("\n") for file in files]


def licence_texts(package):
    """The licence files of a crate, unless Apache-2.0 is a choice."""
    choices = re.split(" OR |/", package["license"])
    if "Apache-2.0" in choices:
        return []
    found = texts(package, "LICENSE-MIT*") if "MIT" in choices else []
    found = found or texts(package, "LICEN[CS]E*", "COPYING*")
    if not found:
        sys.exit(f"{package['name']} has no licence file")
    return found


def main():
    crates = {system: linked(target) for system, target in SYSTEMS.items()}
    rows = []
    users = {}
    packages = json.loads(cargo("metadata", "--format-version", "1"))["packages"]
    for package in sorted(packages, key=lambda package: (package["name"], package["version"])):
        name, version, licence = package["name"], package["version"], package["license"]
        systems = [system for system in SYSTEMS if (name, version) in crates[system]]
        if package["source"] is None or not systems:
            continue
        only = "" if len(systems) == len(SYSTEMS) else ", ".join(systems)
        rows.append(f"| {name} | {version} | {licence} | {only} |\n")
        for text in licence_texts(package) + texts(package, "NOTICE*"):
            users.setdefault(text, []).append(f"{name} {version}")
    sections = [f"\n## {', '.join(names)}\n\n```text\n{text}\n```\n" for text, names in users.items()]
    (ROOT / "THIRD-PARTY.md").write_text(
        HEAD + "".join(rows + sections), encoding="utf-8", newline="\n"
    )


if __name__ == "__main__":
    main()
