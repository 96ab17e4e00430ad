"""Kills at random moments: what a killed fit, survey or training ends as, against an undisturbed one."""
