import re
from pathlib import Path


def test_the_readme_example_runs_and_converges(tmp_path, monkeypatch, capsys):
    text = (Path(__file__).parents[1] / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(example, names)
    assert capsys.readouterr().out.startswith("True {'slope'")
    truth = {"slope": 2.0, "offset": 1.0, "tilt": 40.0}
    summary = names["summary"]
    # One data set: the truth within four posterior standard deviations.
    for name, mean, sd in zip(summary.names, summary.mean, summary.sd, strict=True):
        assert abs(mean - truth[name]) < 4 * sd
