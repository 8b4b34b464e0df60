"""Somebody with a token of their own who sends requests that kubectl would not."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from typing import Any, NamedTuple

import yaml

from cluster.cluster import Cluster

Body = dict[str, Any]
AGENT = "intruder"  # how the audit log tells these requests from the operator's own
_CONTENT = {
    "apply": "application/apply-patch+yaml",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
}


class Answer(NamedTuple):
    """What the API server said."""

    code: int
    body: Body

    def refused(self) -> str:
        """Return the sentence of a refusal; fail where the request was granted."""
        assert self.code >= 400, f"it was granted: {self.code} {self.body}"
        return str(self.body.get("message", self.body))

    def granted(self) -> Body:
        """Return the body; fail with the API server's sentence where the request was refused."""
        assert self.code < 400, self.body.get("message", self.body)
        return self.body


class Intruder:
    """Requests in the name of whoever the token belongs to."""

    def __init__(self, cluster: Cluster, token: str) -> None:
        self._url, self._token = cluster.url, token
        config = yaml.safe_load(cluster.kubeconfig.read_text())
        authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
        self._tls = ssl.create_default_context(cadata=base64.b64decode(authority).decode())

    def get(self, path: str) -> Answer:
        """Read."""
        return self._send("GET", path, None, "application/json")

    def create(self, path: str, body: Body) -> Answer:
        """Create in a collection or on a subresource."""
        return self._send("POST", path, body, "application/json")

    def delete(self, path: str) -> Answer:
        """Delete."""
        return self._send("DELETE", path, None, "application/json")

    def patch(self, path: str, body: Any, kind: str = "merge") -> Answer:
        """Patch, by a merge or JSON patch."""
        return self._send("PATCH", path, body, _CONTENT[kind])

    def apply(self, path: str, body: Body) -> Answer:
        """Apply on the server's side, with force."""
        path += "?fieldManager=intruder&force=true"
        return self._send("PATCH", path, body, _CONTENT["apply"])

    def _send(self, method: str, path: str, body: Any, content: str) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": content,
            "User-Agent": AGENT,
        }
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._tls) as answer:
                return Answer(answer.status, json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, json.loads(error.read()))
