"""Records of a calibration in one text file of the repository: those of its page, and where another machine goes on.

JSON lines: settings and anchor first, then one record a line, its numbers to five digits.
"""

import json

from validation.calibration.fits import keep
from validation.records import read_lines, write_lines


def pack(folder, path):
    """Put settings, the anchor of the part `posterior` and all records of a folder into one file."""
    records = [
        {"part": found.parent.name, "index": int(found.stem), **rounded(json.loads(found.read_text()))}
        for found in sorted(folder.glob("*-*/[0-9]*.json"))
    ]
    anchor = folder / "anchor.json"
    head = {
        "settings": json.loads((folder / "settings.json").read_text()),
        "anchor": json.loads(anchor.read_text()) if anchor.exists() else None,
    }
    write_lines(path, [head, *records])


def unpack(path, folder):
    """Lay the records of a file into a folder of the same settings, but for those that it has."""
    if not path.exists():
        return
    head, *records = read_lines(path)
    if head["settings"] != json.loads((folder / "settings.json").read_text()):
        print(f"{path} is of another calibration: left aside")
        return
    if head["anchor"] is not None and not (folder / "anchor.json").exists():
        keep(folder / "anchor.json", head["anchor"])
    for record in records:
        place = folder / record.pop("part") / f"{record.pop('index'):04d}.json"
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            keep(place, record)


def rounded(value):
    """Round all numbers of nested records to five significant digits."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
