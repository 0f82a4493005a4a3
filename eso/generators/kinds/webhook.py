"""Webhook: the answer of any HTTP service, as a map of values.

Neighbours: registry.py names it; `eso.providers.webhook` renders, asks and reads the answer.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.errors import EsoError
from eso.generators.contract import Generated, Json, Stateless, spec_of, view_of
from eso.providers.contract import CredentialReader, InvalidConfig, prefixed
from eso.providers.env import Env
from eso.providers.webhook.connect import Connector
from eso.providers.webhook.spec import SPEC

SETUP: Final = "failed to prepare provider http client: "


class Webhook(Stateless):
    kind: ClassVar[str] = "Webhook"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        """SecretNotFound for a 404: that is how a service says that there is nothing."""
        view = view_of(resource, credentials.namespace, SPEC.name, spec_of(resource))
        try:
            plan = SPEC.plan(view)
        except InvalidConfig as error:
            raise prefixed("failed to parse provider spec: ", error) from error
        try:
            client = await Connector(env).open(view, plan, credentials)
        except EsoError as error:
            raise prefixed(SETUP, error) from error
        try:
            return Generated(await client.made())
        finally:
            await client.close()


GENERATOR: Final = Webhook()
