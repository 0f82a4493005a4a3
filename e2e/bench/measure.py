"""What a run cost, seen from outside: the audit logs of API server and backend, /proc, and how long a probe waits for
its answer.

Neighbours: cold.py and refresh.py put it into tables. Nothing here asks the operator to count for us.
"""

from __future__ import annotations

import http.client
import os
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType

from e2e.harness.audit import WRITES, AuditLog, Request

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
CPU_EVERY, PROBE_EVERY = 0.05, 0.05  # seconds


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads so far. Resolution 10 ms. Raises OSError when the process is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


class Usage:
    """CPU time of processes over the wall clock, sampled while the block lasts. `pids` by name."""

    def __init__(self, pids: dict[str, int]) -> None:
        self.pids = pids
        self._times: list[float] = []
        self._cpu: dict[str, list[float]] = {name: [] for name in pids}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)

    def __enter__(self) -> Usage:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()

    def cpu(self, name: str, begin: float, end: float) -> float:
        """CPU seconds that `name` used between two moments, seconds since the epoch."""
        return self._at(name, end) - self._at(name, begin)

    def total(self, name: str, moment: float) -> float:
        """CPU seconds that `name` had used by then, since it was started."""
        return self._at(name, moment)

    def _run(self) -> None:
        while not self._stop.wait(CPU_EVERY):
            self._sample()

    def _sample(self) -> None:
        try:
            cpu = {name: cpu_seconds(pid) for name, pid in self.pids.items()}
        except OSError:
            return  # it ended: what it used is known up to the last sample
        self._times.append(time.time())
        for name, value in cpu.items():
            self._cpu[name].append(value)

    def _at(self, name: str, moment: float) -> float:
        """The sample at or after `moment`."""
        return self._cpu[name][min(bisect_left(self._times, moment), len(self._times) - 1)]


class Probe:
    """How long GET /healthz waits while the block lasts: the loop's lag plus the machine's. `waits` are seconds."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=30)
        self.waits: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._connection.close()

    def quantile(self, share: float) -> float:
        ordered = sorted(self.waits) or [0.0]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def _run(self) -> None:
        while not self._stop.wait(PROBE_EVERY):
            began = time.perf_counter()
            try:
                self._connection.request("GET", "/healthz")
                self._connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                self._connection.close()  # not listening yet, or not any more
                continue
            self.waits.append(time.perf_counter() - began)


class Progress:
    """How many accepted status writes of ExternalSecrets an audit log has, read a piece at a time: decoding every line
    would cost the run."""

    def __init__(self, audit: AuditLog, since: int) -> None:
        self._audit, self._at, self.count = audit, since, 0

    def read(self) -> int:
        with self._audit.path.open("rb") as log:
            log.seek(self._at)
            data = log.read()
        data = data[: data.rfind(b"\n") + 1]
        self._at += len(data)
        for line in data.splitlines():
            # only our own requests are in question, and the API server writes the members in this order
            if (
                b'"verb":"patch"' in line
                and b"/status?" in line
                and b'"stage":"ResponseComplete"' in line
                and b'"code":200' in line
            ):
                self.count += 1
        return self.count


def epoch(stamp: str) -> float:
    """RFC 3339 of the audit log → seconds since the epoch."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def is_secret_create(request: Request) -> bool:
    return (request.verb, request.path) == ("create", "secrets")


def is_secret_write(request: Request) -> bool:
    return request.verb in ("create", "patch", "update") and request.path == "secrets"


def is_status_write(request: Request) -> bool:
    return request.verb in ("patch", "update") and request.path == "externalsecrets/status"


def window(requests: Iterable[Request]) -> tuple[float, float]:
    """From the first write of a Secret or a status to the last one, seconds since the epoch. Raises ValueError when
    there is none."""
    relevant = [
        epoch(one.received) for one in requests if one.code < 300 and (is_secret_write(one) or is_status_write(one))
    ]
    return min(relevant), max(relevant)


def by_kind(requests: Iterable[Request]) -> Counter[str]:
    """`verb resource` → how many; Leases and reviews belong to no object and are left out by the caller if it wants."""
    return Counter(f"{one.verb} {one.path}" for one in requests)


def strangers(requests: Iterable[Request], user: str) -> Counter[str]:
    """Accepted writes by anybody else."""
    return Counter(
        f"{one.user}: {one.what}" for one in requests if one.verb in WRITES and one.code < 300 and one.user != user
    )
