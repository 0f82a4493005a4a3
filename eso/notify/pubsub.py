"""A pull subscription of Google Pub/Sub as a source of change events.

Neighbours: driver.py opens and asks, queuespec.py checks the block, replies.py reads the answers; the login is that of
the provider `gcpsm`. A message that is not acknowledged comes again after the subscription's own deadline; dead letters
are set up at Google.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from eso.errors import EsoError
from eso.net.http import Pool, Timeouts
from eso.notify import queuespec, replies
from eso.notify.contract import LONGEST_WAIT, MOST_MESSAGES, Message
from eso.notify.logins import Lasting, worded
from eso.notify.queuespec import Json
from eso.providers.contract import CredentialReader, Denied, InvalidConfig, StoreView, Timeout, turn
from eso.providers.env import Env
from eso.providers.gcpsm.login import CREATE, GET, Login
from eso.providers.gcpsm.refusal import CODES, told
from eso.providers.kit import http
from eso.providers.kit.authority import opened
from eso.providers.kit.http import Api, Reply, bearer, exchanged, object_of, segment

LABEL: Final = "GCP/PubSub"
LOGIN: Final = "cannot log in to Google: "
MOST_REPLY: Final = 16 << 20  # bytes: a message may have 10 MB, and a reply ends with the one that exceeds it
RIGHTS: Final = "grant the identity roles/pubsub.subscriber on the subscription"


class PubSub:
    """`direct` opens connections to the machine's own metadata service: no proxy may stand between."""

    def __init__(self, direct: Callable[[], Pool] = Pool) -> None:
        self._direct = direct

    async def open(self, block: Json, credentials: CredentialReader, env: Env) -> PubSubFeed:
        subscription = queuespec.pubsub(block)
        pool = await opened(env, credentials, f"https://{queuespec.PUBSUB_HOST}")
        direct = self._direct()
        try:
            view = StoreView("SecretStore", "", credentials.namespace, "gcpsm", block)
            try:
                token = await Login(env, pool, direct, credentials).token(view)
            except EsoError as error:
                raise worded(LOGIN, error, (CREATE, GET)) from error
            headers = bearer(token.value)
        except BaseException:
            await pool.close()
            raise
        finally:
            await direct.close()
        path = "/".join(segment(name) for name in subscription.split("/"))
        api = Api(
            pool, LABEL, f"https://{queuespec.PUBSUB_HOST}/v1/{path}", headers, refuse=refused, max_body=MOST_REPLY
        )
        return PubSubFeed(api, subscription, Lasting(token.lifetime, env.clock))


class PubSubFeed:
    def __init__(self, api: Api, subscription: str, lasting: Lasting) -> None:
        self._api, self._subscription, self._lasting = api, subscription, lasting
        self.wait = LONGEST_WAIT

    async def receive(self) -> Sequence[Message]:
        """Google answers as soon as it has a message, and otherwise after a time that it does not tell: the end of our
        patience means that there was none. A message that was on its way comes again after its deadline."""
        self._lasting.check()
        api, headers = self._api, {**self._api.headers, "Content-Type": "application/json"}
        body = b'{"maxMessages":%d}' % MOST_MESSAGES
        async with turn(LABEL, "Pull"):
            try:
                reply = await exchanged(
                    api.pool, "POST", f"{api.base}:pull", headers, None, body, Timeouts(total=self.wait), MOST_REPLY
                )
            except Timeout as error:
                if error.connected:
                    return ()
                raise
            if reply.status != 200:
                raise refused(reply)
        return replies.of_pub_sub(object_of(reply.body), self._subscription)

    async def acknowledge(self, receipts: Sequence[str]) -> None:
        """A subscription that delivers exactly once refuses receipts that are too old; their messages come again."""
        reply = await self._api.send("Acknowledge", "POST", ":acknowledge", json={"ackIds": list(receipts)}, ok=(400,))
        if reply.status == 400 and told(reply.body)[0] != "INVALID_ARGUMENT":
            raise refused(reply)

    async def close(self) -> None:
        await self._api.close()


def refused(reply: Reply) -> EsoError:
    """The error for a refusal of Pub/Sub. Its message may quote what was sent: only the code is shown."""
    code = told(reply.body)[0]
    shown = f"Pub/Sub answered {reply.status}" + (f" ({CODES[code]})" if code else "")
    match reply.status, code:
        case 404, "NOT_FOUND":
            return InvalidConfig(f"{shown}: there is no such subscription", fix="check pubsub.subscription")
        case 400, "FAILED_PRECONDITION":
            text = f"{shown}: the subscription cannot be pulled from"
            return InvalidConfig(text, fix="use a subscription without a push endpoint")
    error = http.refusal(shown, reply)
    if isinstance(error, Denied):
        error.fix = RIGHTS
    return error


OPENER: Final = PubSub()
