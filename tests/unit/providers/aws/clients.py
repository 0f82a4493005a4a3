"""Clients of the three services on moto, and what pushes are made of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from e2e.harness.moto import Moto
from eso.providers.aws.connect import Connector
from eso.providers.aws.spec import SPEC
from eso.providers.contract import Push, Remote, Source
from tests.fakes.awslogin import AwsCredentials, view
from tests.fakes.env import env


@asynccontextmanager
async def opened(moto: Moto, service: str = "SecretsManager", **block: Any) -> AsyncIterator[Any]:
    """A client of `service` with static keys."""
    connector = Connector(replace(env(), environ=moto.environ))
    store = view(service=service, **block)
    client = await connector.open(store, SPEC.plan(store), AwsCredentials())
    try:
        yield client
    finally:
        await client.close()
        await connector.close()


def entry(remote: str, key: str = "", property: str = "", spec: Mapping[str, Any] | None = None) -> Push:
    """`spec`: of the metadata envelope."""
    envelope = {"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec}
    return Push(Remote(remote, property), key, envelope if spec is not None else None)


def source(credentials: AwsCredentials | None = None, **data: str) -> Source:
    return Source(
        {key.replace("__", "."): value.encode() for key, value in data.items()},
        name="source",
        namespace="team-a",
        reader=credentials,
    )
