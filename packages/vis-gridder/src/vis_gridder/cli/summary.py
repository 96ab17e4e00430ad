"""The `info` command."""

from __future__ import annotations

import json
from typing import Any

from steelyard_schemas import one_line_errors, plain

from vis_gridder.cli.console import file_names, printed_warnings, progress_of
from vis_gridder.cli.option_groups import with_option_groups
from vis_gridder.cli.options import Files, JsonOption, RestOption, Selection, is_image

__all__ = ["info"]


@with_option_groups
def info(
    files: Files, selection: Selection, rest_frequency_hz: RestOption = None, as_json: JsonOption = False
) -> None:
    """Summarise the data: contents, noise, line position and a suggested grid.

    Example: vis-gridder info target.ms --spw 0
    """
    from vis_gridder.cli.advice import advise, advise_image  # loads readers and imaging; help does without

    with one_line_errors(), printed_warnings():
        if is_image(files, selection):
            facts = advise_image(files[0], rest_frequency_hz)
        else:
            sources = selection.open(files, allow_mixed_widths=True)
            with progress_of(f"reading {file_names(files)}") as progress:
                facts = advise(sources, rest_frequency_hz, progress)
    if as_json:
        print(json.dumps(facts))
    else:
        _print_facts(facts)


def _print_facts(facts: dict[str, Any]) -> None:
    for key, value in facts.items():
        if key in ("history", "assumptions"):
            for line in value:
                print(f"{key:>28}  {plain(line)}")
        elif isinstance(value, list):
            print(f"{key:>28}  {' to '.join(f'{v:.9g}' for v in value)}")
        else:
            print(f"{key:>28}  {f'{value:.9g}' if isinstance(value, float) else plain(value)}")
