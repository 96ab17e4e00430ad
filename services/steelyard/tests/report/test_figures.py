"""The report's figures, read back from matplotlib."""

import re

import numpy as np
import pytest
from steelyard.fitting.folder import RunFolder
from steelyard.report.figures import corner_plot
from steelyard.report.products import Products
from steelyard_schemas import GriddedVisibilities, Posterior, read_store


@pytest.fixture(scope="module")
def products(finished):
    run = RunFolder(finished.folder)
    return Products(read_store(run.posterior, Posterior), read_store(run.gridded, GriddedVisibilities))


def marginals(figure, n):
    return dict(enumerate(np.reshape(figure.axes, (n, n)).diagonal()))


def test_titles_of_the_corner_plot_show_the_errors(products):
    panels = marginals(corner_plot(products), len(products.names))
    for i, name in enumerate(products.names):
        p = next(p for p in products.manifest.parameters if p.name == name)
        median, below, above = (float(x) for x in re.findall(r"(?<=\{)[-+]?[0-9.]+", panels[i].get_title())[-3:])
        # To a tenth of the standard deviation, rounded; quantiles of the manifest are those of all draws.
        assert median == pytest.approx(p.median, abs=0.06 * p.sd)
        assert (-below, above) == pytest.approx((p.median - p.q16, p.q84 - p.median), abs=0.06 * p.sd)


@pytest.mark.parametrize(("sd_off", "shown"), [(4.5, True), (-4.5, True), (30.0, False)])
def test_a_truth_beyond_the_draws_is_in_sight_unless_far_off(products, monkeypatch, sd_off, shown):
    p = next(p for p in products.manifest.parameters if p.name == "log10_mbh")
    truth = p.mean + sd_off * p.sd
    galaxy = products.manifest.galaxy
    monkeypatch.setitem(galaxy.truth, "log10_mbh", truth)
    panel = marginals(corner_plot(products), len(products.names))[products.names.index("log10_mbh")]
    low, high = panel.get_xlim()
    assert (low < truth < high) == shown
