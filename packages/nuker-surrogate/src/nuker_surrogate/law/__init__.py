"""The Nuker law: its formula, its exact deprojection, and the box of parameters that surrogates cover."""
