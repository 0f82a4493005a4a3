"""A queue of Amazon SQS as a source of change events: long polls, and deletions in batches.

Neighbours: driver.py opens and asks, queuespec.py checks the block, replies.py reads the answers; the login and the SDK
are those of the provider `aws`. A message that is not deleted comes again after VISIBLE seconds; AWS moves it to the
queue's dead-letter queue if that is set up there.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eso.errors import EsoError
from eso.notify import queuespec, replies
from eso.notify.contract import LONGEST_WAIT, MOST_MESSAGES, Message
from eso.notify.logins import FIRST_WAIT, Lasting, worded
from eso.notify.queuespec import Json, SqsQueue
from eso.providers.aws.login import NO_KEYS, NO_SESSION, log_in
from eso.providers.aws.refusal import code_of
from eso.providers.aws.sdk import Api, Sdk
from eso.providers.contract import CredentialReader, Denied, InvalidConfig, StoreView, Throttled, Unavailable
from eso.providers.env import Env
from eso.providers.kit.awsidentity import Keys

LABEL: Final = "AWS/SQS"
VISIBLE: Final = 60  # seconds in which nobody else gets a message that was received
EARLY: Final = 60.0  # seconds that a login ends before its credentials do: a poll in hand must not outlive them
LOGIN: Final = "cannot log in to AWS: "
MISSING: Final = frozenset(("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"))
CROWDED: Final = frozenset(("KMS.ThrottlingException", "KmsThrottled", "OverLimit"))
LOCKED: Final = frozenset(("KMS.AccessDeniedException", "KmsAccessDenied"))
RIGHTS: Final = "let the identity call sqs:ReceiveMessage and sqs:DeleteMessage on the queue"


@dataclass(slots=True)
class Lent:
    """An Sdk, and how many feeds use it."""

    env: Env
    sdk: Sdk
    feeds: int = 0


class Sqs:
    """All feeds of a process share one Sdk: each has the models of AWS in memory. The last one that closes ends it."""

    def __init__(self) -> None:
        self._lent: dict[int, Lent] = {}  # by the identity of the environment

    async def open(self, block: Json, credentials: CredentialReader, env: Env) -> SqsFeed:
        queue = queuespec.sqs(block)
        lent = await self._borrowed(env)

        async def give_back() -> None:
            lent.feeds -= 1
            if not lent.feeds:
                del self._lent[id(env)]
                await lent.sdk.close()

        try:
            keys = await logged_in(lent.sdk, queue.region, block, credentials)
            api = await lent.sdk.api("sqs", queue.region, keys, LABEL)
        except BaseException:
            await give_back()
            raise
        return SqsFeed(api, queue, Lasting(lifetime(keys, env), env.clock), give_back)

    async def _borrowed(self, env: Env) -> Lent:
        if id(env) not in self._lent:
            sdk = await env.offload.run(Sdk, env, env.environ)  # reads files
            # Another feed may have been quicker; what was made here has opened nothing yet.
            self._lent.setdefault(id(env), Lent(env, sdk))
        lent = self._lent[id(env)]
        lent.feeds += 1
        return lent


async def logged_in(sdk: Sdk, region: str, block: Json, credentials: CredentialReader) -> Keys:
    """As a SecretStore of the same namespace does."""
    wanted = {name: block[name] for name in ("auth", "role", "externalID") if block.get(name)}
    view = StoreView("SecretStore", "", credentials.namespace, "aws", wanted)
    try:
        return await log_in(sdk, region, view, credentials)
    except EsoError as error:
        raise worded(LOGIN, error, (NO_KEYS, NO_SESSION)) from error


def lifetime(keys: Keys, env: Env) -> float | None:
    return None if keys.expires is None else max(1.0, (keys.expires - env.clock.now()).total_seconds() - EARLY)


class SqsFeed:
    """`ended` is awaited once, when the feed closes."""

    def __init__(self, api: Api, queue: SqsQueue, lasting: Lasting, ended: Callable[[], Awaitable[None]]) -> None:
        self._api, self._queue, self._lasting = api, queue, lasting
        self._ended: Callable[[], Awaitable[None]] | None = ended
        self._wait = FIRST_WAIT

    async def receive(self) -> Sequence[Message]:
        self._lasting.check()
        answer = await self._call(
            "ReceiveMessage",
            MaxNumberOfMessages=MOST_MESSAGES,
            WaitTimeSeconds=int(self._wait),
            VisibilityTimeout=VISIBLE,
        )
        self._wait = LONGEST_WAIT
        return replies.of_sqs(answer)

    async def acknowledge(self, receipts: Sequence[str]) -> None:
        """A message whose receipt is too old comes again with another one."""
        for at in range(0, len(receipts), MOST_MESSAGES):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt}
                for number, receipt in enumerate(receipts[at : at + MOST_MESSAGES])
            ]
            left = replies.undeleted(await self._call("DeleteMessageBatch", Entries=entries))
            if left:
                text = f"{len(left)} of {len(entries)} messages could not be deleted: {left[0]}"
                raise Unavailable(text, answered=True, fix=RIGHTS)

    async def close(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            await ended()

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            return await self._api.call(operation, QueueUrl=self._queue.url, **parameters)
        except EsoError as error:
            found = refused(error)
            if found is error:
                raise
            raise found from error


def refused(error: EsoError) -> EsoError:
    """What the answer means for this queue."""
    code = code_of(error)
    if code in MISSING:
        fix = "check the account, the region and the name in sqs.queueURL"
        return InvalidConfig("the queue does not exist, or the identity may not know of it", fix=fix)
    if code in CROWDED:
        return Throttled(error.message)
    if code in LOCKED:
        return Denied(error.message, fix="let the identity call kms:Decrypt with the key of the queue")
    if isinstance(error, Denied):
        same = copy.copy(error)
        same.fix = RIGHTS
        return same
    return error


OPENER: Final = Sqs()
