"""The provider `aws` on the real API server: an account of the cluster is exchanged for a role at moto's STS."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from e2e.harness.cluster import Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.moto import Moto
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import eventually

pytestmark = pytest.mark.real
PAGE = Path(__file__).parents[2] / "docs/providers/aws.md"


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    with Moto() as server:
        yield server


def claims(token: str) -> Json:
    part = token.split(".")[1]
    found: Json = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def test_the_page_works_as_it_is_written(controlplane: ControlPlane, moto: Moto, namespace: str) -> None:
    manifest = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    assert "namespace: team-a" in manifest
    manifest = manifest.replace("namespace: team-a", f"namespace: {namespace}").replace("1h", "2s")
    moto.secret("team-a/database", {"user": "app", "password": "first"})
    moto.record()
    controlplane.apply(manifest)
    args = {"namespace": namespace, "enable-leader-election": "false"}
    with LocalOperator(controlplane, args=args, name=namespace, env=moto.environ):
        controlplane.wait_ready("secretstores", namespace, "aws")
        controlplane.wait_ready("externalsecrets", namespace, "database")
        assert controlplane.secret(namespace, "database") == {"user": "app", "password": "first"}
        moto.secret("team-a/database", {"user": "app", "password": "rotated"})

        def followed() -> bool:
            return (controlplane.secret(namespace, "database") or {}).get("password") == "rotated"

        eventually(followed, 20, what="the rotated value")
        calls = moto.recorded()
    forms = [parse_qs(body) for operation, body in calls if operation == "AssumeRoleWithWebIdentity"]
    assert len(forms) == 1, "one login for all reads"
    assert forms[0]["RoleArn"] == ["arn:aws:iam::123456789012:role/team-a-secrets"]
    token = claims(forms[0]["WebIdentityToken"][0])
    assert token["aud"] == ["sts.amazonaws.com"]
    assert token["sub"] == f"system:serviceaccount:{namespace}:app"
    assert {operation for operation, _ in calls} <= {
        "AssumeRoleWithWebIdentity",
        "GetSecretValue",
        "PutSecretValue",
        "CreateSecret",
    }
