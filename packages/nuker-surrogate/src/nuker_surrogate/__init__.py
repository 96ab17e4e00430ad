"""Neural deprojection of the Nuker law into a multi-Gaussian expansion."""
