"""Report of a fit: one self-contained HTML page."""

from steelyard.report.page import ReportWarning, report_or_warning, write_report

__all__ = ["ReportWarning", "report_or_warning", "write_report"]
