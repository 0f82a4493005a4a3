"""GitlabDeployToken: a deploy token of a project or a group, revoked by its clean-up.

Neighbours: registry.py names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from eso.errors import EsoError
from eso.generators.contract import Generated, GeneratorFailed, Json, spec_of
from eso.generators.kit.http import call, header, message_in, object_in, status_line, succeeded
from eso.net.http import Reply
from eso.providers.contract import CredentialReader
from eso.providers.env import Env
from eso.providers.kit.http import segment

DEFAULT: Final = "https://gitlab.com"


class GitlabDeployToken:
    kind: ClassVar[str] = "GitlabDeployToken"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        spec = spec_of(resource)
        url = collection(spec)
        headers = await login(spec, credentials)
        reply = await call(env, "POST", url, headers, json=wanted(spec))
        if not succeeded(reply):
            raise GeneratorFailed(f"error generating deploy token: {refused(reply)}")
        found = object_in(reply, "error decoding response: ")
        token = found.get("token")
        if not isinstance(token, str) or not token:
            raise GeneratorFailed("deploy token missing from GitLab response")
        ids = {name: str(spec[name]) for name in ("projectID", "groupID") if spec.get(name)}
        state = {"url": str(spec.get("url") or ""), **ids, "tokenID": found.get("id")}
        username = str(found.get("username") or "")
        return Generated({"username": username.encode(), "token": token.encode()}, state)

    async def clean_up(self, resource: Json, state: Any, credentials: CredentialReader, env: Env) -> None:
        if not resource or not isinstance(state, Mapping) or not state.get("tokenID"):
            return
        headers = await login(spec_of(resource), credentials)
        url = f"{collection(state)}/{segment(str(state['tokenID']))}"
        reply = await call(env, "DELETE", url, headers)
        if not succeeded(reply) and reply.status != 404:
            raise GeneratorFailed(f"error revoking deploy token: {refused(reply)}")


def collection(spec: Json) -> str:
    """URL of the deploy tokens. Raises GeneratorFailed."""
    project, group = str(spec.get("projectID") or ""), str(spec.get("groupID") or "")
    if bool(project) == bool(group):
        raise GeneratorFailed("exactly one of projectID or groupID must be set")
    base = (str(spec.get("url") or "") or DEFAULT).rstrip("/")
    place, name = ("projects", project) if project else ("groups", group)
    return f"{base}/api/v4/{place}/{segment(name)}/deploy_tokens"


async def login(spec: Json, credentials: CredentialReader) -> dict[str, str]:
    selector = ((spec.get("auth") or {}).get("token") or {}).get("secretRef") or {}
    try:
        token = await credentials.secret(selector)
    except EsoError as error:
        raise GeneratorFailed(f"error getting GitLab token from secret: {error}", fix=error.fix) from error
    return {"PRIVATE-TOKEN": header(token, "GitLab token")}


def wanted(spec: Json) -> dict[str, Any]:
    body: dict[str, Any] = {"name": spec.get("name"), "scopes": spec.get("scopes")}
    if spec.get("username"):
        body["username"] = spec["username"]
    if spec.get("expiresAt"):
        body["expires_at"] = utc(str(spec["expiresAt"]))
    return body


def utc(text: str) -> str:
    try:
        time = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise GeneratorFailed("unable to parse spec: expiresAt is no time", fix="write an RFC 3339 time") from None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def refused(reply: Reply) -> str:
    """The server's own words. A body without them is not shown: the url may name any server."""
    words = message_in(reply, "message", "error") or status_line(reply)
    return f"response code: {reply.status}, response: {words}"


GENERATOR: Final = GitlabDeployToken()
