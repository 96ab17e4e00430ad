"""Galaxy files, TOML and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .case import Build, Case, change, replace, take

HEAD = 'kind = "galaxy"\nschema_version = "1.3"\n'
LONG = "x" * 400
MGE = "[stars]\nkind = 'mge'\n"
TABLE = "[disc]\nprofile = 'table'\n"
EDITS = {
    "galaxy is a list": ('name = "Toy"', "name = [1, 2, 3]"),
    "version is a list": ('schema_version = "1.3"', 'schema_version = ["1", "1"]'),
    "version is a number": ('schema_version = "1.3"', "schema_version = 1.3"),
    "version is a table": ('schema_version = "1.3"', "schema_version = { major = 1 }"),
    "version of many digits": ('schema_version = "1.3"', f'schema_version = "{"9" * 6000}.1"'),
    "version is negative": ('schema_version = "1.3"', 'schema_version = "-1.3"'),
    "version commands the terminal": ('schema_version = "1.3"', 'schema_version = "\\u001b[2J1.3"'),
    "kind is a list": ('kind = "galaxy"', 'kind = ["galaxy"]'),
    "kind is a table": ('kind = "galaxy"', "kind = { a = 1 }"),
    "kind is unknown": ('kind = "galaxy"', 'kind = "quasar"'),
    "kind commands the terminal": ('kind = "galaxy"', 'kind = "\\u001b]0;owned\\u0007"'),
    "name of a control character": ('name = "Toy"', 'name = "a\\u0007b"'),
    "name of a line break": ('name = "Toy"', 'name = "a\\nerror: b"'),
    "name that turns the writing": ('name = "Toy"', 'name = "a\\u202eb"'),
    "name is empty": ('name = "Toy"', 'name = ""'),
    "name is a boolean": ('name = "Toy"', "name = true"),
    "key commands the terminal": ('name = "Toy"', 'name = "Toy"\n"\\u001b[31mred" = 1'),
    "key of 400 characters": ('name = "Toy"', f'name = "Toy"\n{LONG} = 1'),
    "distance is NaN": ("mpc = 10.0", "mpc = nan"),
    "distance is infinite": ("mpc = 10.0", "mpc = inf"),
    "distance is negative": ("mpc = 10.0", "mpc = -10.0"),
    "distance is zero": ("mpc = 10.0", "mpc = 0"),
    "distance is a date": ("mpc = 10.0", "mpc = 1979-05-27"),
    "distance is an integer of 5000 digits": ("mpc = 10.0", "mpc = " + "9" * 5000),
    "distance is text": ("mpc = 10.0", 'mpc = "ten"'),
    "distance is a number": ("[distance]\nmpc = 10.0", "distance = 10.0"),
    "frequency is NaN": ("rest_frequency_hz = 230.538e9", "rest_frequency_hz = nan"),
    "frequency is zero": ("rest_frequency_hz = 230.538e9", "rest_frequency_hz = 0.0"),
    "frequency is 1e308": ("rest_frequency_hz = 230.538e9", "rest_frequency_hz = 1e308"),
    "redshift below -1": ("rest_frequency_hz = 230.538e9", "rest_frequency_hz = 230.538e9\nredshift = -2.0"),
    "data is a list": ('[data]\npath = "toy.zarr"\ngrid = { cell_arcsec = 0.25, npix = 24 }', "data = [1]"),
    "path is empty": ('path = "toy.zarr"', 'path = ""'),
    "path is a number": ('path = "toy.zarr"', "path = 1"),
    "npix is huge": ("npix = 24", "npix = 1000000000"),
    "npix is negative": ("npix = 24", "npix = -24"),
    "npix is 2^63": ("npix = 24", "npix = 9223372036854775808"),
    "npix is NaN": ("npix = 24", "npix = nan"),
    "npix is a list": ("npix = 24", "npix = [24]"),
    "cell is zero": ("cell_arcsec = 0.25", "cell_arcsec = 0.0"),
    "cell is infinite": ("cell_arcsec = 0.25", "cell_arcsec = inf"),
    "cell is negative": ("cell_arcsec = 0.25", "cell_arcsec = -0.25"),
    "chains without number": ("n_chains = 4", "n_chains = 0"),
    "chains are 1e12": ("n_chains = 4", "n_chains = 1000000000000"),
    "chains are half": ("n_chains = 4", "n_chains = 4.5"),
    "seed is 2^63": ("n_chains = 4", "seed = 9223372036854775808"),
    "seed is negative": ("n_chains = 4", "seed = -1"),
    "steps are negative": ("max_steps = 2000", "max_steps = -1"),
    "steps are 2^70": ("max_steps = 2000", f"max_steps = {2**70}"),
    "checkpoints are NaN": ("max_steps = 2000", "checkpoint_s = nan"),
    "effective samples are infinite": ("max_steps = 2000", "target_ess = inf"),
    "prior of low above high": ("low = 0.5, high = 0.9", "low = 0.9, high = 0.5"),
    "prior from NaN": ("low = 0.5, high = 0.9", "low = nan, high = 0.9"),
    "prior to infinity": ("low = 6.0, high = 10.0", "low = 6.0, high = inf"),
    "prior of no width": ("low = 0.5, high = 0.9", "low = 0.5, high = 0.5"),
    "prior of an unknown kind": ('kind = "fixed", value = 1.5', 'kind = "exec", value = 1.5'),
    "prior is a list": ('alpha = { kind = "fixed", value = 1.5 }', "alpha = [1, 2]"),
    "prior is fixed to text": ('kind = "fixed", value = 1.5', 'kind = "fixed", value = "import os"'),
    "prior of no spread": ('kind = "fixed", value = 1.5', 'kind = "normal", mean = 1.5, sd = 0.0'),
    "prior of nothing": ("[truth]", 'a_parameter_of_nothing = { kind = "fixed", value = 1.0 }\n\n[truth]'),
    "truth is NaN": ("log10_mbh = 8.9", "log10_mbh = nan"),
    "truth is infinite": ("log10_mbh = 8.9", "log10_mbh = inf"),
    "truth is text": ("log10_mbh = 8.9", 'log10_mbh = "heavy"'),
    "key twice": ('name = "Toy"', 'name = "Toy"\nname = "Toy"'),
    "stars of unequal lists": (
        "[sampler]",
        MGE + "surface_brightness_lsun_pc2 = [1e3, 2.0]\nsigma_arcsec = [1.0]\n\n[sampler]",
    ),
    "stars of NaN": (
        "[sampler]",
        MGE + "surface_brightness_lsun_pc2 = [nan]\nsigma_arcsec = [1.0]\nq_obs = [0.9]\n\n[sampler]",
    ),
    "stars of widths below zero": (
        "[sampler]",
        MGE + "surface_brightness_lsun_pc2 = [1.0]\nsigma_arcsec = [-1.0]\nq_obs = [0.9]\n\n[sampler]",
    ),
    "surrogate is a list": ("[sampler]", "[stars]\nkind = 'nuker'\nsurrogate = ['../..']\n\n[sampler]"),
    "table of NaN": (
        "[sampler]",
        TABLE + "table = { radius_arcsec = [0.0, nan], surface_brightness = [1.0, 0.0] }\n\n[sampler]",
    ),
    "table not ascending": (
        "[sampler]",
        TABLE + "table = { radius_arcsec = [1.0, 0.0], surface_brightness = [1.0, 0.0] }\n\n[sampler]",
    ),
    "warp of infinity": (
        "[sampler]",
        "[disc]\nwarp = { reference_arcsec = inf, outer_arcsec = 1.0 }\n\n[sampler]",
    ),
}
"""By name: what is replaced in the valid file, and by what."""
VALID = {
    "name of 400 characters": ('name = "Toy"', f'name = "{LONG}"'),
    "name of dots": ('name = "Toy"', 'name = "../../Toy"'),
    "path of a null character": ('path = "toy.zarr"', 'path = "a\\u0000b"'),
    "path of control characters": ('path = "toy.zarr"', 'path = "\\u001b[2J\\n"'),
    "path of 5000 characters": ('path = "toy.zarr"', f'path = "{5000 * "y"}"'),
}
"""Valid galaxy files that cannot be fitted."""
TOML = {
    "empty": b"",
    "one byte": b"\xff",
    "zeros": bytes(4096),
    "UTF-16": (HEAD + 'name = "Toy"\n').encode("utf-16"),
    "arrays to recursion": (HEAD + "a = " + 20_000 * "[" + 20_000 * "]" + "\n").encode(),
    "tables to recursion": (HEAD + "a = " + 5_000 * "{a=" + "1" + 5_000 * "}" + "\n").encode(),
    "dotted to recursion": (HEAD + "a." * 20_000 + "b = 1\n").encode(),
    "header to recursion": (HEAD + "[" + "a." * 20_000 + "b]\n").encode(),
    "galaxy is an array": b"galaxy = [1,2,3]\n",
    "kind alone": b'kind = "galaxy"\n',
    "kind and version alone": HEAD.encode(),
    "an unclosed text": (HEAD + 'name = "Toy').encode(),
    "a control character": (HEAD + "name = \x1b[2J\n").encode(),
    "a text of a megabyte": (HEAD + f'name = "{"y" * 2**20}"\n').encode(),
    "a thousand unknown keys": (HEAD + "".join(f"k{i} = {i}\n" for i in range(1000))).encode(),
}
JSON = {
    "empty": b"",
    "a list": b"[]",
    "null": b"null",
    "a number": b"1e999",
    "text": b'"galaxy"',
    "an empty object": b"{}",
    "arrays to recursion": b"[" * 100_000,
    "objects to recursion": b'{"a":' * 100_000,
    "closed arrays to recursion": b'{"kind":"galaxy","schema_version":"1.3","a":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "an integer of 5000 digits": b'{"kind":"galaxy","schema_version":"1.3","name":' + b"9" * 5000 + b"}",
    "not finite": b'{"kind":"galaxy","schema_version":"1.3","name":"x","distance":{"mpc":NaN}}',
    "half a surrogate pair": b'{"kind":"galaxy","schema_version":"1.3","name":"\\ud800","distance":{"mpc":1}}',
    "half a surrogate pair as key": b'{"kind":"galaxy","schema_version":"1.3","\\ud800":1}',
    "half a surrogate pair as kind": b'{"kind":"\\udfff","schema_version":"1.3"}',
    "a byte that is no UTF-8": b'{"kind":"galaxy\xff"}',
    "a kind of another contract": b'{"kind":"visibilities","schema_version":"1.0"}',
    "a record without fields": b'{"kind":"job_record","schema_version":"1.0"}',
}


def cases() -> Iterator[Case]:
    """Yield the cases of this door."""
    for name, (old, new) in EDITS.items():
        yield Case("galaxy", name, _edited(old, new))
    for name, content in TOML.items():
        yield Case("galaxy", f"TOML: {name}", _raw("hostile.toml", content))
    for name, content in JSON.items():
        yield Case("galaxy", f"JSON: {name}", _raw("hostile.json", content))
    for name in ("galaxy is a list", "npix is huge", "version is a list"):
        yield Case("galaxy", f"{name}, fitted", _edited(*EDITS[name], ["steelyard", "fit", "toy.toml", "-o", "out"]))
        simulate = ["steelyard", "simulate", "toy.toml", "-o", "out.zarr", "--noise-jy", "1", "--antennas"]
        yield Case("galaxy", f"{name}, simulated", _edited(*EDITS[name], [*simulate, "antennas.cfg"]))
    for name, (old, new) in VALID.items():
        yield Case("galaxy", f"{name}, fitted", _edited(old, new, ["steelyard", "fit", "toy.toml"]))


def _edited(old: str, new: str, argv: list[str] | None = None) -> Build:
    def build(folder: Path, valid: Path) -> list[str]:
        take(folder, valid, "antennas.cfg")
        change(take(folder, valid, "toy.toml"), replace(old, new))
        return argv or ["steelyard", "validate", "toy.toml"]

    return build


def _raw(name: str, content: bytes) -> Build:
    def build(folder: Path, valid: Path) -> list[str]:
        (folder / name).write_bytes(content)
        return ["steelyard", "validate", name]

    return build
