import re
from pathlib import Path

import numpy as np

README = Path(__file__).parents[1] / "README.md"


def test_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    names = {}
    exec(compile(example, README.name, "exec"), names)
    assert names["vis"].shape == (32, 65, 33)
    # The zero spacing holds the line's flux within the field (7.8 arcsec, 1.1 arcsec scale) and the band.
    total = np.asarray(names["vis"])[:, 0, 0].real.sum() * 16.0
    assert 0.9 * 12.0 < total < 12.0
    assert np.isfinite(names["gradient"])
