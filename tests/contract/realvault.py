"""A real OpenBao server as the benches of `vault` and `openBao` use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2e.harness.openbao import OpenBao


class RealServer:
    def __init__(self, bao: OpenBao) -> None:
        self.bao, self.address = bao, bao.address
        self.sealed = False

    def write(self, mount: str, key: str, data: Mapping[str, Any]) -> None:
        self.bao.put(mount, key, data, 2 if mount == "secret" else 1)

    def remove(self, key: str) -> None:
        self.bao.delete("secret", key)

    def break_down(self) -> None:
        self.bao.seal()
        self.sealed = True
