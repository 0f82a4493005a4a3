"""One child process: its log file, its start, its end. Free loopback ports.

Neighbours: controlplane.py, openbao.py and operator.py own Childs. A Child dies with this process unless it was started
to outlive it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from e2e.harness.waiting import PATIENCE, NeverHappened, eventually

T = TypeVar("T")

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_given: set[int] = set()


class DiedEarly(RuntimeError):
    """A child ended while it was needed; the message carries the end of its log."""


def free_port() -> int:
    """A loopback port nobody listens on, below the range that outgoing connections take theirs from, given out once per
    process.

    So a server that is killed finds its port free again.
    """
    while True:
        port = random.randint(20_000, 32_000)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def _die_with(parent: int) -> Callable[[], None]:
    def in_child() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended between fork and prctl
            os._exit(1)

    return in_child


class Child:
    """`argv` with stdout and stderr appended to `log`. Not started by `__init__`."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | Path = "/",
        outlive: bool = False,
    ) -> None:
        self.name, self.argv, self.log, self.cwd, self.outlive = name, list(argv), log, cwd, outlive
        self.env = dict(env if env is not None else {"PATH": os.environ.get("PATH", ""), "HOME": str(log.parent)})
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert not self.alive, f"{self.name} runs already"
        with self.log.open("ab") as out:
            # own session: a Ctrl-C in the terminal reaches us first and we end the children in order
            self.popen = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
                preexec_fn=None if self.outlive else _die_with(os.getpid()),
            )

    @property
    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    @property
    def pid(self) -> int:
        assert self.popen is not None, f"{self.name} was never started"
        return self.popen.pid

    def wait_until(
        self, check: Callable[[], T | None], within_seconds: float, *, what: str = "", every: float = 0.05
    ) -> T:
        """Like `eventually`, but gives up as soon as the process is dead. Raises DiedEarly with the end of the log."""
        try:
            return eventually(
                check,
                within_seconds,
                every,
                what=what or f"{self.name} ready",
                give_up=lambda: None if self.alive else "the process ended",
            )
        except NeverHappened as error:
            raise DiedEarly(f"{error}\n--- end of {self.log}\n{self.tail()}") from error

    def stop(self, grace_seconds: float = 10.0) -> int:
        """SIGTERM, SIGKILL after the grace. Returns the exit code; 0 when it was never started."""
        return self._end(signal.SIGTERM, grace_seconds)

    def kill(self) -> int:
        """SIGKILL at once."""
        return self._end(signal.SIGKILL, PATIENCE)

    def _end(self, sign: signal.Signals, grace_seconds: float) -> int:
        if self.popen is None:
            return 0
        if self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.popen.send_signal(sign)
            try:
                self.popen.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait(PATIENCE)
        return self.popen.returncode

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines: int = 25) -> str:
        return "\n".join(self.text().splitlines()[-lines:])
