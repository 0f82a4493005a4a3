"""The queues that a ChangeSource may receive from, each loaded when the first source needs it: an explicit table.

Neighbours: registry.py hands them to the driver; sqs.py, pubsub.py and servicebus.py are loaded in a thread, for the
libraries of a cloud are large, and most processes receive from no queue.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import ClassVar, Final, Protocol

from eso.notify import queuespec
from eso.notify.contract import Feed
from eso.notify.queuespec import Json
from eso.providers.contract import CredentialReader
from eso.providers.env import Env


class Opener(Protocol):
    """What the module of a queue exports as OPENER."""

    async def open(self, block: Json, credentials: CredentialReader, env: Env) -> Feed: ...


class Lazy(ABC):
    """A Queue of contract.py whose code is in `module`."""

    name: ClassVar[str]
    module: ClassVar[str]

    @abstractmethod
    def endpoint(self, block: Json) -> str: ...

    async def open(self, block: Json, credentials: CredentialReader, env: Env) -> Feed:
        self.endpoint(block)  # a block that cannot work loads nothing
        opener: Opener = (await env.offload.run(import_module, self.module)).OPENER
        return await opener.open(block, credentials, env)


class Sqs(Lazy):
    name, module = "sqs", "eso.notify.sqs"

    def endpoint(self, block: Json) -> str:
        return f"sqs.{queuespec.sqs(block).region}"


class PubSub(Lazy):
    name, module = "pubsub", "eso.notify.pubsub"

    def endpoint(self, block: Json) -> str:
        queuespec.pubsub(block)
        return queuespec.PUBSUB_HOST


class ServiceBus(Lazy):
    name, module = "servicebus", "eso.notify.servicebus"

    def endpoint(self, block: Json) -> str:
        return queuespec.servicebus(block).host


SQS: Final = Sqs()
PUBSUB: Final = PubSub()
SERVICEBUS: Final = ServiceBus()
QUEUES: Final = (SQS, PUBSUB, SERVICEBUS)
