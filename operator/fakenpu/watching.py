"""Nodes, pods and services of a cluster, watched, so that load appears where replicas were placed."""

from __future__ import annotations

from fakenpu.clock import Clock


async def watch_cluster(clock: Clock, kubeconfig: str | None) -> None:
    """Keep the world as the cluster is, until cancelled."""
    del clock, kubeconfig
