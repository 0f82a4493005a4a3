"""Makes the connections of a webhook store: its CA, its NTLM login, the Secrets that its templates use.

Neighbours: stores.registry makes the Connector; client.py asks. Nothing is asked while a store logs in.
"""

from __future__ import annotations

from eso.api.wellknown import LABEL_TYPE, TYPE_WEBHOOK
from eso.errors import EsoError
from eso.providers.contract import Consumer, CredentialReader, InvalidConfig, Plan, StoreView, prefixed
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.selectors import Json, part
from eso.providers.webhook.apart import Apart
from eso.providers.webhook.client import LABEL, Client, Connection
from eso.providers.webhook.ntlm import Login, Ntlm
from eso.providers.webhook.render import Texts
from eso.providers.webhook.spec import by_ntlm, endpoint, secrets


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        """Raises InvalidConfig, and the credential reader's errors."""
        block = store.provider_spec
        ca = await credentials.ca_bundle(block)
        known, fault = await read(store, credentials)
        login = await ntlm(block, credentials) if by_ntlm(block) else None
        try:
            pool = await opened(self.env, credentials, endpoint(block).lower(), ca=ca)
        except InvalidConfig as error:
            raise prefixed("failed to append cabundle: ", error) from error
        # What every consumer of a cluster's store shares is computed for none of them.
        owner = store.namespace or (credentials.namespace if plan.consumer is not Consumer.NONE else "")
        connection = Connection(
            pool,
            Ntlm(login, pool, LABEL) if login is not None else None,
            known,
            fault,
            Apart(self.env, owner),
            self.env.pools,
            owner,
        )
        return Client(store, connection)


async def read(store: StoreView, credentials: CredentialReader) -> tuple[Texts, EsoError | None]:
    """All keys of each Secret by its name in the templates; or why there are none, which is told when something is
    asked, as in the reference: the store itself is valid. Raises the reader's error for an API server that fails."""
    texts: dict[str, dict[str, bytes]] = {}
    for name, selector in secrets(store.provider_spec):
        named = str(selector.get("name") or "")
        if store.cluster_scoped and not selector.get("namespace"):
            return {}, InvalidConfig(f"no namespace on ClusterScoped webhook secret {named}", fix="set its namespace")
        place = selector if store.cluster_scoped else {"name": named}
        try:
            found = await credentials.secret_object(place)
        except EsoError as error:
            cause = error.__cause__ if isinstance(error.__cause__, EsoError) else error
            failed = prefixed(f"failed to get clustersecretstore webhook secret {named}: ", cause)
            if not str(cause).endswith("not found"):
                raise failed from error
            return {}, failed
        if LABEL_TYPE not in found.labels:
            return {}, InvalidConfig(
                f"secret does not contain needed label '{LABEL_TYPE}: {TYPE_WEBHOOK}'. Update secret label to use it"
                " with webhook",
                fix=f"label the Secret {named}",
            )
        if found.labels[LABEL_TYPE] != TYPE_WEBHOOK:
            return {}, InvalidConfig(f"secret type is not '{TYPE_WEBHOOK}'", fix=f"label the Secret {named}")
        texts[name] = {**texts.get(name, {}), **found.data}
    return texts, None


async def ntlm(block: Json, credentials: CredentialReader) -> Login:
    auth = part(block, "auth", "ntlm")
    user = await credentials.secret(part(auth, "usernameSecret"))
    password = await credentials.secret(part(auth, "passwordSecret"))
    return Login(user.decode("utf-8", "replace"), password.decode("utf-8", "replace"))
