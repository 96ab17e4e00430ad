"""uv tracks against the source's direction and limits known in closed form."""

import numpy as np
import pytest
from kinematics import uv_track

ARRAY = np.array([[0.0, 0.0, 0.0], [120.0, -35.0, 4.0], [-410.0, 260.0, -7.0], [35.0, 900.0, 2.0]])
SIDEREAL = 1.00273790935


def test_lengths_are_kept():
    track = uv_track(ARRAY, -23.0, -5.8, -2.0, 3.0, 600.0)
    length = np.linalg.norm(ARRAY[track.antenna2] - ARRAY[track.antenna1], axis=1)
    np.testing.assert_allclose(np.hypot(np.hypot(track.u_m, track.v_m), track.w_m), length, rtol=1e-12)


def test_zenith_at_transit_sees_the_array_from_above():
    # One integration of 60 s centred on transit.
    half = 30.0 * SIDEREAL / 3600
    track = uv_track(ARRAY, -23.0, -23.0, -half, half, 60.0)
    baselines = ARRAY[track.antenna2] - ARRAY[track.antenna1]
    np.testing.assert_allclose(np.stack([track.u_m, track.v_m, track.w_m], 1), baselines, atol=1e-9)


def source_direction(hour_angle, declination, latitude):
    """East, north, up of a source, from the spherical triangle of altitude and azimuth."""
    up = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    east = -np.cos(declination) * np.sin(hour_angle)
    north = np.sin(declination) * np.cos(latitude) - np.cos(declination) * np.cos(hour_angle) * np.sin(latitude)
    return np.array([east, north, up])


def test_against_the_direction_of_the_source():
    latitude, declination = np.radians([34.1, 12.3])
    track = uv_track(ARRAY, 34.1, 12.3, 1.0, 1.5, 60.0)
    hour_angle = np.radians(15 * (1.0 + (track.time_mjd_s - 5.1e9) / 3600 * SIDEREAL))
    step = 1e-5
    for row in (0, 7, 100):
        baseline = ARRAY[track.antenna2[row]] - ARRAY[track.antenna1[row]]
        source, north, later = (
            baseline @ source_direction(hour_angle[row] + dh, declination + dd, latitude)
            - (baseline @ source_direction(hour_angle[row] - dh, declination - dd, latitude) if dh or dd else 0)
            for dh, dd in ((0, 0), (0, step), (step, 0))
        )
        # w points at the source; u and v are how it changes with right ascension (less hour angle) and declination.
        truth = [-later / (2 * step * np.cos(declination)), north / (2 * step), source]
        # Differences of kilometres: step^2 / 6 of truncation, 1e-16 / step of rounding, times 1000 m.
        np.testing.assert_allclose([track.u_m[row], track.v_m[row], track.w_m[row]], truth, atol=1e-6)


def test_east_west_baseline_draws_an_ellipse():
    # Thompson, Moran & Swenson 2017, eq. 4.5 with no polar component.
    track = uv_track(np.array([[0.0, 0, 0], [500.0, 0, 0]]), 40.0, 50.0, -6.0, 6.0, 300.0)
    np.testing.assert_allclose(track.u_m**2 + (track.v_m / np.sin(np.radians(50.0))) ** 2, 500.0**2, rtol=1e-12)
    # It rises in the east: the eastern antenna is then nearest to the source.
    assert track.w_m[0] > 0
    assert track.w_m[-1] < 0


def test_at_the_pole_v_is_foreshortened_for_no_baseline():
    track = uv_track(ARRAY, 20.0, 90.0, -1.0, 1.0, 1200.0)
    np.testing.assert_allclose(np.ptp(np.hypot(track.u_m, track.v_m).reshape(-1, 6), axis=0), 0, atol=1e-9)


def test_samples_and_antennas():
    track = uv_track(ARRAY, -23.0, -5.0, 0.0, 1.0, 60.0)
    n_times = int(3600 / SIDEREAL / 60)
    assert len(track.u_m) == 6 * n_times
    assert (track.antenna1 < track.antenna2).all()
    assert track.antenna1.dtype == track.scan.dtype == np.int32
    np.testing.assert_allclose(np.unique(track.time_mjd_s), 5.1e9 + 60 * (np.arange(n_times) + 0.5))


def test_bad_arrays_and_tracks_are_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 3\), expected \(antenna >= 2, 3\)"):
        uv_track(ARRAY[:1], 0, 0, 0, 1, 60)
    with pytest.raises(ValueError, match=r"lasts 36 s, less than one integration of 60 s"):
        uv_track(ARRAY, 0, 0, 0, 0.01, 60)
