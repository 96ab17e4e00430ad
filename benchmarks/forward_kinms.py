"""KinMS's side of `forward.py`: a worker that renders its cube of a case, in an interpreter that has kinms."""

import sys
from importlib.metadata import version

import numpy as np

from benchmarks.peer_process import serve, timed
from validation.kinms_cube import KinMsModel


def main():
    model = KinMsModel(dict(np.load(sys.argv[1])), float(sys.argv[2]))

    def save(path):
        np.save(path, model())

    serve(
        {
            "evaluate": lambda: {"seconds": timed(model)[1]},
            "cube": save,
            "versions": lambda: {"kinms": version("kinms")},
        }
    )


if __name__ == "__main__":
    main()
