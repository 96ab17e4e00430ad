"""Time and memory of Steelyard, beside those of other codes. One command each.

uv run python -m benchmarks.NAME --help
"""
