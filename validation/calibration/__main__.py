"""The command `python -m validation.calibration`."""

from validation.calibration.run import main

if __name__ == "__main__":
    main()
