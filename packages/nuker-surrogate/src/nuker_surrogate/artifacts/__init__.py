"""Artifacts of released surrogates: versions, opening, publishing, and registries in buckets."""
