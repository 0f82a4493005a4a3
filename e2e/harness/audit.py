"""The API server's audit log as a list of requests: who asked for what, what was refused, what was written.

Neighbours: controlplane.py writes the policy below and owns the file. One line per finished request; a watch counts
once, when it starts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

# Bodies only of writes the benchmark replays; all of them are test data.
POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, Panic]
rules:
  - level: None
    users: ["system:apiserver", "system:kube-controller-manager"]
  - level: None
    nonResourceURLs: ["/healthz*", "/readyz*", "/livez*", "/version"]
  - level: Request
    verbs: [create, update, patch]
    resources:
      - group: ""
        resources: [secrets, events]
      - group: external-secrets.io
      - group: generators.external-secrets.io
  - level: Metadata
"""

WRITES = ("create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `resource` is plural, `subresource` "" for the object itself; `group` "" is core; `body` only of
    recorded writes."""

    user: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    uri: str
    agent: str
    body: Any
    reason: str
    received: str

    @property
    def path(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    @property
    def what(self) -> str:
        """For messages: `patch externalsecrets/status`."""
        group = f".{self.group}" if self.group else ""
        return f"{self.verb} {self.resource}{group}" + (f"/{self.subresource}" if self.subresource else "")


class _User(msgspec.Struct):
    username: str = ""


class _Object(msgspec.Struct):
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    apiGroup: str = ""


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Line(msgspec.Struct):
    verb: str
    stage: str
    requestURI: str
    user: _User
    requestReceivedTimestamp: str = ""
    objectRef: _Object | None = None
    responseStatus: _Status | None = None
    requestObject: Any = None
    userAgent: str = ""
    annotations: dict[str, str] | None = None


_decoder = msgspec.json.Decoder(_Line)


class AuditLog:
    """`mark()` remembers where the log ends now; readers take everything after `since`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> int:
        """A position to read from later: bytes."""
        return self.path.stat().st_size if self.path.exists() else 0

    def requests(self, *, user: str = "", since: int = 0) -> Iterator[Request]:
        """In the order they finished. `user` filters by exact user name."""
        if not self.path.exists():
            return
        with self.path.open("rb") as log:
            log.seek(since)
            for raw in log:
                if not raw.endswith(b"\n"):
                    return  # a line that is still being written
                try:
                    line = _decoder.decode(raw)
                except msgspec.DecodeError:
                    continue  # cut off when the API server was killed
                if user and line.user.username != user:
                    continue
                if line.stage != (
                    "ResponseStarted" if line.verb == "watch" else "ResponseComplete"
                ) and not self._refused(line):
                    continue
                yield self._request(line)

    @staticmethod
    def _refused(line: _Line) -> bool:
        """A refused watch never starts; it only completes."""
        return (
            line.verb == "watch"
            and line.stage == "ResponseComplete"
            and line.responseStatus is not None
            and line.responseStatus.code >= 400
        )

    @staticmethod
    def _request(line: _Line) -> Request:
        ref = line.objectRef or _Object()
        status = line.responseStatus or _Status()
        return Request(
            user=line.user.username,
            verb=line.verb,
            group=ref.apiGroup,
            resource=ref.resource,
            subresource=ref.subresource,
            namespace=ref.namespace,
            name=ref.name,
            code=status.code,
            uri=line.requestURI,
            agent=line.userAgent,
            body=line.requestObject,
            reason=(line.annotations or {}).get("authorization.k8s.io/reason", "") or status.message,
            received=line.requestReceivedTimestamp,
        )

    def counts(self, *, user: str = "", since: int = 0) -> Counter[tuple[str, str, str]]:
        """Requests per (user, verb, resource or resource/subresource)."""
        return Counter((r.user, r.verb, r.path) for r in self.requests(user=user, since=since))

    def forbidden(self, *, user: str = "", since: int = 0) -> list[Request]:
        """What authorization refused. The 403 of a namespace that is being deleted is admission's, and no missing
        right."""
        return [
            r
            for r in self.requests(user=user, since=since)
            if r.code == 403 and not r.reason.startswith("RBAC: allowed")
        ]

    def writes(self, *, user: str = "", since: int = 0) -> list[Request]:
        """Accepted writes, with their bodies where the policy records them: what a replay sends."""
        return [r for r in self.requests(user=user, since=since) if r.verb in WRITES and 200 <= r.code < 300]
