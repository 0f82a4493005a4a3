"""What a connector may use of the process: connections, threads, time, the log.

Neighbours: `app` builds the one Env, `stores.registry` hands it to each Connector when that is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from eso.net.http import Pools
from eso.runtime.clock import Clock
from eso.runtime.memory import Memory, holding
from eso.runtime.offload import Offload


class Compute(Protocol):
    """`runtime.pool.Pool`: computes for one namespace, in a process that can be killed."""

    async def run(self, namespace: str, name: str, body: bytes, seconds: float) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Env:
    """`pools` opens connections (proxies, shared trust); `offload` runs slow functions in a thread; `log` is
    structlog's interface. `environ`: variables of the process that name servers (AWS_STS_ENDPOINT, ...); credentials
    among them are for `CredentialReader.ambient` alone to hand out. `compute`: for what a store's author wrote and may
    take long; without it that runs in `offload`, too. `memory`: the budget of what happens beside passes."""

    pools: Pools
    offload: Offload
    clock: Clock
    log: Any
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    compute: Compute | None = None
    memory: Memory | None = None

    @contextmanager
    def holding(self, namespace: str) -> Iterator[None]:
        """What the block reads is counted as that of `namespace`."""
        with holding(self.memory.open(namespace) if self.memory is not None else None):
            yield
