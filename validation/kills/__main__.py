"""The command `python -m validation.kills`."""

from validation.kills.run import main

if __name__ == "__main__":
    raise SystemExit(main())
