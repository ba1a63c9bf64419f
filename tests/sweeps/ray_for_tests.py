"""Clusters of Ray on this computer, for processes that tests start."""

import sys

SETTINGS = {
    "RAY_AUTH_MODE": "token",
    # A cluster that is started before any launcher finds none in a new home, and ends at once.
    "RAY_AUTH_TOKEN": "5a" * 32,
    "RAY_gcs_server_port_wait_time_s": "120",
}
"""Environment variables that `RayLauncher` would set, too late for what is started before it."""


def cluster(**head):
    """Returns a `Cluster` whose first node has the given arguments.

    A node that is not up within Ray's 30 seconds, as on a computer that is busy with other tests,
    is started once more.
    """
    from ray.cluster_utils import Cluster

    try:
        return Cluster(initialize_head=True, head_node_args=head)
    except Exception as error:  # Ray raises it bare.
        print("once more:", error, file=sys.stderr)
        return Cluster(initialize_head=True, head_node_args=head)
