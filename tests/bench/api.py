"""The Kubernetes API over plain HTTP, for the benchmark and its observer. Shares no code with KWatt."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import tempfile
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

Body = dict[str, Any]
PARALLEL = 8
_PLURALS = {
    "Namespace": "/api/v1/namespaces",
    "Node": "/api/v1/nodes",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Service": "/api/v1/namespaces/{}/services",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "InferenceService": "/apis/kwatt.dev/v1alpha1/namespaces/{}/inferenceservices",
    "NPUClass": "/apis/kwatt.dev/v1alpha1/npuclasses",
    "ModelProfile": "/apis/kwatt.dev/v1alpha1/modelprofiles",
    "PowerBudget": "/apis/kwatt.dev/v1alpha1/powerbudgets",
}


class ApiError(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:300]}")
        self.status = status


AWAY = (ApiError, OSError, http.client.HTTPException)  # what a request to an absent server raises


class Api:
    """One API server, with the client certificate of a kubeconfig; a connection per thread."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self._context = _tls(cluster, config["users"][0]["user"])
        self._address = urlsplit(cluster["server"]).netloc
        self._local = threading.local()

    def request(
        self, method: str, path: str, body: object = None, kind: str = "application/json"
    ) -> Body:
        """Send one request and return the answer."""
        payload = None if body is None else json.dumps(body)
        try:
            status, text = self._exchange(method, path, payload, kind)
        except http.client.RemoteDisconnected:  # the connection was closed while it was not used
            status, text = self._exchange(method, path, payload, kind)
        if status >= 400:
            raise ApiError(status, text.decode(errors="replace"))
        return json.loads(text)

    def _exchange(
        self, method: str, path: str, payload: str | None, kind: str
    ) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            headers = {"Content-Type": kind, "User-Agent": "kwatt-bench"}
            connection.request(method, path, payload, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            self._local.connection = None
            raise

    def list(self, path: str) -> Body:
        """Return a whole collection."""
        return self.request("GET", path)

    def apply(self, manifest: Body) -> Body:
        """Apply one manifest on the server's side."""
        path = f"{path_of(manifest)}?fieldManager=bench&force=true"
        return self.request("PATCH", path, manifest, "application/apply-patch+yaml")

    def apply_all(self, manifests: Iterable[Body]) -> None:
        """Apply many, a few at a time."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(self.apply, manifests))

    def create_nodes(self, nodes: Iterable[Body]) -> None:
        """Create nodes with their status."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(self._create_node, nodes))

    def _create_node(self, node: Body) -> None:
        self.request("POST", "/api/v1/nodes", node)
        path = f"{path_of(node)}/status"
        status = {"status": node["status"]}
        self.request("PATCH", path, status, "application/merge-patch+json")

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete one object."""
        self.request("DELETE", f"{_PLURALS[kind].format(namespace)}/{name}")

    def watch(self, path: str, version: str, **query: str) -> Iterator[Body]:
        """Yield the events after a version until the server closes the watch."""
        query |= {"watch": "true", "resourceVersion": version, "timeoutSeconds": "3000"}
        query["allowWatchBookmarks"] = "true"
        connection = self._new_connection(timeout=120)
        try:
            connection.request("GET", f"{path}?{urlencode(query)}")
            answer = connection.getresponse()
            if answer.status >= 400:
                raise ApiError(answer.status, answer.read().decode(errors="replace"))
            while line := answer.readline():
                yield json.loads(line)
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPSConnection:
        if getattr(self._local, "connection", None) is None:
            self._local.connection = self._new_connection(timeout=60)
        return self._local.connection

    def _new_connection(self, timeout: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._address, timeout=timeout, context=self._context)


def path_of(manifest: Body) -> str:
    """Return the path of the object that a manifest describes."""
    metadata = manifest["metadata"]
    collection = _PLURALS[manifest["kind"]].format(metadata.get("namespace", ""))
    return f"{collection}/{metadata['name']}"


def _tls(cluster: Body, user: Body) -> ssl.SSLContext:
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    pair = (user["client-certificate-data"], user["client-key-data"])
    descriptor, path = tempfile.mkstemp(prefix="kwatt-bench-")  # readable by this user only
    try:
        with os.fdopen(descriptor, "wb") as both:
            both.write(b"\n".join(base64.b64decode(part) for part in pair))
        context.load_cert_chain(path)
    finally:
        Path(path).unlink()
    return context
