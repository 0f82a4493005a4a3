"""A queue, or a topic's subscription, of Azure Service Bus as a source of change events.

Neighbours: driver.py opens and asks, queuespec.py checks the block, replies.py reads the answers; the login is that of
the provider `azurekv`, or a key of the namespace that signs each request. A message stays locked for as long as its
queue says and comes again if it is not deleted until then; Azure moves it to the dead letters after a number of times.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote_plus

from eso.errors import EsoError
from eso.net.http import Pool
from eso.notify import queuespec, replies
from eso.notify.contract import LONGEST_WAIT, MOST_MESSAGES, Message
from eso.notify.logins import FIRST_WAIT, Lasting, worded
from eso.notify.queuespec import BusQueue, Json
from eso.providers.azurekv.login import Login, Purpose
from eso.providers.contract import CredentialReader, Denied, InvalidConfig
from eso.providers.env import Env
from eso.providers.kit import http
from eso.providers.kit.authority import opened
from eso.providers.kit.http import Api, NothingThere, Reply, bearer, clean, segment, status_line
from eso.providers.kit.selectors import has, part
from eso.runtime.clock import Clock
from eso.secretbytes import SecretBytes

LABEL: Final = "Azure/ServiceBus"
LOGIN: Final = "cannot log in to Azure: "
AUDIENCE: Final = "https://servicebus.azure.net"  # of tokens, in every cloud
SIGNED_SECONDS: Final = 300  # that a signature is good for; each request has its own
MOST_REPLY: Final = 1 << 20  # bytes: Event Grid sends no event that is longer
COLLECTING: Final = 1.0  # seconds that messages of a burst wait for those behind them
RIGHTS: Final = "grant the identity the role Azure Service Bus Data Receiver on the queue"
OTHER_HOST: Final = "the operator's own identity is shown to namespaces of the source's cloud only"


class ServiceBus:
    """`direct` opens connections to the machine's own metadata service: no proxy may stand between."""

    def __init__(self, direct: Callable[[], Pool] = Pool) -> None:
        self._direct = direct

    async def open(self, block: Json, credentials: CredentialReader, env: Env) -> BusFeed:
        queue = queuespec.servicebus(block)
        pool = await opened(env, credentials, f"https://{queue.host}")  # it reaches the authority of tokens, too
        try:
            signature, lasting = await self._logged_in(queue, block, pool, credentials, env)
            path = "/".join(segment(name) for name in queue.path.split("/"))
            api = Api(pool, LABEL, f"https://{queue.host}/{path}", refuse=refused, max_body=MOST_REPLY)
        except BaseException:
            await pool.close()
            raise
        return BusFeed(api, signature, lasting, env.clock)

    async def _logged_in(
        self, queue: BusQueue, block: Json, pool: Pool, credentials: CredentialReader, env: Env
    ) -> tuple[Callable[[], str], Lasting]:
        """The Authorization header for a request, and how long it can be made."""
        if has(block, "sas"):
            sas = part(block, "sas")
            try:
                key = SecretBytes((await credentials.secret(part(sas, "secretRef"))).strip())
            except EsoError as error:
                raise worded(LOGIN, error) from error
            name = clean(str(sas["keyName"]), "name of the key")
            address = f"https://{queue.host}/{queue.path}"
            return lambda: signed(address, name, key, ends(env.clock)), Lasting(None, env.clock)
        direct = self._direct()
        try:
            purpose = Purpose(AUDIENCE, queue.own_host, OTHER_HOST)
            # The newer of the two ways that the provider knows: it asks annotations of the account alone.
            wanted = {**block, "useAzureSDK": True}
            token = await Login(env, pool, direct, credentials, wanted, purpose).token()
        except EsoError as error:
            raise worded(LOGIN, error) from error
        finally:
            await direct.close()
        shown = bearer(token.value)["Authorization"]
        return lambda: shown, Lasting(token.lifetime, env.clock)


def ends(clock: Clock) -> int:
    return int(clock.now().timestamp()) + SIGNED_SECONDS


def signed(address: str, name: str, key: SecretBytes, expires: int) -> str:
    """A shared access signature: HMAC-SHA256 of the address and the second in which it ends."""
    resource = quote_plus(address)
    digest = hmac.digest(key.reveal(), f"{resource}\n{expires}".encode(), hashlib.sha256)
    signature = quote_plus(base64.b64encode(digest))
    return f"SharedAccessSignature sr={resource}&sig={signature}&se={expires}&skn={quote_plus(name)}"


class BusFeed:
    """`authorization` makes the header of a request."""

    def __init__(self, api: Api, authorization: Callable[[], str], lasting: Lasting, clock: Clock) -> None:
        self._api, self._authorization, self._lasting, self._clock = api, authorization, lasting, clock
        self._busy, self._wait = False, FIRST_WAIT

    async def receive(self) -> Sequence[Message]:
        """The service hands out one message for each request. The first one is passed on at once; after it there may be
        more, which are collected."""
        self._lasting.check()
        if not self._busy:
            first = await self._locked(self._wait)
            self._busy, self._wait = bool(first), LONGEST_WAIT
            return first
        found: list[Message] = []
        until = self._clock.monotonic() + COLLECTING
        while len(found) < MOST_MESSAGES and (not found or self._clock.monotonic() < until):
            try:
                message = await self._locked(COLLECTING)
            except EsoError:
                if not found:
                    raise
                break  # what is locked must not wait for its lock to end; the next request meets the same fault
            if not message:
                self._busy = False
                break
            found += message
        return found

    async def _locked(self, seconds: float) -> Sequence[Message]:
        query, headers = {"timeout": str(int(seconds))}, {"Authorization": self._authorization()}
        reply = await self._api.send("PeekLock", "POST", "/messages/head", query=query, headers=headers)
        return replies.of_service_bus(reply.status, reply.headers, reply.body)

    async def acknowledge(self, receipts: Sequence[str]) -> None:
        """A lock that has ended is no failure: its message comes again."""
        for receipt in receipts:
            headers = {"Authorization": self._authorization()}
            await self._api.send("Delete", "DELETE", f"/messages/{receipt}", headers=headers, ok=(404,))

    async def close(self) -> None:
        await self._api.close()


def refused(reply: Reply) -> EsoError:
    """The error for a refusal of Service Bus. Its words may quote the request: only the status is shown."""
    shown = f"Service Bus answered {status_line(reply.status)}"
    error = http.refusal(shown, reply)
    if reply.status == 410 or isinstance(error, NothingThere):
        return InvalidConfig(f"{shown}: there is no such queue or subscription", fix="check servicebus.queue or topic")
    if isinstance(error, Denied):
        error.fix = RIGHTS
    return error


OPENER: Final = ServiceBus()
