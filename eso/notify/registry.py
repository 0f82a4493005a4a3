"""What makes the steps of a driven source, by the member of its spec: an explicit table.

Neighbours: driver.py is given what is built here, `app.wiring` builds it, queues.py has the table of queues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eso.api.changesource import Driven
from eso.notify.contract import Queue
from eso.notify.driver import Begin, Key
from eso.notify.polling import Notes, Polling, Readers, Stores
from eso.notify.queues import QUEUES
from eso.notify.receiving import Intakes, Receiving
from eso.providers.contract import CredentialReader
from eso.providers.env import Env
from eso.stores.gate import Gates


def kinds(
    stores: Stores,
    readers: Readers,
    notes: Notes,
    credentials: Callable[[str], CredentialReader],
    gates: Gates,
    env: Env,
    intakes: Intakes,
    queues: Sequence[Queue] = QUEUES,
) -> dict[str, Begin]:
    """`credentials(namespace)` reads there as for a SecretStore."""

    def poll(key: Key, driven: Driven) -> Polling:
        return Polling(key, driven, stores, readers, notes, intakes, env.clock)

    def receive(queue: Queue) -> Begin:
        return lambda key, driven: Receiving(queue, key, driven, lambda: credentials(key[0]), gates, env, intakes)

    return {"poll": poll, **{queue.name: receive(queue) for queue in queues}}
