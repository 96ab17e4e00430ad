"""Evidence (marginal likelihood) from posterior draws."""
