"""Pages with a result between two markers. The title and the text around them are the page's own, edited by hand."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard_schemas import ContractError

from validation import ROOT

DOCS = ROOT / "docs"
START, END = "<!-- result -->", "<!-- end of result -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> list[str]:
    """Return the lines of a Markdown table and an empty line; `align` has a letter for each column, as "lrr"."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    rules = ["---:" if side == "r" else "---" for side in align or "l" * len(head)]
    return [lines[0], f"|{'|'.join(rules)}|", *lines[1:], ""]


def around_result(path: Path) -> tuple[str, str]:
    """Return a page's text before and after its result.

    Raises:
        ContractError: the page does not exist or lacks its pair of markers.

    """
    text = path.read_text() if path.exists() else ""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end) or START in rest or END in after:
        raise ContractError(
            path, f"needs one line {START} and, below it, one line {END}; add them where the result goes"
        )
    return before, after


def write_result(path: Path, text: str) -> None:
    """Replace the result of a page.

    Raises:
        ContractError: as `around_result`; nothing is written.

    """
    before, after = around_result(path)
    path.write_text(f"{before}{START}\n{text.strip()}\n{END}{after}")


@dataclass(frozen=True)
class ResultPage:
    """A page and the command that writes its result.

    Attributes:
        path: of the page.
        module: run as `python -m MODULE`.
        options: those that the page quotes, before `--write`.
        peers: packages that the command needs beyond the locked ones, as `name==version`.
    """

    path: Path
    module: str
    options: str = ""
    peers: tuple[str, ...] = ()

    @property
    def stamp(self) -> str:
        """Sentence that names the command, the first of each result."""
        peers = [word for peer in self.peers for word in ("--with", peer)]
        words = ("uv run", *peers, "python -m", self.module, self.options, "--write")
        return f"Written by `{' '.join(word for word in words if word)}`."

    def parser(self, description: str | None) -> argparse.ArgumentParser:
        """Return the command's parser with `--write`, which refuses a page without markers before the run."""
        parser = argparse.ArgumentParser(
            prog=f"python -m {self.module}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        place = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        parser.add_argument("--write", action=_Write, page=self.path, help=f"write the result into {place}")
        return parser

    def write(self, text: str) -> None:
        """Replace the page's result by the stamp and a text."""
        write_result(self.path, f"{self.stamp}\n\n{text.strip()}")


class _Write(argparse.Action):
    """Flag that is refused if its page could not be written."""

    def __init__(self, option_strings: Sequence[str], dest: str, page: Path, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, default=False, help=help)
        self._page = page

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: Any) -> None:
        try:
            around_result(self._page)
        except ContractError as error:
            parser.error(str(error))
        setattr(namespace, self.dest, True)
