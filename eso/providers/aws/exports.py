"""Private keys that were exported from Certificate Manager, kept as AWS encrypted them: each export is charged.

Neighbours: certificates.py asks and fills. Bounded in number and time; one for the process, so that a login that is
renewed does not export again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from eso.runtime.clock import Clock

MOST_EXPORTS: Final = 128
EXPORT_SECONDS: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Export:
    """One exported key, as AWS encrypted it. `fingerprint`: of the certificate and chain that it belongs to."""

    fingerprint: str
    encrypted: bytes = field(repr=False)
    passphrase: bytes = field(repr=False)
    until: float = 0.0


class Exports:
    """What logins exported lately. The key names the principal: what one login may export is not shown to another."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[Hashable, Export] = OrderedDict()

    def get(self, key: Hashable, fingerprint: str) -> Export | None:
        found = self._kept.get(key)
        if found is None or found.fingerprint != fingerprint or self._clock.monotonic() >= found.until:
            return None
        self._kept.move_to_end(key)
        return found

    def put(self, key: Hashable, fingerprint: str, encrypted: bytes, passphrase: bytes) -> Export:
        export = Export(fingerprint, encrypted, passphrase, self._clock.monotonic() + EXPORT_SECONDS)
        self._kept[key] = export
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_EXPORTS:
            self._kept.popitem(last=False)
        return export
