"""A leader that writes without pause: the process that test_lease.py stops."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "operator"))

from kwatt.cluster.access import load_access
from kwatt.cluster.client import Client
from kwatt.cluster.lease import Candidate, Lease, Terms
from kwatt.cluster.paths import Kind
from kwatt.errors import ClusterError

TERMS = Terms(lease=2, renew=1.5, retry=0.2, attempt=1, margin=0.5)


async def main(namespace: str) -> None:
    path = Kind("v1", "ConfigMap", "configmaps").named("target", namespace)
    access = await load_access()
    async with Client(access) as plain:
        lease = Lease(plain, Candidate(namespace, "kwatt"), terms=TERMS)
        async with Client(access, gate=lease.require, request_seconds=TERMS.margin) as gated:
            running = asyncio.create_task(lease.run())
            await lease.leading.wait()
            for count in range(10**9):
                try:
                    await gated.merge_patch(path, {"data": {"count": str(count)}})
                except ClusterError:
                    await asyncio.sleep(0.01)
                if count == 20:
                    print("writing", flush=True)
            await running


asyncio.run(main(sys.argv[1]))
