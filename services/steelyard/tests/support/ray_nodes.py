"""Several Ray nodes on this machine, in a process of their own: "add" and "remove" on standard input.

With an argument the head has a dashboard, at that port, which takes submitted jobs.

Apart from the tests' process, because Ray forks, and a process that runs JAX must not.
"""

import sys

from ray.cluster_utils import Cluster

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}


def main():
    head = {**NODE, "num_cpus": 0}
    if len(sys.argv) > 1:
        head |= {"include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": int(sys.argv[1])}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(**NODE)
    cluster.add_node(**NODE)
    print("address", cluster.address, flush=True)
    for command in sys.stdin:
        if command.strip() == "add":
            cluster.add_node(**NODE)
        elif command.strip() == "remove":
            cluster.remove_node(min(cluster.worker_nodes, key=id), allow_graceful=False)
        else:
            break
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
