"""Tables of galaxies: what becomes of rows, defaults and mistakes."""

import re
import shutil

import numpy as np
import pytest
from steelyard.survey.folder import SurveyFolder, plan_jobs
from steelyard.survey.sample import read_defaults, sample_rows
from steelyard.survey.surrogates import SurrogateShelf, read_parts, unpack_parts
from steelyard_schemas import ContractError, SurveyJob, unpack

DEFAULTS = """\
[distance]
mpc = 10.0
[line]
name = "CO(2-1)"
rest_frequency_hz = 230.538e9
[data]
path = "all.zarr"
[priors]
log10_mbh = { kind = "uniform", low = 5.0, high = 10.0 }
"""


@pytest.fixture
def defaults(tmp_path):
    (tmp_path / "defaults.toml").write_text(DEFAULTS)
    return read_defaults(tmp_path / "defaults.toml")


def write(folder, text, name="sample.csv"):
    (folder / name).write_text(text)
    return folder / name


def planned(path, defaults=None):
    survey = SurveyFolder(path.parent / "out")
    rows = sample_rows(path, defaults)
    n = survey.write_plan(plan_jobs(rows, path.parent, SurrogateShelf(survey.surrogates)), path)
    jobs = list(survey.jobs())
    assert len(jobs) == n == survey.n_jobs
    return survey, jobs


def test_a_row_lays_its_cells_over_the_defaults(tmp_path, defaults):
    path = write(
        tmp_path,
        "name,distance.mpc,data.path,priors.log10_mbh.kind,priors.log10_mbh.value,log10_sigma_kms,group\n"
        "N 1,12.5,n1.ms,,,2.1,Virgo\n"
        "N 2,,,fixed,8,,\n",
    )
    one, two = sample_rows(path, defaults)
    assert (one.galaxy.name, one.galaxy.distance.mpc, one.galaxy.data.path) == ("N 1", 12.5, "n1.ms")
    assert one.galaxy.priors.log10_mbh.low == 5.0
    assert one.columns == {"log10_sigma_kms": 2.1, "group": "Virgo"}
    # A prior of another kind replaces the default's, whose bounds it does not have.
    assert (two.galaxy.priors.log10_mbh.kind, two.galaxy.priors.log10_mbh.value) == ("fixed", 8.0)
    assert (two.galaxy.distance.mpc, two.columns) == (10.0, {})


def test_parquet_and_toml_give_the_same_galaxies_as_csv(tmp_path, defaults):
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs steelyard[survey]")
    import pyarrow as pa

    csv = write(tmp_path, "name,distance.mpc,z\nN 1,12.5,0.1\nN 2,,0.2\n")
    table = pa.table({"name": ["N 1", "N 2"], "distance.mpc": [12.5, np.nan], "z": [0.1, 0.2]})
    parquet.write_table(table, tmp_path / "sample.parquet")
    toml = write(
        tmp_path,
        DEFAULTS.replace("[", "[defaults.", 4)
        + "[[galaxy]]\nname = 'N 1'\ndistance = { mpc = 12.5 }\nz = 0.1\n[[galaxy]]\nname = 'N 2'\nz = 0.2\n",
        "sample.toml",
    )
    expected = list(sample_rows(csv, defaults))
    assert list(sample_rows(tmp_path / "sample.parquet", defaults)) == expected
    assert list(sample_rows(toml)) == expected


def test_a_row_may_name_a_galaxy_file_elsewhere(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "n1.toml").write_text('name = "N 1"\nkind = "galaxy"\nschema_version = "1.0"\n' + DEFAULTS)
    path = write(tmp_path, "galaxy_file,distance.mpc,name\nfar/n1.toml,,\nfar/n1.toml,99,N 2\n")
    one, two = sample_rows(path)
    assert (one.galaxy.name, one.galaxy.distance.mpc) == ("N 1", 10.0)
    assert (two.galaxy.name, two.galaxy.distance.mpc) == ("N 2", 99.0)
    assert one.galaxy.data.path == "far/all.zarr"  # from the table's folder


def test_every_problem_is_told_at_once_with_its_row_and_column(tmp_path, defaults):
    path = write(
        tmp_path,
        "name,distance.mpc,priors.log10_mbh.low,galaxy_file\nA,-1,,\nB,,11,\nC,,,none.toml\n,5,,\nE,5,,\nE,6,,\n",
    )
    with pytest.raises(ContractError) as caught:
        planned(path, defaults)
    told = caught.value.problems
    for words in (
        "row 1 (A), column 'distance.mpc': input should be greater than 0",
        "row 2 (B), column 'priors.log10_mbh.low'",
        "row 3 (C), column 'galaxy_file'",
        "row 4: name: field required",
        "row 6, column 'name': 'E' is the name of row 5 too",
    ):
        assert any(problem.startswith(words) for problem in told), (words, told)
    assert len(told) == 5
    assert not (tmp_path / "out" / "plan.msgpack").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,distnce.mpc\nA,1\n", "column 'distnce.mpc': a galaxy file has no 'distnce'"),
        ("name,name\nA,B\n", "column 'name' comes twice"),
        ("name,z\nA,1,2\n", "line 2 has 3 cells, the header 2"),
        ("name\n", "holds no galaxies"),
        ("", "holds no galaxies"),
    ],
)
def test_a_table_that_is_none(tmp_path, defaults, text, words):
    with pytest.raises(ContractError, match=words):
        list(sample_rows(write(tmp_path, text), defaults))


def test_a_toml_sample_with_a_misspelt_table(tmp_path):
    path = write(tmp_path, "[[galaxy]]\nname = 'A'\nditsance = { mpc = 3.0 }\n", "sample.toml")
    (row,) = sample_rows(path)
    assert "row 1 (A), column 'ditsance': no such field" in row.problems[0]
    with pytest.raises(ContractError, match=r"\[defaults\] and \[\[galaxy\]\] only"):
        list(sample_rows(write(tmp_path, "[default]\n[[galaxy]]\nname = 'A'\n", "other.toml")))
    with pytest.raises(ContractError, match=r"is one of \.csv, \.parquet, \.toml"):
        list(sample_rows(tmp_path / "sample.xlsx"))


def test_jobs_have_the_identity_of_their_inputs(tmp_path, defaults):
    header = "name,distance.mpc,sampler.max_steps,note\n"
    _, (one,) = planned(write(tmp_path, header + "A,10,500,x\n"), defaults)
    assert unpack(one.message, SurveyJob).galaxy.name == "A"

    _, (same,) = planned(write(tmp_path, header + "A,10,500,another\n"), defaults)
    assert (same.job_id, same.output) == (one.job_id, one.output)

    _, (longer,) = planned(write(tmp_path, header + "A,10,900,x\n"), defaults)
    assert longer.job_id != one.job_id
    assert longer.output == one.output  # the same fit with a larger budget goes on in its folder

    _, (changed,) = planned(write(tmp_path, header + "A,11,500,x\n"), defaults)
    assert changed.job_id != one.job_id
    assert changed.output != one.output

    (tmp_path / "all.zarr").write_text("other data")
    _, (remade,) = planned(write(tmp_path, header + "A,10,500,x\n"), defaults)
    assert remade.output != one.output


def test_galaxies_of_one_shape_follow_each_other(tmp_path, defaults):
    text = "name,data.grid.npix,data.grid.cell_arcsec\nA,64,0.1\nB,32,0.1\nC,64,0.1\nD,32,0.1\n"
    _, jobs = planned(write(tmp_path, text), defaults)
    assert [job.name for job in jobs] == ["B", "D", "A", "C"]


def test_a_surrogate_of_ones_own_goes_along(tmp_path, defaults):
    from nuker_surrogate.artifacts.open import find_artifact
    from steelyard_schemas.validation import MANIFEST

    own = shutil.copytree(find_artifact("latest"), tmp_path / "mine")
    manifest = (own / MANIFEST).read_text()
    (own / MANIFEST).write_text(manifest.replace('"version": "1.', '"version": "9.'))
    path = write(tmp_path, f"name,stars.kind,stars.surrogate\nA,nuker,{own}\nB,nuker,latest\n")
    survey, jobs = planned(path, defaults)
    named = {job.name: unpack(job.message, SurveyJob).galaxy.stars.surrogate for job in jobs}
    assert named["B"] == "latest"
    assert named["A"].startswith("9.")
    assert read_parts(survey.surrogates / named["A"]) == read_parts(own)

    (own / MANIFEST).write_text(re.sub(r"sha256:.{4}", "sha256:0000", manifest))
    with pytest.raises(ContractError, match=r"a different artifact of that version: release it"):
        planned(path, defaults)


def test_processes_of_a_node_share_what_they_unpack(tmp_path):
    parts = {"9.0.0/manifest.json": b"{}", "9.0.0/weights.msgpack": b"\x00"}
    shelf = unpack_parts(parts, tmp_path)
    assert read_parts(shelf) == parts
    before = (shelf / "9.0.0").stat()
    assert unpack_parts(parts, tmp_path) == shelf
    assert (shelf / "9.0.0").stat() == before
    assert unpack_parts({**parts, "9.0.0/weights.msgpack": b"\x01"}, tmp_path) != shelf
    assert sorted(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("name", ["../evil", "/{tmp}/evil", "a/../../evil", "a\\b"])
def test_what_another_node_sends_is_written_nowhere_else(tmp_path, name):
    with pytest.raises(ContractError, match="must be relative"):
        unpack_parts({name.format(tmp=tmp_path): b""}, tmp_path / "shelf")
    assert not list(tmp_path.rglob("*evil*"))


def test_a_name_of_any_length_has_its_folder(tmp_path, defaults):
    _, (job,) = planned(write(tmp_path, f"name\n{'A' * 400}\n"), defaults)
    assert len(job.output) < 100
