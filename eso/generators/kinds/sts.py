"""STSSessionToken: temporary credentials of the AWS identity that logs in.

Neighbours: registry.py names it, kit/aws.py logs in.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Final

from eso.errors import EsoError
from eso.generators.contract import Generated, GeneratorFailed, Json, Stateless, spec_of
from eso.generators.kit.aws import service
from eso.providers.contract import CredentialReader
from eso.providers.env import Env

PARAMETERS: Final = {"sessionDuration": "DurationSeconds", "serialNumber": "SerialNumber", "tokenCode": "TokenCode"}


class STSSessionToken(Stateless):
    kind: ClassVar[str] = "STSSessionToken"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        spec = spec_of(resource)
        if (spec.get("auth") or {}).get("jwt"):
            raise GeneratorFailed("jwt auth cannot be used for STS Session Token generation", fix="use auth.secretRef")
        given: Json = spec.get("requestParameters") or {}
        asked: dict[str, Any] = {name: given[key] for key, name in PARAMETERS.items() if given.get(key)}
        async with service("sts", resource, credentials, env) as api:
            try:
                answer = await api.call("GetSessionToken", **asked)
            except EsoError as error:
                raise GeneratorFailed(f"unable to get authorization token: {error}", fix=error.fix) from error
        return Generated(values_of(answer.get("Credentials") or {}))


def values_of(found: Json) -> dict[str, bytes]:
    ends = found.get("Expiration")
    if not found.get("AccessKeyId") or not isinstance(ends, datetime):
        raise GeneratorFailed("no credentials found")
    return {
        "access_key_id": str(found["AccessKeyId"]).encode(),
        "secret_access_key": str(found.get("SecretAccessKey") or "").encode(),
        "session_token": str(found.get("SessionToken") or "").encode(),
        "expiration": str(int(ends.timestamp())).encode(),
    }


GENERATOR: Final = STSSessionToken()
