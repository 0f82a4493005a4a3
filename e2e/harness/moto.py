"""A moto server on loopback: Secrets Manager, Parameter Store, Certificate Manager, STS, EventBridge, SQS, and what
tests put into them.

Neighbours: `aws` stores talk to it through AWS_ENDPOINT_URL. Any key is a login there: what tells logins apart is
tested on the contract server.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

import requests

from e2e.harness.process import Child, free_port
from e2e.harness.waiting import PATIENCE

REGION = "eu-central-1"
TARGETS = {
    "secretsmanager": "secretsmanager",
    "ssm": "AmazonSSM",
    "acm": "CertificateManager",
    "tagging": "ResourceGroupsTaggingAPI_20170126",
    "sqs": "AmazonSQS",
    "events": "AWSEvents",
}


class AwsRefused(RuntimeError):
    """The server said no; `code` is its own word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Moto:
    """`with Moto() as aws:` serves while the block is open."""

    def __init__(self, *, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="eso-moto-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.log = self.folder / "moto.log"
        env = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), "PYTHONUNBUFFERED": "1"}
        argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self.child = Child("moto", argv, self.log, cwd=self.folder, env=env)
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Moto:
        self.child.start()
        self.child.wait_until(lambda: self._session.get(f"{self.address}/moto-api/", timeout=10).status_code == 200, 60)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._session.close()
        self.child.stop()

    @property
    def environ(self) -> dict[str, str]:
        """What sends an operator here."""
        return {"AWS_ENDPOINT_URL": self.address}

    def reset(self) -> None:
        """Forgets everything."""
        self._session.post(f"{self.address}/moto-api/reset", timeout=PATIENCE).raise_for_status()

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """One call of a service that speaks JSON. Raises AwsRefused."""
        scope = f"AKIATEST/20260101/{REGION}/{service}/aws4_request"
        reply = self._session.post(
            self.address,
            json=parameters,
            headers={
                "X-Amz-Target": f"{TARGETS[service]}.{operation}",
                "Content-Type": "application/x-amz-json-1.1",
                "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
            },
            timeout=PATIENCE,
        )
        answer: dict[str, Any] = reply.json() if reply.content else {}
        if reply.status_code >= 300:
            raise AwsRefused(str(answer.get("__type", reply.status_code)), str(answer.get("message", "")))
        return answer

    def secret(self, name: str, value: Mapping[str, Any] | str, **tags: str) -> str:
        """Writes a secret, or a new version of it. Returns the id of the version."""
        text = value if isinstance(value, str) else json.dumps(dict(value), separators=(",", ":"))
        try:
            given = {"Tags": [{"Key": key, "Value": tag} for key, tag in tags.items()]} if tags else {}
            answer = self.call("secretsmanager", "CreateSecret", Name=name, SecretString=text, **given)
        except AwsRefused as error:
            if "ResourceExists" not in error.code:
                raise
            answer = self.call("secretsmanager", "PutSecretValue", SecretId=name, SecretString=text)
        return str(answer["VersionId"])

    def parameter(self, name: str, value: Mapping[str, Any] | str, kind: str = "SecureString") -> None:
        text = value if isinstance(value, str) else json.dumps(dict(value), separators=(",", ":"))
        self.call("ssm", "PutParameter", Name=name, Value=text, Type=kind, Overwrite=True)

    def recorded(self) -> list[tuple[str, str]]:
        """(operation, body) of each call since `record`."""
        lines = self._session.get(
            f"{self.address}/moto-api/recorder/download-recording", timeout=PATIENCE
        ).text.splitlines()
        calls = []
        for line in lines:
            seen = json.loads(line)
            headers = {name.lower(): value for name, value in seen["headers"].items()}
            body = base64.b64decode(seen["body"]).decode() if seen["body_encoded"] else str(seen["body"])
            action = parse_qs(body).get("Action", [""])[0]
            calls.append((str(headers.get("x-amz-target", "")).rpartition(".")[2] or action, body))
        return calls

    def requests(self) -> Counter[str]:
        """Operation → how often it was called since `record`."""
        return Counter(operation for operation, _ in self.recorded())

    def record(self) -> None:
        """Counts from now on."""
        for action in ("reset-recording", "start-recording"):
            self._session.post(f"{self.address}/moto-api/recorder/{action}", timeout=PATIENCE).raise_for_status()
