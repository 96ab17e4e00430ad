import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from steelyard_schemas import GriddedVisibilities, NoiseReport, Observation, Store, Visibilities

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture(scope="session")
def data_dir():
    folder = Path(os.environ.get("STEELYARD_DATA", SHARED))
    if not (folder / "mock_small.ms.tar.gz").is_file():
        pytest.skip("the shared visibilities are absent; set STEELYARD_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def unpacked(data_dir, tmp_path_factory):
    """Return a function that unpacks a Measurement Set of the shared data, once a session."""
    pytest.importorskip("casacore.tables", reason="python-casacore reads Measurement Sets")
    folder = tmp_path_factory.mktemp("unpacked")

    def unpack(name):
        target = folder / name
        if not target.exists():
            with tarfile.open(data_dir / f"{name}.tar.gz") as archive:
                archive.extractall(folder, filter="data")
        return target

    return unpack


FIVE_CHANNELS_HZ = 1.4e9 + 1e5 * np.arange(5)
VLA_M = np.array([[-1601185.0, -5041977.5, 3554875.9]]) + 100.0 * np.arange(9).reshape(3, 3)


def fill_table(tables, path, name, n, **columns):
    """Add rows to a subtable of a Measurement Set and fill columns of it."""
    table = tables.table(f"{path}/{name}", ack=False, readonly=False)
    table.addrows(n)
    for column, values in columns.items():
        for row, value in enumerate(values):
            table.putcell(column, row, value)
    table.close()


@pytest.fixture
def make_ms(tmp_path):
    """Return a function that writes a Measurement Set of 3 antennas (autocorrelations too), 4 integrations.

    It returns the path and what was put in each column. Integration t is scan 4 + t and observation t % 2. Fields lie
    at `directions`, PHASE_DIR in radians, or apart by 0.01 in declination.
    """
    return ms_writer(tmp_path)


def ms_writer(folder):
    """Return the function that `make_ms` is, for a folder; for tools that run without pytest."""
    tables = pytest.importorskip("casacore.tables", reason="python-casacore reads Measurement Sets")

    def make(
        *,
        column="DATA",
        frequency=FIVE_CHANNELS_HZ,
        width=1e5,
        corr_type=(5, 6, 7, 8),
        n_fields=1,
        directions=None,
        n_spws=1,
        spectrum=False,
        edit=None,
        name="odd name",
    ):
        path = folder / name
        rng = np.random.default_rng(0)
        n_corr, n_channels = len(corr_type), len(frequency)
        shape = {"ndim": 2}
        extra = tables.maketabdesc(
            [tables.makearrcoldesc(column, 0j, valuetype="complex", **shape)]
            + ([tables.makearrcoldesc("WEIGHT_SPECTRUM", 0.0, valuetype="float", **shape)] if spectrum else [])
        )
        main = tables.default_ms(str(path), extra)
        widths = [np.broadcast_to(width, n_channels)] * n_spws if np.ndim(width) < 2 else width
        fill_table(
            tables,
            path,
            "SPECTRAL_WINDOW",
            n_spws,
            CHAN_FREQ=[np.asarray(frequency) + 1e8 * i for i in range(n_spws)],
            CHAN_WIDTH=widths,
            NUM_CHAN=[n_channels] * n_spws,
            MEAS_FREQ_REF=[5] * n_spws,
            NAME=[f"window{i}" for i in range(n_spws)],
        )
        fill_table(
            tables, path, "DATA_DESCRIPTION", n_spws, SPECTRAL_WINDOW_ID=range(n_spws), POLARIZATION_ID=[0] * n_spws
        )
        fill_table(tables, path, "POLARIZATION", 1, CORR_TYPE=[np.array(corr_type)], NUM_CORR=[n_corr])
        fill_table(
            tables,
            path,
            "FIELD",
            n_fields,
            NAME=[f"galaxy{i}" for i in range(n_fields)],
            PHASE_DIR=directions or [np.array([[-1.0, 0.2 + 0.01 * i]]) for i in range(n_fields)],
            SOURCE_ID=range(n_fields),
        )
        fill_table(tables, path, "ANTENNA", 3, DISH_DIAMETER=[25.0] * 3, NAME=list("abc"), POSITION=VLA_M)
        fill_table(tables, path, "OBSERVATION", 2, TELESCOPE_NAME=["VLA", "VLA"])
        pairs = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2)]
        keys = [(t, f, d, p) for t in range(4) for f in range(n_fields) for d in range(n_spws) for p in pairs]
        n = len(keys)
        main.addrows(n)
        value = {
            column: rng.standard_normal((n, n_channels, n_corr)) + 1j * rng.standard_normal((n, n_channels, n_corr)),
            "FLAG": rng.random((n, n_channels, n_corr)) < 0.2,
            "FLAG_ROW": np.arange(n) % 11 == 7,
            "WEIGHT": rng.uniform(1, 2, (n, n_corr)).astype(np.float32),
            "SIGMA": np.ones((n, n_corr), np.float32),
            "UVW": 100 * rng.standard_normal((n, 3)),
            "TIME": np.array([5e9 + 10.0 * k[0] for k in keys]),
            "FIELD_ID": np.array([k[1] for k in keys]),
            "DATA_DESC_ID": np.array([k[2] for k in keys]),
            "ANTENNA1": np.array([k[3][0] for k in keys]),
            "ANTENNA2": np.array([k[3][1] for k in keys]),
            "SCAN_NUMBER": np.array([4 + k[0] for k in keys]),
            "OBSERVATION_ID": np.array([k[0] % 2 for k in keys]),
        }
        if spectrum:
            value["WEIGHT_SPECTRUM"] = rng.uniform(1, 2, value[column].shape).astype(np.float32)
        if edit:
            edit(value)
        for key, array in value.items():
            main.putcol(key, array)
        main.close()
        return path, value

    return make


@pytest.fixture
def make_vis():
    """Return a function that makes a Visibilities store from arrays; what is left out gets a plain value."""

    def make(u_m, v_m, vis, weight=None, flag=None, *, times=None, baseline=None, frequency_hz=None, **observation):
        n_rows, n_channels = vis.shape
        frequency = 230e9 + 1e6 * np.arange(n_channels) if frequency_hz is None else np.asarray(frequency_hz, float)
        baseline = np.arange(n_rows) if baseline is None else baseline
        about = {
            "target": "synthetic",
            "telescope": "ALMA",
            "dish_diameter_m": 12.0,
            "phase_centre_ra_deg": 150.0,
            "phase_centre_dec_deg": 2.0,
            "frequency_frame": "LSRK",
            "rest_frequency_hz": 230.538e9,
        }
        arrays = {
            "u_m": np.asarray(u_m, float),
            "v_m": np.asarray(v_m, float),
            "w_m": np.zeros(n_rows),
            "vis": vis.astype(np.complex64),
            "weight": np.ones(vis.shape, np.float32) if weight is None else weight.astype(np.float32),
            "flag": np.zeros(vis.shape, bool) if flag is None else flag,
            "time_mjd_s": np.zeros(n_rows) if times is None else np.asarray(times, float),
            "antenna1": np.zeros(n_rows, np.int32),
            "antenna2": (1 + np.asarray(baseline)).astype(np.int32),
            "scan": np.ones(n_rows, np.int32),
            "frequency_hz": frequency,
            "channel_width_hz": np.full(n_channels, 1e6),
        }
        store = Store(Visibilities(observation=Observation(**(about | observation)), source="synthetic"), arrays)
        store.check()
        return store

    return make


@pytest.fixture(scope="session")
def make_gridded():
    """Return a function that makes a gridded store of cells as given, [channel, v, u], zero outside the mask."""

    def make(mean, variance, dof, mask, *, cell_arcsec, kernel, rest_frequency_hz, frequency_hz, count=None):
        npix = mask.shape[1]
        pixel_rad = np.radians(cell_arcsec / 3600)
        manifest = GriddedVisibilities(
            observation=Observation(
                target="made",
                telescope="ALMA",
                dish_diameter_m=12.0,
                phase_centre_ra_deg=0.0,
                phase_centre_dec_deg=0.0,
                frequency_frame="LSRK",
                rest_frequency_hz=rest_frequency_hz,
            ),
            npix=npix,
            cell_arcsec=cell_arcsec,
            channel_width_hz=float(np.diff(frequency_hz)[0]) if frequency_hz.size > 1 else 8e6,
            kernel=kernel,
            noise=NoiseReport(
                visibility_noise_jy=1.0,
                weight_scale=1.0,
                n_used=1,
                n_flagged=0,
                n_outside=0,
                n_cells_scatter=1,
                n_cells_propagated=0,
            ),
            source="made",
        )
        cells = {"mean": (mean, np.complex64), "variance": (variance, np.float32), "dof": (dof, np.float32)}
        cells["count"] = (mask if count is None else count, np.int32)
        store = Store(
            manifest,
            {name: np.where(mask, values, 0).astype(dtype) for name, (values, dtype) in cells.items()}
            | {
                "mask": mask,
                "frequency_hz": frequency_hz,
                "u_wavelengths": np.fft.rfftfreq(npix, pixel_rad),
                "v_wavelengths": np.fft.fftfreq(npix, pixel_rad),
            },
        )
        store.check()
        return store

    return make


@pytest.fixture
def write_uvfits(tmp_path):
    """Return a function that writes a UVFITS file from [row, if, channel, hand] data and weights.

    `fq` and `su` have columns [row, if] and [source, if] of those tables; `more_antennas` has a letter and diameters
    for each further antenna table, whose version is the number of a subarray.
    """
    return uvfits_writer(tmp_path)


def uvfits_writer(folder):
    """Return the function that `write_uvfits` is, for a folder."""

    def write(
        data,
        weight,
        *,
        uvw_s=None,
        antennas=(1, 2),
        frequency=(1.4e9, 1e5),
        stokes=(-1, -1),
        reference_channel=1,
        names=("UU", "VV", "WW"),
        dates=("DATE", "DATE"),
        extra=None,
        subarray=None,
        sources=("A",),
        source_of_row=None,
        diameters=(25.0, 25.0, 25.0),
        more_antennas=(),
        fq=None,
        su=None,
        header=(),
        file="some.thing",
    ):
        n_rows, n_if = data.shape[:2]
        cube = np.stack([data.real, data.imag, weight], axis=-1).astype(np.float32)
        uvw = np.zeros((n_rows, 3)) if uvw_s is None else np.asarray(uvw_s)
        first, second = (np.broadcast_to(a, n_rows) for a in antennas)
        source = np.ones(n_rows) if source_of_row is None else source_of_row
        days = np.arange(n_rows) * 10.0 / 86400.0
        parameters = [*names, *dates, "BASELINE", "SOURCE", *(extra or {})]
        fraction = 0.0 if subarray is None else 0.01 * (np.asarray(subarray) - 1)
        baseline = 256.0 * first + second + fraction
        values = [*uvw.T, np.full(n_rows, 2460000.5), days, baseline, source, *(extra or {}).values()]
        groups = fits.GroupData(cube[:, None, None], bitpix=-32, parnames=parameters, pardata=values)
        hdu = fits.GroupsHDU(groups)
        axes = {
            2: ("COMPLEX", 1, 1, 1),
            3: ("STOKES", stokes[0], stokes[1], 1),
            4: ("FREQ", *frequency, reference_channel),
            5: ("IF", 1, 1, 1),
            6: ("RA", 150.0, 1, 1),
            7: ("DEC", 2.0, 1, 1),
        }
        for axis, keys in axes.items():
            for key, value in zip(("CTYPE", "CRVAL", "CDELT", "CRPIX"), keys, strict=True):
                hdu.header[f"{key}{axis}"] = value
        hdu.header["OBJECT"] = "MULTI"
        hdu.header["TELESCOP"] = "VLA"
        for key, value in header:
            hdu.header[key] = value
        n_sources = len(sources)
        per_if = {
            "IF FREQ": [1e7 * np.arange(n_if)],
            "CH WIDTH": [np.full(n_if, abs(frequency[1]))],
            "SIDEBAND": [np.ones(n_if)],
        } | {name: np.reshape(rows, (-1, n_if)) for name, rows in (fq or {}).items()}
        of_source = {
            "RAEPO": 150.0 + np.arange(n_sources),
            "DECEPO": np.full(n_sources, -30.0),
            "EPOCH": np.full(n_sources, 2000.0),
            "RESTFREQ": np.full(n_sources, 1.420405752e9),
        } | (su or {})
        tables = [
            *(
                fits.BinTableHDU.from_columns(
                    [
                        fits.Column("ANNAME", "8A", array=[f"{letter}{i}" for i in range(len(mine))]),
                        fits.Column("NOSTA", "1J", array=1 + np.arange(len(mine))),
                        fits.Column("DIAMETER", "1E", array=mine),
                    ],
                    name="AIPS AN",
                    ver=version,
                )
                for version, (letter, mine) in enumerate([("A", diameters), *more_antennas], 1)
            ),
            fits.BinTableHDU.from_columns(
                [
                    fits.Column("FRQSEL", "1J", array=1 + np.arange(len(per_if["IF FREQ"]))),
                    *(
                        fits.Column(name, f"{n_if}{kind}", array=per_if[name])
                        for name, kind in (("IF FREQ", "D"), ("CH WIDTH", "E"), ("SIDEBAND", "J"))
                    ),
                ],
                name="AIPS FQ",
            ),
            fits.BinTableHDU.from_columns(
                [
                    fits.Column("ID. NO.", "1J", array=1 + np.arange(n_sources)),
                    fits.Column("SOURCE", "16A", array=list(sources)),
                    *(
                        fits.Column(name, f"{np.size(rows) // n_sources}D", array=np.reshape(rows, (n_sources, -1)))
                        for name, rows in of_source.items()
                    ),
                ],
                name="AIPS SU",
            ),
        ]
        path = folder / file
        fits.HDUList([hdu, *tables]).writeto(path)
        return path

    return write
