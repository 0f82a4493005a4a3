"""What the logins of all queues share: when one ends, and what its failure means.

Neighbours: sqs.py, pubsub.py and servicebus.py log in with the code of the provider of the same cloud, whose texts are
about stores.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Final

from eso.errors import EsoError, causes
from eso.providers.contract import AuthExpired, ValidationFailed
from eso.runtime.clock import Clock

FIRST_WAIT: Final = 1.0  # seconds that the first request of a feed waits: whether it is answered should be known soon


class Lasting:
    """How long a login may be used. `seconds` None: until it is refused."""

    def __init__(self, seconds: float | None, clock: Clock) -> None:
        self._clock = clock
        self._until = None if seconds is None else clock.monotonic() + seconds

    def check(self) -> None:
        """Raises AuthExpired, so that the driver opens the queue anew before the server refuses anything."""
        if self._until is not None and self._clock.monotonic() >= self._until:
            raise AuthExpired("the login has ended")


def worded(prefix: str, error: EsoError, drop: Sequence[str] = ()) -> EsoError:
    """The typed error of a login, with `prefix` instead of the words in `drop`, which are about stores."""
    typed: EsoError = copy.copy(error)
    if isinstance(error, ValidationFailed):  # its cause says what it means
        found = next((one for one in causes(error.__cause__) if isinstance(one, EsoError)), None)
        typed = copy.copy(found) if found is not None else EsoError("", fix=error.fix)
    text = error.message
    for words in drop:
        text = text.removeprefix(words)
    typed.message = f"{prefix}{text}"
    typed.args = (typed.message,)
    return typed
