"""Fake: the values of its own spec, for tests.

Neighbours: registry.py names it.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.generators.contract import Generated, GeneratorFailed, Json, Stateless, spec_of
from eso.providers.contract import CredentialReader
from eso.providers.env import Env


class Fake(Stateless):
    kind: ClassVar[str] = "Fake"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        data = spec_of(resource).get("data") or {}
        if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
            raise GeneratorFailed("unable to parse spec: data is no map of texts")
        return Generated({key: value.encode() for key, value in data.items()})


GENERATOR: Final = Fake()
