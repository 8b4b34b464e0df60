"""A bare list and watch of what the operator reads: what any Python program pays to know as much.

    python tests/bench/scale/bare.py KUBECONFIG

One thread per kind lists once and watches on, reads each body with `json`, and keeps versions only: nothing
is parsed, compared or planned. Prints a line per kind once it is listed. Shares no code with KWatt.
"""

from __future__ import annotations

import http.client
import sys
import threading
from pathlib import Path
from urllib.parse import urlencode

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.api import Api, ApiError

PAGE = 500
OWN = {"labelSelector": "kwatt.dev/service"}
KINDS: dict[str, dict[str, str]] = {
    "/api/v1/nodes": {},
    "/api/v1/pods": {},
    "/api/v1/services": OWN,
    "/api/v1/resourcequotas": {},
    "/apis/apps/v1/deployments": OWN,
    "/apis/scheduling.k8s.io/v1/priorityclasses": {},
    "/apis/kwatt.dev/v1alpha1/inferenceservices": {},
    "/apis/kwatt.dev/v1alpha1/npuclasses": {},
    "/apis/kwatt.dev/v1alpha1/modelprofiles": {},
    "/apis/kwatt.dev/v1alpha1/powerbudgets": {},
}


def follow(api: Api, path: str, query: dict[str, str]) -> None:
    """List one kind, then watch it for good."""
    known: dict[str, str] = {}
    version = _listed(api, path, query, known)
    print(f"listed {path} {len(known)}", flush=True)
    while True:
        try:
            version = _watched(api, path, query, version, known)
        except ApiError:
            version = _listed(api, path, query, known)
        except (OSError, http.client.HTTPException):
            continue  # silence for longer than the timeout: watch again from the last version


def _listed(api: Api, path: str, query: dict[str, str], known: dict[str, str]) -> str:
    token = ""
    while True:
        pieces = {**query, "limit": PAGE, **({"continue": token} if token else {})}
        page = api.list(f"{path}?{urlencode(pieces)}")
        for body in page["items"]:
            known[body["metadata"]["uid"]] = body["metadata"]["resourceVersion"]
        token = page["metadata"].get("continue") or ""
        if not token:
            return page["metadata"]["resourceVersion"]


def _watched(
    api: Api, path: str, query: dict[str, str], version: str, known: dict[str, str]
) -> str:
    for event in api.watch(path, version, **query):
        if event["type"] == "ERROR":
            raise ApiError(410, str(event["object"]))
        metadata = event["object"]["metadata"]
        version = metadata["resourceVersion"]
        if event["type"] == "DELETED":
            known.pop(metadata["uid"], None)
        elif event["type"] != "BOOKMARK":
            known[metadata["uid"]] = version
    return version


def main() -> int:
    """Follow all kinds until killed."""
    api = Api(Path(sys.argv[1]))
    threads = [threading.Thread(target=follow, args=(api, *kind)) for kind in KINDS.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1


if __name__ == "__main__":
    sys.exit(main())
