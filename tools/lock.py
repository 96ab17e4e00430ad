"""Keep `uv.lock` free of download addresses, and what they lead to known by its hash.

The tracked lock pins every version but names no index, so it works behind any mirror. uv fills in
addresses and hashes again at the first sync. `requirements.lock` holds the hashes and no address, so
that no mirror need be trusted.

    python tools/lock.py strip < uv.lock    the address-free form of stdin (a git clean filter)
    python tools/lock.py export             write requirements.lock, and .ci/uv.txt with uv's own hashes
    python tools/lock.py check              fail if the committed lock holds an address or is out of date, or if
                                            requirements.lock does not hold the hash of every file in use
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

PLACEHOLDER = 'source = { registry = "index" }'
ROOT = Path(__file__).resolve().parent.parent
HASHES = "requirements.lock"
UV = ".ci/uv.txt"


def strip(text: str) -> str:
    """Drop `sdist`, `wheels` and `[package.metadata]`; replace the registry by a placeholder."""
    text = re.sub(r"^wheels = \[\n(?:    .*\n)*\]\n", "", text, flags=re.M)
    text = re.sub(r"^sdist = \{.*\}\n", "", text, flags=re.M)
    text = re.sub(r'^source = \{ registry = "[^"]*" \}$', PLACEHOLDER, text, flags=re.M)
    # A metadata table runs to the next package; uv derives it again from the members' pyproject.toml.
    text = re.sub(r"^\[package\.metadata(?:\.[a-z-]+)?\]\n(?:(?!\[).+\n|\n(?!\[))*", "", text, flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"


def pins(lock: str) -> set[str]:
    """The `name==version` of every locked package."""
    found = re.findall(r'^name = "([^"]+)"\nversion = "([^"]+)"', lock, flags=re.M)
    return {f"{name}=={version}" for name, version in found}


def hashes(requirements: str) -> dict[str, set[str]]:
    """`name==version` -> the SHA-256 of its files, of a requirements file."""
    found: dict[str, set[str]] = {}
    joined = requirements.replace("\\\n", " ")
    for line in joined.splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+==[^\s;]+)", line):
            found.setdefault(match[1], set()).update(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
    return found


def export() -> None:
    """Write the hashes of all that is locked."""
    options = ["--all-packages", "--no-emit-workspace", "--no-header", "--no-annotate", "--quiet"]
    (ROOT / HASHES).write_text(_without_addresses(_uv("export", *options, "--format", "requirements-txt")))


def pin_uv() -> None:
    """Pin the uv that runs this, by its hashes: the one that wrote the lock is the one that CI takes."""
    options = ["--generate-hashes", "--no-deps", "--no-header", "--no-annotate", "--quiet"]
    running = f"uv=={_uv('--version').split()[1]}\n"
    (ROOT / UV).write_text(_without_addresses(_uv("pip", "compile", "-", *options, stdin=running)))


def _uv(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(["uv", *arguments], cwd=ROOT, input=stdin, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def _without_addresses(requirements: str) -> str:
    """Drop the lines that name an index."""
    return "".join(line for line in requirements.splitlines(keepends=True) if not line.startswith("--"))


def hash_problems(tracked_lock: str, requirements: str, working_lock: str) -> list[str]:
    """Problems with the tracked hashes, one sentence each.

    Args:
        tracked_lock: `uv.lock` as tracked.
        requirements: `requirements.lock`.
        working_lock: `uv.lock` as uv has filled it in from its index, with hashes or still without.

    """
    known = hashes(requirements)
    packages = [p for p in tomllib.loads(tracked_lock).get("package", []) if "registry" in p["source"]]
    pinned = {f"{p['name']}=={p['version']}" for p in packages}
    problems = []
    if "://" in requirements:
        problems.append(f"{HASHES} holds an address: run `python tools/lock.py export`")
    if changed := sorted(pinned ^ known.keys()):
        problems.append(f"{HASHES} pins others than uv.lock ({', '.join(changed[:6])}): run `uv run poe hashes`")
    if bare := sorted(pin for pin, found in known.items() if not found):
        problems.append(f"{HASHES} holds no hash of {', '.join(bare[:6])}: run `uv run poe hashes`")
    for package in tomllib.loads(working_lock).get("package", []):
        pin, used = f"{package['name']}=={package['version']}", used_file(package)
        if used and pin in known and used["hash"].removeprefix("sha256:") not in known[pin]:
            problems.append(
                f"the index has a file of {pin} whose hash is not in {HASHES} ({_file_name(used)}): trust neither "
                "before you know why; if it is right, run `uv run poe hashes`"
            )
    return problems


def used_file(package: dict) -> dict | None:
    """The locked file that this platform installs, if its hash is in the lock."""
    from packaging.tags import sys_tags  # not at the top: git runs `strip` with whatever Python there is
    from packaging.utils import parse_wheel_filename

    rank = {tag: i for i, tag in enumerate(sys_tags())}
    ranked = []
    for wheel in package.get("wheels", []):
        _, _, build, tags = parse_wheel_filename(_file_name(wheel))
        if fitting := [rank[tag] for tag in tags if tag in rank]:
            ranked.append((min(fitting), [-int(n) for n in build[:1]], _file_name(wheel), wheel))
    chosen = min(ranked)[-1] if ranked else package.get("sdist")
    return chosen if chosen and "hash" in chosen else None


def _file_name(file: dict) -> str:
    from urllib.parse import unquote

    return unquote(str(file.get("url") or file.get("path") or file.get("filename")).rpartition("/")[2])


def check() -> list[str]:
    """Problems with the lock that git tracks, one sentence each."""
    shown = subprocess.run(["git", "show", ":uv.lock"], cwd=ROOT, capture_output=True, text=True)
    if shown.returncode:
        return ["uv.lock is not tracked: `git add uv.lock`"]
    tracked = shown.stdout
    problems = []
    addresses = [n for n, line in enumerate(tracked.splitlines(), 1) if "://" in line]
    if addresses:
        problems.append(
            f"uv.lock as tracked holds addresses (line {addresses[0]}): run `uv run poe setup`, "
            "then `git add --renormalize uv.lock`"
        )
    with tempfile.TemporaryDirectory() as folder:
        manifests = [
            p
            for pattern in ("pyproject.toml", "*/pyproject.toml", "*/*/pyproject.toml")
            for p in ROOT.glob(pattern)
            if ".venv" not in p.parts
        ]
        for path in [*manifests, ROOT / ".python-version"]:
            copy = Path(folder) / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
        lock = Path(folder) / "uv.lock"
        lock.write_text(tracked)
        ran = subprocess.run(["uv", "lock", "--quiet"], cwd=folder, capture_output=True, text=True)
        if ran.returncode:
            return [*problems, f"uv could not resolve the tracked lock: {ran.stderr.strip()}"]
        now = lock.read_text()
    if changed := sorted(pins(tracked) ^ pins(now)):
        problems.append(f"uv.lock is out of date ({', '.join(changed[:6])}): run `uv lock` and commit it")
    elif strip(tracked) != strip(now):
        problems.append("uv.lock is out of date with a pyproject.toml: run `uv lock` and commit it")
    shown = subprocess.run(["git", "show", f":{HASHES}"], cwd=ROOT, capture_output=True, text=True)
    if shown.returncode:
        return [*problems, f"{HASHES} is not tracked: run `uv run poe hashes`, then `git add {HASHES}`"]
    return problems + hash_problems(tracked, shown.stdout, (ROOT / "uv.lock").read_text())


def main() -> int:
    match sys.argv[1:]:
        case ["strip"]:
            sys.stdout.write(strip(sys.stdin.read()))
            return 0
        case ["export"]:
            export()
            pin_uv()
            return 0
        case ["check"]:
            problems = check()
            for problem in problems:
                print(problem, file=sys.stderr)
            if not problems:
                print(f"uv.lock: address-free and current; {HASHES}: every file in use has its hash")
            return 1 if problems else 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    raise SystemExit(main())
