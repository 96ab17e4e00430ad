"""A local Ray session in a process of its own: facts as JSON once it is up, and at its end, after a line of input."""

import json
import os
import signal
import stat
import sys

from steelyard.cluster.session import ray_session


def main():
    before, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
    with ray_session(cpus=1) as have:
        import ray

        @ray.remote
        def worked():
            return os.environ["RAY_AUTH_MODE"]

        facts = {
            "address": ray.get_runtime_context().gcs_address,
            "token": str(have.token),
            "mode": oct(stat.S_IMODE(have.token.stat().st_mode)),
            "folder_mode": oct(stat.S_IMODE(have.token.parent.stat().st_mode)),
            "own_sigterm": signal.getsignal(signal.SIGTERM) == handler,
            "worker": ray.get(worked.remote()),
        }
        # A session keeps standard output for results of commands.
        print(json.dumps(facts), file=sys.__stdout__, flush=True)
        sys.stdin.readline()
    changed = [name for name in before.keys() | os.environ.keys() if before.get(name) != os.environ.get(name)]
    print(json.dumps({"left": have.token.parent.exists(), "changed": changed}), flush=True)


if __name__ == "__main__":
    main()
