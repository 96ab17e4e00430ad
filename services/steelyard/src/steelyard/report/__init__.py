"""The report of a fit: one self-contained HTML page."""

from steelyard.report.page import write_report

__all__ = ["write_report"]
