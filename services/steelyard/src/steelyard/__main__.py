"""Entry point of `steelyard` and of `python -m steelyard`."""

from __future__ import annotations

from steelyard_schemas import stopped_at_once


def main() -> None:
    """Run the command line."""
    with stopped_at_once():
        from typer.main import get_command

        from steelyard.commands.main import app

        command = get_command(app)
    command()


if __name__ == "__main__":
    main()
