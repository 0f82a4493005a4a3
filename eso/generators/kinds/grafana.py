"""Grafana: a token of a service account, which is made if it is not there; the token is deleted by its clean-up.

Neighbours: registry.py names it.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlsplit, urlunsplit

import orjson

from eso.generators.contract import Generated, GeneratorFailed, Json, spec_of
from eso.generators.kit.http import call, header, message_in, object_in, status_line, succeeded
from eso.net.http import Reply
from eso.providers.contract import CredentialReader
from eso.providers.env import Env
from eso.providers.kit.http import segment

GONE: Final = "service account token not found"


class Grafana:
    kind: ClassVar[str] = "Grafana"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        spec = spec_of(resource)
        base, headers = base_of(spec), await login(spec, credentials)
        wanted: Json = spec.get("serviceAccount") or {}
        account = await account_of(env, base, headers, wanted)
        body: dict[str, Any] = {"name": str(uuid.uuid4())}
        if wanted.get("secondsToLive"):
            body["secondsToLive"] = wanted["secondsToLive"]
        made = await asked(env, "POST", f"{base}/serviceaccounts/{segment(str(account['id']))}/tokens", headers, body)
        key, login_name = made.get("key"), str(account.get("login") or "")
        if not isinstance(key, str) or not key:
            raise GeneratorFailed("the reply of Grafana has no key")
        state = {"serviceAccount": {"id": account["id"], "login": login_name, "tokenID": made.get("id")}}
        return Generated({"login": login_name.encode(), "token": key.encode()}, state)

    async def clean_up(self, resource: Json, state: Any, credentials: CredentialReader, env: Env) -> None:
        account = state.get("serviceAccount") if isinstance(state, Mapping) else None
        if not isinstance(account, Mapping):
            raise GeneratorFailed("missing previous status")
        spec = spec_of(resource)
        place = f"{segment(str(account.get('id')))}/tokens/{segment(str(account.get('tokenID')))}"
        headers = await login(spec, credentials)
        reply = await call(env, "DELETE", f"{base_of(spec)}/serviceaccounts/{place}", headers)
        if not succeeded(reply) and GONE not in message_in(reply, "message").lower():
            raise refused(reply)


async def account_of(env: Env, base: str, headers: Mapping[str, str], wanted: Json) -> Json:
    """The account with exactly this name; a new one if there is none."""
    name = str(wanted.get("name") or "")
    found = await asked(env, "GET", f"{base}/serviceaccounts/search?query={quote(name, safe='')}", headers)
    for account in found.get("serviceAccounts") or ():
        if account.get("name") == name and account.get("id"):
            return account  # type: ignore[no-any-return]  # JSON
    made = await asked(
        env, "POST", f"{base}/serviceaccounts", headers, {"name": name, "role": str(wanted.get("role") or "")}
    )
    if not made.get("id"):
        raise GeneratorFailed("the reply of Grafana names no service account")
    return made


async def asked(env: Env, method: str, url: str, headers: Mapping[str, str], json: Any = None) -> dict[str, Any]:
    # Grafana's own client ends each body with a line break.
    body = None if json is None else orjson.dumps(json) + b"\n"
    sent = {**headers, "Content-Type": "application/json"} if body is not None else headers
    reply = await call(env, method, url, sent, body=body)
    if not succeeded(reply):
        raise refused(reply)
    return object_in(reply, "")


def refused(reply: Reply) -> GeneratorFailed:
    words = message_in(reply, "message")
    return GeneratorFailed(f"Grafana answered {status_line(reply)}{f': {words}' if words else ''}")


def base_of(spec: Json) -> str:
    try:
        parts = urlsplit(str(spec.get("url") or ""))
    except ValueError:
        raise GeneratorFailed("the url of Grafana is none") from None
    return urlunsplit((parts.scheme, parts.netloc, f"{parts.path.rstrip('/')}/api", "", ""))


async def login(spec: Json, credentials: CredentialReader) -> dict[str, str]:
    """A token wins over a password."""
    auth: Json = spec.get("auth") or {}
    sent = {"Accept": "application/json"}
    if auth.get("token"):
        token = header(await credentials.secret(auth["token"]), "token of Grafana")
        return sent | {"Authorization": f"Bearer {token}"}
    if auth.get("basic"):
        password = await credentials.secret(auth["basic"].get("password") or {})
        pair = str(auth["basic"].get("username") or "").encode() + b":" + password
        return sent | {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    raise GeneratorFailed("no auth configuration found", fix="set auth.token or auth.basic")


GENERATOR: Final = Grafana()
