from vis_gridder import assumptions


def test_assumptions_are_found_in_a_history():
    history = [
        "read UVFITS random groups",
        "assumed a dish of 25 m, known for VLA",
        "night.ms: assumed radio velocities (no VELREF)",
        "kept channels 3 to 8 of 12; none was assumed ",
    ]
    assert assumptions(history) == history[1:3]
