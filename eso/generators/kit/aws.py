"""A session at AWS, as generators describe it: the login code of the provider `aws`.

Neighbours: kinds/ecr.py and kinds/sts.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from eso.errors import EsoError
from eso.generators.contract import GeneratorFailed, Json, spec_of, view_of
from eso.providers.aws.login import NO_SESSION, log_in
from eso.providers.aws.sdk import Api, Sdk
from eso.providers.contract import CredentialReader
from eso.providers.env import Env
from eso.providers.kit.awsidentity import Keys


@asynccontextmanager
async def service(name: str, resource: Json, credentials: CredentialReader, env: Env) -> AsyncIterator[Api]:
    """The service in the region of the spec, under its login; nothing is kept afterwards. Raises GeneratorFailed."""
    sdk = await env.offload.run_for(credentials.namespace, Sdk, env, env.environ)  # reads files
    try:
        region = str(spec_of(resource).get("region") or "")
        keys = await session(sdk, region, resource, credentials)
        yield await sdk.api(name, region, keys, f"AWS/{name}")
    finally:
        await sdk.close()


async def session(sdk: Sdk, region: str, resource: Json, credentials: CredentialReader) -> Keys:
    spec = spec_of(resource)
    auth = dict(spec.get("auth") or {})
    if "secretRef" in auth:
        auth.pop("jwt", None)  # here keys win over the account
    block = {"auth": auth} | ({"role": spec["role"]} if spec.get("role") else {})
    try:
        return await log_in(sdk, region, view_of(resource, credentials.namespace, "aws", block), credentials)
    except EsoError as error:
        text = str(error).removeprefix(NO_SESSION)
        raise GeneratorFailed(f"unable to create aws session: {text}", fix=error.fix) from error
