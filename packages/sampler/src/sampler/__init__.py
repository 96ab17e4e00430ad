"""Preconditioned MALA for a differentiable log-density, with diagnostics and checkpoints."""
