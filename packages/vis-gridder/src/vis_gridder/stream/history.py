"""History of a data set: its assumptions, and warnings about the data."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["DataWarning", "assumptions"]

_ASSUMED = re.compile(r"^(?:.*?: )?assumed ")


class DataWarning(UserWarning):
    """Warning about data that were used but need a look."""


def assumptions(history: Iterable[str]) -> list[str]:
    """Return the lines of a history that state an assumption: something the file does not say and a reader supplied.

    Such a line begins with "assumed", after the data set's name where several share one history. It names the value
    taken, the reason, and the option or keyword that would replace it.

    Args:
        history: lines, as in `Source.history` or a manifest.

    """
    return [line for line in history if _ASSUMED.match(line)]
