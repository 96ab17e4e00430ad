"""What can be known of infra/ without a cluster: schemas, shell syntax, and that its parts agree."""

import re
import shutil
import subprocess
import tomllib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="infra/ is for steelyard[survey]")
ROOT = Path(__file__).parents[1]
INFRA = ROOT / "infra"
COMMANDS = re.compile(r"steelyard\"? survey (\w+)(.*)")


def load(name):
    import yaml

    return yaml.safe_load((INFRA / name).read_text())


@pytest.mark.parametrize("name", ["ray-aws.yaml", "ray-bare-metal.yaml"])
def test_cluster_files_keep_rays_schema(name):
    import json

    import jsonschema

    schema = next(Path(path) for path in find_spec("ray").submodule_search_locations) / "autoscaler/ray-schema.json"
    config = load(name)
    jsonschema.validate(config, json.loads(schema.read_text()))
    head = " ".join(config["head_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in head
    assert "--ray-client-server-port=0" in head  # 0: none
    if "available_node_types" in config:
        assert config["head_node_type"] in config["available_node_types"]


def test_job_and_cluster_of_kuberay_are_the_same_cluster():
    cluster, job = load("raycluster.yaml"), load("rayjob.yaml")
    assert (cluster["kind"], job["kind"]) == ("RayCluster", "RayJob")
    assert job["spec"]["rayClusterSpec"] == cluster["spec"]
    assert cluster["spec"]["rayVersion"] == version("ray")
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    assert groups[0]["rayStartParams"]["dashboard-host"] == "127.0.0.1"
    for group in groups:
        pod = group["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert container["resources"]["limits"] == container["resources"]["requests"]


def test_the_slurm_script_is_a_shell_script():
    subprocess.run(["bash", "-n", INFRA / "survey.slurm"], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", INFRA / "survey.slurm"], check=True)
    text = (INFRA / "survey.slurm").read_text()
    assert "--dashboard-host=127.0.0.1" in text
    assert "--ray-client-server-port=0" in text


def test_the_image_copies_what_is_there_and_has_no_root():
    text = (INFRA / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (.+)$", text, flags=re.M):
        *sources, _ = line.split()
        assert all((ROOT / source).exists() for source in sources), line
    members = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    copied = re.findall(r"^COPY (\w+) \w+$", text, flags=re.M)
    assert {member.split("/")[0] for member in members} == set(copied)
    users = re.findall(r"^USER (\w+)$", text, flags=re.M)
    assert users
    assert users[-1] != "root"
    # uv must take the locked versions, and the build must be told if they do not fit.
    assert "uv sync --no-dev" in text
    assert "--upgrade" not in text


def test_every_command_in_infra_and_docs_is_one():
    from steelyard.cli import app
    from typer.testing import CliRunner

    found = [
        (path.name, match)
        for path in [*INFRA.iterdir(), ROOT / "docs" / "survey.md", ROOT / "README.md"]
        for match in COMMANDS.finditer(path.read_text())
    ]
    assert {name for name, _ in found} >= {"rayjob.yaml", "ray-aws.yaml", "survey.slurm", "survey.md"}
    helps = {}
    for name, match in found:
        command = match[1]
        if command not in helps:
            helps[command] = CliRunner().invoke(app, ["survey", command, "--help"], env={"COLUMNS": "200"})
        assert helps[command].exit_code == 0, (name, match[0])
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", match[2]):
            assert option in helps[command].stdout, (name, option)
