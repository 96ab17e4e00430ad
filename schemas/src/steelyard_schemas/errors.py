"""Exception of the contracts."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ContractError"]


MOST_SHOWN = 50
"""Maximum number of problems in the text of an error."""


class ContractError(ValueError):
    """Error raised when data violate their contract; `problems` lists all problems found."""

    def __init__(self, where: object, problems: Sequence[str] | str) -> None:
        self.where = str(where)
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        more = len(self.problems) - MOST_SHOWN
        shown = (*self.problems[:MOST_SHOWN], *([f"and {more} more"] if more > 0 else []))
        super().__init__(_one_line(f"{self.where}: " + "; ".join(shown)))


def _one_line(text: str) -> str:
    # The text may contain names from files; control characters are shown as escapes.
    plain = " ".join(text.split()) if any(c in text for c in "\n\r\t") else text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in plain)
