"""What can be known of infra/ without a cluster: schemas, shell syntax, and that its parts agree."""

import os
import re
import shutil
import subprocess
import sys
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


def read_as_ray_start(arguments):
    """The parameters that `ray start` makes of its arguments; raises as Ray does for those that it refuses."""
    from inspect import signature

    from ray._private.parameter import RayParams
    from ray.scripts.scripts import start

    given = start.make_context("ray start", list(arguments)).params
    # ray start checks an option's value only when it starts, in the constructor that is called here.
    return RayParams(**{name: given[name] for name in signature(RayParams).parameters.keys() & given.keys()})


def test_what_ray_start_refuses_is_seen():
    with pytest.raises(ValueError, match="ray_client_server_port"):
        read_as_ray_start(["--head", "--ray-client-server-port=0"])
    with pytest.raises(Exception, match="No such option"):
        read_as_ray_start(["--head", "--dashboard-hosts=127.0.0.1"])


@pytest.mark.parametrize("name", ["ray-aws.yaml", "ray-bare-metal.yaml"])
def test_ray_start_takes_the_commands_of_the_cluster_files(name):
    import shlex

    config = load(name)
    starts = [
        shlex.split(command.partition("ray start")[2])
        for command in config["head_start_ray_commands"] + config["worker_start_ray_commands"]
        if "ray start" in command
    ]
    assert ["--head" in start for start in starts] == [True, False]
    for start in starts:
        read_as_ray_start(start)


@pytest.mark.parametrize("name", ["ray-aws.yaml", "ray-bare-metal.yaml"])
def test_cluster_files_keep_rays_schema(name):
    import json

    import jsonschema

    schema = next(Path(path) for path in find_spec("ray").submodule_search_locations) / "autoscaler/ray-schema.json"
    config = load(name)
    jsonschema.validate(config, json.loads(schema.read_text()))
    head = " ".join(config["head_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in head
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
        read_as_ray_start([f"--{name}={value}" for name, value in group["rayStartParams"].items()])
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert container["resources"]["limits"] == container["resources"]["requests"]


def test_the_slurm_script_is_a_shell_script():
    subprocess.run(["bash", "-n", INFRA / "survey.slurm"], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", INFRA / "survey.slurm"], check=True)


@pytest.fixture
def run_slurm_script(tmp_path):
    """Runs survey.slurm where Slurm's commands write down what they are asked; `head` is what a head's start does."""
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    asked = tmp_path / "asked"
    programs = {
        "scontrol": "printf 'node-0\\nnode-1\\nnode-2\\n'",
        "srun": """
            echo "$@" >> "$ASKED"
            case "$*" in
                *"hostname --all-ip"*) echo 192.0.2.7 192.0.2.8 ;;
                *"ray "*) [ "$RAY_AUTH_MODE" = token ] && [ ${#RAY_AUTH_TOKEN} = 64 ] || exit 3 ;;
            esac
            case "$*" in
                *health-check*) [ "$HEAD" = healthy ] ;;
                *"start --block"*--head*) [ "$HEAD" = healthy ] ;;
            esac""",
        "sleep": "exec /bin/sleep 0.1",
    }
    for name, text in programs.items():
        (fakes / name).write_text(f"#!/bin/sh\n{text}\n")
        (fakes / name).chmod(0o755)

    def run(head):
        variables = {
            "STEELYARD": str(Path(sys.executable).parent),
            "SLURM_JOB_NODELIST": "node-[0-2]",
            "SLURM_JOB_ID": "39999",
        }
        variables |= {"SLURM_CPUS_PER_TASK": "16", "SLURM_GPUS_ON_NODE": "1", "ASKED": str(asked), "HEAD": head}
        command = ["bash", INFRA / "survey.slurm", "sample.csv", "survey", "--defaults", "shared.toml"]
        path = f"{fakes}:{os.environ['PATH']}"
        done = subprocess.run(
            command, env={"PATH": path, **variables}, timeout=60, capture_output=True, text=True, check=False
        )
        return done, asked.read_text().splitlines()

    return run


def test_the_slurm_script_starts_a_node_of_ray_on_each_node_and_one_survey(run_slurm_script):
    done, asked = run_slurm_script("healthy")
    assert done.returncode == 0, done.stderr
    started = {}
    for line in asked:
        node, start = re.search(r"--nodelist=(\S+)", line)[1], line.partition("/ray start ")[2]
        if start:
            started[node] = read_as_ray_start(start.split())
            assert ("--head" in start) == (node == "node-0")
            assert ("--address=192.0.2.7:39999" in start) == (node != "node-0")
            assert (started[node].num_cpus, started[node].num_gpus) == (16, 1)
    assert started.keys() == {"node-0", "node-1", "node-2"}
    assert started["node-0"].dashboard_host == "127.0.0.1"
    assert started["node-0"].ray_client_server_port == 59999  # the highest that a job's number can give
    surveys = [line for line in asked if "/steelyard survey" in line]
    assert len(surveys) == 1
    assert surveys[0].endswith("survey run sample.csv --out survey --address 192.0.2.7:39999 --defaults shared.toml")


def test_the_slurm_script_ends_where_the_head_does_not_start(run_slurm_script):
    done, asked = run_slurm_script("broken")
    assert done.returncode == 1
    assert "head on node-0 stopped" in done.stderr
    assert not any("/steelyard survey" in line for line in asked)


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
    # Nothing is installed by name alone before its hash is known.
    installs = re.findall(r"(?:uv )?pip install [^&\n]*", text)
    assert ["--require-hashes" in line for line in installs] == [True, True, False]
    assert "jax[$ACCELERATOR]==$version" in installs[2]
    assert "--upgrade" not in text


def test_every_command_in_infra_and_docs_is_one():
    from steelyard.commands.main import app
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
