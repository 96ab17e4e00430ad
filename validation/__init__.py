"""Science runs that write pages of docs/: calibration, recovery, accuracy, precision, redshift. One command each.

uv run python -m validation.NAME --help
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""Root folder of the repository."""
