"""What a queue is to the operator: a door that hands out messages and forgets those that were carried out.

Neighbours: one module per queue implements it, driver.py opens, asks and closes it for as long as its ChangeSource
lasts. A queue never retries, sleeps or paces by itself, except that `receive` may wait at the server for a message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

from eso.providers.contract import CredentialReader
from eso.providers.env import Env

MOST_MESSAGES: Final = 10  # of one batch
MOST_MESSAGE: Final = 256 << 10  # bytes of a body; a longer one is acknowledged unread and counted
LONGEST_WAIT: Final = 20.0  # seconds that `receive` may wait for a message


@dataclass(frozen=True, slots=True)
class Message:
    """`body` is what the sender put into the queue: one of the formats of formats.py. `attributes` are read like the
    headers of a request, by lower-case name (`ce-type`, ...). `receipt` means something to its queue only."""

    body: bytes = field(repr=False)
    receipt: str = field(repr=False)
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False)


class Feed(Protocol):
    """A queue that is logged in to. Its calls are made one after the other, each under the gates of its endpoint, with
    `async with turn(provider, call):` around every single request."""

    async def receive(self) -> Sequence[Message]:
        """At most MOST_MESSAGES; () when none came within LONGEST_WAIT. What is not acknowledged comes again. Raises
        the errors of the providers' contract: AuthExpired has the feed opened anew."""

    async def acknowledge(self, receipts: Sequence[str]) -> None:
        """The messages are carried out, or can never be: they must not come again. Raises as `receive`."""

    async def close(self) -> None:
        """Lets go of the connection. Never raises for a server that is gone."""


class Queue(Protocol):
    """One kind of queue, stateless. `block` is the member of the spec as it is written."""

    name: ClassVar[str]  # the member of the spec

    def endpoint(self, block: Mapping[str, Any]) -> str:
        """Host or region that is called: what a failing gate closes for the source's namespace. Raises
        InvalidConfig."""

    async def open(self, block: Mapping[str, Any], credentials: CredentialReader, env: Env) -> Feed:
        """Logs in. `credentials` reads in the source's namespace alone, as for a SecretStore there; connections come
        from `env.pools`, which refuses what stores may not reach. Raises AuthRejected, Unavailable, InvalidConfig, or
        the credential reader's error."""
