"""HTTP/2 that a test leads around, as `env.Detour` is HTTP.

Neighbours: env.py makes it for the providers of a test.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eso.net.http import Timeouts
from eso.net.http2 import Answer, Channel


class DetourChannel(Channel):
    """Waits at most `patience` seconds for a reply."""

    patience: float | None = None

    async def post(self, *place: Any, timeouts: Timeouts, **bounds: Any) -> Answer:
        if self.patience is not None:
            timeouts = replace(timeouts, total=self.patience)
        return await super().post(*place, timeouts=timeouts, **bounds)
