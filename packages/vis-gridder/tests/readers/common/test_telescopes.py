import numpy as np
import pytest
from steelyard_schemas import ContractError
from vis_gridder.readers.common.telescopes import dish_diameter


@pytest.mark.parametrize(
    ("diameters_m", "expected_m", "note"),
    [
        ([12.0, 12.05, 12.0], 12.0, "dish diameter from the antenna table"),
        ([12.0, 0.0, np.nan], 12.0, "assumed a dish of 12 m, that of the other antennas, for b, c"),
        ([0.0, 0.0, 0.0], 22.0, "assumed a dish of 22 m, known for ATCA"),
        (None, 22.0, "assumed a dish of 22 m, known for ATCA"),
    ],
)
def test_one_diameter(diameters_m, expected_m, note):
    diameters = None if diameters_m is None else np.array(diameters_m)
    found_m, found = dish_diameter("file", "ATCA", diameters, ["a", "b", "c"])
    assert found_m == expected_m
    assert found.startswith(note)


def test_several_diameters_are_refused_with_their_antennas():
    message = (
        r"file: has dishes of several diameters \(7 m: CM01, CM02; 12 m: DA41, DV01\), which share no primary beam; "
        r"split it into one file for each diameter, e.g. in CASA split\(antenna='CM01,CM02&'\)"
    )
    with pytest.raises(ContractError, match=message):
        dish_diameter("file", "ALMA", np.array([12.0, 7.0, 12.05, 7.0]), ["DA41", "CM01", "DV01", "CM02"])
