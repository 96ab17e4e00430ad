"""The command `python -m validation.targets`."""

from validation.targets.run import main

if __name__ == "__main__":
    main()
