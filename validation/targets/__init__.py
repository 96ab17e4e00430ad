"""Standard targets of known moments: where MALA is the tool and where it is not, beside NUTS."""
