"""Keep `uv.lock` free of download addresses.

The tracked lock pins every version but names no index, so it works behind any mirror. uv fills in
addresses and hashes again at the first sync.

    python tools/lock.py strip < uv.lock    the address-free form of stdin (a git clean filter)
    python tools/lock.py check              fail if the committed lock holds an address or is out of date
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

PLACEHOLDER = 'source = { registry = "index" }'
ROOT = Path(__file__).resolve().parent.parent


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


def check() -> list[str]:
    """What is wrong with the lock that git tracks, in sentences."""
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
    return problems


def main() -> int:
    match sys.argv[1:]:
        case ["strip"]:
            sys.stdout.write(strip(sys.stdin.read()))
            return 0
        case ["check"]:
            problems = check()
            for problem in problems:
                print(problem, file=sys.stderr)
            if not problems:
                print("uv.lock: address-free and current")
            return 1 if problems else 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    raise SystemExit(main())
