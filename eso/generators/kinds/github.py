"""GithubAccessToken: a token of an installation of a GitHub App.

Neighbours: registry.py names it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from eso.errors import EsoError
from eso.generators.contract import Generated, GeneratorFailed, Json, Stateless, spec_of
from eso.generators.kit.http import call, message_in, object_in
from eso.providers.contract import CredentialReader
from eso.providers.env import Env
from eso.providers.kit import githubapp

DEFAULT: Final = "https://api.github.com"
REQUEST: Final = "error creating request: "
SECONDS: Final = 5.0


class GithubAccessToken(Stateless):
    kind: ClassVar[str] = "GithubAccessToken"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        spec = spec_of(resource)
        selector = ((spec.get("auth") or {}).get("privateKey") or {}).get("secretRef") or {}
        try:
            pem = await credentials.secret(selector)
        except EsoError as error:
            raise GeneratorFailed(f"{REQUEST}error getting GH pem from secret:{error}", fix=error.fix) from error
        signing = env.offload.run_for(
            credentials.namespace, githubapp.assertion, pem, str(spec.get("appID") or ""), env.clock.now()
        )
        try:
            headers = githubapp.headers(await signing)
        except EsoError as error:
            raise GeneratorFailed(f"{REQUEST}error parsing RSA private key: {error}", fix=FIX) from None
        url = f"{spec.get('url') or DEFAULT}{githubapp.path(spec.get('installID'))}"
        reply = await call(env, "POST", url, headers, json=wanted(spec), seconds=SECONDS)
        if reply.status >= 300:
            words = message_in(reply, "message")
            if not words:
                raise GeneratorFailed(
                    "error generating token, failed to extract error message from github request: "
                    f"response code: {reply.status}"
                )
            raise GeneratorFailed(f"error generating token: response code: {reply.status}, response: {words}")
        found = object_in(reply, "error decoding response: ").get("token")
        if not isinstance(found, str):
            raise GeneratorFailed("token isn't a string or token key doesn't exist")
        return Generated({"token": found.encode()})


def wanted(spec: Json) -> dict[str, Any] | None:
    """What the token may do; None for all that the App may."""
    body: dict[str, Any] = {}
    if spec.get("permissions") is not None:
        body["permissions"] = spec["permissions"]
    if spec.get("repositories"):
        body["repositories"] = spec["repositories"]
    return body or None


FIX: Final = "store the private key of the App as GitHub gave it, in PEM"
GENERATOR: Final = GithubAccessToken()
