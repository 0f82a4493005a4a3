"""Logs in to a `passworddepot` store with a user and a password.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.http import Api, clean, object_of, text_in
from eso.providers.kit.selectors import part
from eso.providers.kit.token import MOST_TOKEN
from eso.providers.passworddepot import refusal, spec
from eso.providers.passworddepot.client import LABEL, Client, Session, database_of

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0)
TOKENS: Final = ("client_id", "access_token")


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        user = await user_of(credentials, store)
        base = spec.base(store.provider_spec)
        pool = await opened(self.env, credentials, base)
        try:
            asking = Api(pool, LABEL, base, AGENT, refusal.of_login, TIMEOUTS, MOST_TOKEN)
            found = object_of((await asking.send("Login", "GET", "/login", headers=user)).body)
            tokens = {name: clean(text_in(found, name), "token") for name in TOKENS}
            api = Api(pool, LABEL, base, AGENT | tokens, refusal.of_api, TIMEOUTS)
            session = Session(api, self.env.offload)
            database = await database_of(session, spec.database(store.provider_spec), credentials.namespace)
        except BaseException:
            await pool.close()
            raise
        return Client(store, replace(session, database=database))


async def user_of(credentials: CredentialReader, store: StoreView) -> dict[str, str]:
    """The headers of a login. Raises InvalidConfig, or the credential reader's error."""
    selector = part(store.provider_spec, *spec.CREDENTIALS)
    if not selector.get("name"):
        raise InvalidConfig("credentials are empty", fix="set auth.secretRef.credentials.name")
    data = (await credentials.secret_object(selector)).data
    user, password = (data.get(name, b"").decode("utf-8", "replace") for name in ("username", "password"))
    if not user or not password:
        raise InvalidConfig(
            "missing credentials while setting auth", fix="the Secret needs the keys username and password"
        )
    return {"user": sendable(user, "username"), "pass": sendable(password, "password")}


def sendable(text: str, name: str) -> str:
    """Letters of every language are sent as UTF-8; anything else is for `clean` to refuse."""
    return text if text.isprintable() else clean(text, name)
