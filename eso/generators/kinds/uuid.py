"""UUID: a random UUID of version 4.

Neighbours: registry.py names it.
"""

from __future__ import annotations

import uuid
from typing import ClassVar, Final

from eso.generators.contract import Generated, Json, Stateless
from eso.providers.contract import CredentialReader
from eso.providers.env import Env


class Uuid(Stateless):
    kind: ClassVar[str] = "UUID"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        return Generated({"uuid": str(uuid.uuid4()).encode()})


GENERATOR: Final = Uuid()
