"""Contracts without arrays: files, messages, versions, and what their validation says."""

import json
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from steelyard_schemas import (
    ContractError,
    Galaxy,
    JobRecord,
    Kernel,
    Store,
    StoreContract,
    SurveyJob,
    Visibilities,
    job_identity,
    pack,
    parse,
    read_manifest,
    read_model,
    read_store,
    unpack,
    validate,
    write_model,
    write_store,
)
from steelyard_schemas.migrations import MIGRATIONS
from steelyard_schemas.priors import Normal, Uniform


@pytest.mark.parametrize("maker", ["galaxy", "survey_job", "job_record", "training_job", "training_record"])
def test_json_and_message_round_trip(make, tmp_path, maker):
    model = getattr(make, maker)()
    write_model(tmp_path / "m.json", model)
    assert read_model(tmp_path / "m.json", type(model)) == model == validate(tmp_path / "m.json")
    assert unpack(pack(model), type(model)) == model
    with pytest.raises(ContractError, match="exists already"):
        write_model(tmp_path / "m.json", model)


def test_toml_is_the_same_galaxy(make, tmp_path):
    (tmp_path / "g.toml").write_text(make.GALAXY_TOML)
    assert read_model(tmp_path / "g.toml", Galaxy) == make.galaxy()


def test_an_error_is_one_line_whatever_names_are_in_it():
    error = ContractError("a\nb", ["col\x1b[2J", "two\r\nlines \ud800", "M☉"])
    assert str(error) == "a b: col\\x1b[2J; two lines \\ud800; M☉"
    assert error.problems[0] == "col\x1b[2J"


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(low=finite, high=finite)
def test_any_finite_prior_survives_json_and_messages(make, low, high):
    if not low < high:
        with pytest.raises(ValidationError, match="must be below high"):
            Uniform(low=low, high=high)
        return
    galaxy = make.galaxy()
    priors = galaxy.priors.model_copy(update={"x0_arcsec": Uniform(low=low, high=high)})
    galaxy = galaxy.model_copy(update={"priors": priors})
    assert unpack(pack(galaxy), Galaxy) == galaxy
    assert parse(json.loads(galaxy.model_dump_json()), where="test") == galaxy


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (b"\xc1", "message: is not msgpack"),
        (b"\x93\x01\x02\x03", "message: holds a list, expected a map"),
        (b"\x81\xa4kind\xa3cat", "message: kind is 'cat', expected one of visibilities, "),
    ],
)
def test_bad_messages(message, told):
    with pytest.raises(ContractError, match=told):
        unpack(message, JobRecord)


def test_a_message_of_another_kind(make):
    with pytest.raises(ContractError, match="message: holds 'survey_job', expected 'job_record'"):
        unpack(pack(make.survey_job()), JobRecord)


def test_syntax_errors_name_file_and_line(tmp_path):
    file = tmp_path / "g.toml"
    file.write_text('kind = "galaxy"\nname = Example\n')
    with pytest.raises(ContractError, match=r"g\.toml: syntax error: .*line 2"):
        read_model(file, Galaxy)
    (tmp_path / "g.json").write_text('{\n"kind": galaxy}')
    with pytest.raises(ContractError, match=r"g\.json: syntax error: .*line 2"):
        read_model(tmp_path / "g.json", Galaxy)
    with pytest.raises(ContractError, match=r"none\.toml: cannot be read: No such file"):
        read_model(tmp_path / "none.toml", Galaxy)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ContractError, match=r"b\.toml: cannot be read: is not a text file"):
        read_model(tmp_path / "b.toml", Galaxy)
    (tmp_path / "l.json").write_text("[1]")
    with pytest.raises(ContractError, match="holds a list, expected a table of fields"):
        read_model(tmp_path / "l.json", Galaxy)


def data(make, **changes):
    """The example galaxy as plain data, with dotted changes."""
    fields = tomllib.loads(make.GALAXY_TOML)
    for place, value in changes.items():
        *path, last = place.split("__")
        table = fields
        for part in path:
            table = table.setdefault(part, {})
        table[last] = value
    return fields


def faults(make, **changes):
    with pytest.raises(ContractError) as caught:
        parse(data(make, **changes), where="g.toml")
    return caught.value.problems


UNIFORM = {"kind": "uniform", "low": 2.0, "high": 1.0}
MGE = {"kind": "mge", "surface_brightness_lsun_pc2": [10.0, 5.0], "sigma_arcsec": [0.1, 1.0], "q_obs": [0.9, 0.5]}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"priors__q": UNIFORM}, "priors.q.uniform: low = 2 must be below high = 1"),
        (
            {"name": "NGC 1/2, a/b"},
            "name: it names a folder, so it may contain letters, digits, spaces and . + - _ ( ) [ ], but not '/' ','",
        ),
        (
            {"priors__inclination_deg": {"kind": "sine", "low": 20.0, "high": 120.0}},
            "priors.inclination_deg.sine.high: input should be less than or equal to 90",
        ),
        (
            {"priors__inclination_deg": {"kind": "sine", "low": -5.0, "high": 80.0}},
            "priors.inclination_deg.sine.low: input should be greater than or equal to 0",
        ),
        (
            {"priors__disc_scale_arcsec": {"kind": "uniform", "low": 0.0, "high": 1.0}},
            "priors: disc_scale_arcsec must stay positive: give it a prior with low > 0",
        ),
        (
            {"priors__hole_radius_arcsec": {"kind": "normal", "mean": 1.0, "sd": 0.1}},
            "priors: hole_radius_arcsec must stay positive: give it a prior with low > 0",
        ),
        (
            {"priors__sigma_gas_kms": {"kind": "log_uniform", "low": 0.0, "high": 1.0}},
            "priors.sigma_gas_kms.log_uniform.low: input should be greater than 0",
        ),
        (
            {"line__rest_frequency_hz": 230.538},
            "line.rest_frequency_hz: 230.538 is not a radio line in Hz; CO(2-1) is 230.538e9, HI is 1420.40575e6",
        ),
        ({"distance__mpc": float("nan")}, "distance.mpc: input should be a finite number"),
        ({"disk": {}}, "disk: extra inputs are not permitted"),
        (
            {"data__grid": {"cell_arcsec": 0.1, "npix": 64, "velocity_min_kms": 9.0, "velocity_max_kms": 2.0}},
            "data.grid: velocity_min_kms = 9 must be below velocity_max_kms = 2",
        ),
        (
            {"mass": [{"kind": "gas_disc"}]},
            "model: mass: 'gas_disc' is the gravity of an exponential disc; the profile is 'table'",
        ),
        ({"disc__profile": "ring"}, "disc: [disc.table] needs profile = 'table'; the profile is 'ring'"),
        (
            {"disc": {"profile": "table"}},
            "disc: profile = 'table' needs [disc.table] with radius_arcsec and surface_brightness",
        ),
        (
            {"disc__table__radius_arcsec": [0.0, 1.0, 1.0, 2.0, 3.0]},
            "disc.table: radius_arcsec must ascend",
        ),
        (
            {"disc__table__radius_arcsec": [0.0, 1.0, 2.0]},
            "disc.table: radius_arcsec and surface_brightness must have equal lengths, found 3 and 5",
        ),
        (
            {"disc__table__surface_brightness": [5.0, 4.0, 3.0, 2.0, 1.0]},
            "disc.table: surface_brightness must be above 0 somewhere and end with 0 at the edge of the disc; "
            "it ends with 1",
        ),
        (
            {"disc__warp__reference_arcsec": 5.0},
            "disc.warp: reference_arcsec = 5 must not exceed outer_arcsec = 3",
        ),
        (
            {"priors__sigma_gas_outer_kms": {"kind": "normal", "mean": 8.0, "sd": 3.0}},
            "priors: sigma_gas_outer_kms must stay positive: give it a prior with low > 0",
        ),
        (
            {"stars": {**MGE, "q_obs": [0.9]}},
            "stars.mge: surface_brightness_lsun_pc2, sigma_arcsec and q_obs must have equal lengths, "
            "found 2, 2 and 1",
        ),
        (
            {"stars": MGE, "priors__inclination_deg": {"kind": "sine", "low": 50.0, "high": 85.0}},
            "model: stars.q_obs = 0.5 is below cos(inclination): priors.inclination_deg reaches down to 50 deg, but "
            "Gaussians this flat need an inclination above 60.00 deg",
        ),
        (
            {"stars": MGE, "priors__inclination_deg": {"kind": "normal", "mean": 70.0, "sd": 1.0}},
            "model: stars.q_obs = 0.5 is below cos(inclination): priors.inclination_deg has no lower bound, but "
            "Gaussians this flat need an inclination above 60.00 deg",
        ),
    ],
)
def test_what_validation_says(make, changes, told):
    assert told in faults(make, **changes)


def test_an_mge_flat_enough_passes(make):
    inclination = {"kind": "sine", "low": 61.0, "high": 85.0}
    assert parse(data(make, stars=MGE, priors__inclination_deg=inclination), where="g").stars.q_obs == (0.9, 0.5)
    fixed = {"kind": "fixed", "value": 60.5}
    parse(data(make, stars=MGE, priors__inclination_deg=fixed), where="g")


def test_all_faults_are_told_at_once(make):
    found = faults(make, distance__mpc=-1.0, line__rest_frequency_hz=1.0, sampler__n_chains=1, priors__q=UNIFORM)
    assert len(found) == 4


def test_a_normal_prior_may_be_cut_on_one_side():
    assert Normal(mean=0, sd=1, low=0).high is None
    with pytest.raises(ValidationError, match="low = 2 must be below high = 1"):
        Normal(mean=0, sd=1, low=2, high=1)


def test_models_are_frozen(make):
    with pytest.raises(ValidationError, match="frozen"):
        make.galaxy().name = "other"


def test_a_wide_kernel_is_refused(make):
    manifest = make.gridded().manifest
    with pytest.raises(ValidationError, match="wider than 1 correlates neighbouring cells"):
        type(manifest)(**{**manifest.model_dump(), "kernel": Kernel(width_cells=6.0, beta=10.0)})


def test_a_kernel_that_averages_nothing_has_no_width():
    assert Kernel(name="none", width_cells=0, beta=0).width_cells == 0
    with pytest.raises(ValidationError, match="kernel 'none' has width_cells 1 and beta 2, expected 0 and 0"):
        Kernel(name="none", width_cells=1, beta=2)
    with pytest.raises(
        ValidationError, match="kernel width is 0 cells; use the kernel 'none' if cells are not averaged"
    ):
        Kernel(width_cells=0, beta=0)


def test_a_job_that_failed_says_why(make):
    record = make.job_record().model_dump()
    with pytest.raises(ContractError, match="a job that is 'failed' must give its reason"):
        parse({**record, "status": "failed", "reason": None}, where="r")
    with pytest.raises(ContractError, match="a job that is 'converged' must name its posterior's hash"):
        parse({**record, "status": "converged", "posterior_hash": None}, where="r")


@pytest.mark.parametrize("field", ["posterior_hash", "draws_hash"])
@pytest.mark.parametrize("wrong", ["", "none", "sha256:12", "md5:" + "0" * 64, "sha256-arrays:" + "G" * 64])
def test_a_record_names_hashes_of_stores(make, field, wrong):
    record = make.job_record().model_dump()
    for hash_ in ("sha256:" + "0" * 64, "sha256-arrays:" + "a" * 64):
        assert getattr(parse({**record, field: hash_}, where="r"), field) == hash_
    with pytest.raises(ContractError, match=field):
        parse({**record, field: wrong}, where="r")


def test_identity_follows_what_decides_the_fit(make):
    galaxy = make.galaxy()
    first = job_identity(galaxy, "sha256:1", None)
    assert job_identity(make.galaxy(), "sha256:1", None) == first
    assert job_identity(galaxy, "sha256:2", None) != first
    assert job_identity(galaxy, "sha256:1", "sha256:3") != first
    assert job_identity(parse(data(make, distance__mpc=17.0), where="g"), "sha256:1", None) != first
    # A larger budget continues the same fit; the truth of a mock never enters it.
    longer = parse(data(make, sampler__max_steps=99999, truth__log10_mbh=7.0), where="g")
    assert job_identity(longer, "sha256:1", None) == first


def test_a_training_record_has_errors_or_a_reason(make):
    record = make.training_record()
    for wrong in ({"reason": "diverged"}, {"circular_velocity": ()}, {"surface_density": (1e-3,)}):
        with pytest.raises(ContractError, match="errors must be given at 4 percentiles, or the reason of a failure"):
            parse({**record.model_dump(mode="json"), **wrong}, where="record")


def test_a_training_jobs_identity_is_that_of_its_settings(make):
    job = make.training_job()
    assert job.model_copy(update={"name": "other"}).identity == job.identity
    assert job.model_copy(update={"points_seed": 8}).identity != job.identity


def test_a_survey_job_needs_a_hash_for_its_name(make):
    with pytest.raises(ContractError, match="job_id"):
        parse({**make.survey_job().model_dump(mode="json"), "job_id": "1"}, where="job")
    assert isinstance(make.survey_job(), SurveyJob)


def test_unknown_kind():
    with pytest.raises(ContractError, match="f: kind is None, expected one of visibilities, gridded_visibilities"):
        parse({}, where="f")


def test_a_newer_version_says_what_it_needs(make):
    told = (
        r"galaxy schema_version '1\.10' is newer than this installation reads \(1\.3\): "
        r"update steelyard-schemas to a release that supports galaxy 1\.10"
    )
    with pytest.raises(ContractError, match=told):
        parse(data(make, schema_version="1.10"), where="g")


@pytest.mark.parametrize("version", ["0.3", None, "one"])
def test_an_unknown_version(make, version):
    with pytest.raises(ContractError, match=r"is unknown; this installation reads 1\.3"):
        parse(data(make, schema_version=version), where="g")


def test_old_versions_are_migrated_step_by_step(make, monkeypatch):
    steps = MIGRATIONS["galaxy"]
    monkeypatch.setitem(steps, "0.1", lambda d: {**d, "schema_version": "0.2", "label": d["title"].strip()})
    monkeypatch.setitem(
        steps,
        "0.2",
        lambda d: (
            {k: v for k, v in d.items() if k not in ("title", "label")}
            | {"schema_version": "1.0", "name": d["label"]}
        ),
    )
    old = data(make, schema_version="0.1", title=" Example 1 ")
    del old["name"]
    before = json.dumps(old)
    assert parse(old, where="g") == make.galaxy()
    assert json.dumps(old) == before


def test_the_hash_of_a_migrated_store_still_holds(make, tmp_path, monkeypatch):
    # Written by a version 0.9 that called `source` `file`.
    class Old(StoreContract):
        kind: str = "visibilities"
        schema_version: str = "0.9"
        observation: dict
        file: str

        def array_specs(self):
            return Visibilities.ARRAYS

    new = make.visibilities()
    old = Old(observation=new.manifest.observation.model_dump(), file="example.ms")
    write_store(tmp_path / "old", Store(old, new.arrays))
    monkeypatch.setitem(
        MIGRATIONS["visibilities"],
        "0.9",
        lambda d: {k: v for k, v in d.items() if k != "file"} | {"schema_version": "1.0", "source": d["file"]},
    )
    back = read_store(tmp_path / "old", Visibilities)
    assert back.manifest.source == "example.ms"
    assert back.manifest.content_hash == read_manifest(tmp_path / "old")["content_hash"]
