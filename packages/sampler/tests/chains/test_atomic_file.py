"""Files that are replaced atomically, and the temporary files of processes that were killed."""

import os
import subprocess
import sys

from sampler.chains.atomic_file import process_space, replace_file


def test_temporary_files_of_a_killed_process_are_swept(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    path, here = tmp_path / "run.npz", process_space()
    left = tmp_path / f"run.npz.{here}-{ended.pid}.partial"
    kept = [f"run.npz.{here}-{os.getppid()}.partial", f"run.npz.00000000-{ended.pid}.partial", "run.npz.x.partial"]
    for name in (left.name, *kept):
        (tmp_path / name).touch()
    replace_file(path, lambda file: file.write(b"new"))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*kept, path.name])
    assert path.read_bytes() == b"new"
