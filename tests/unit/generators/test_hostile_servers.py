"""A server that a generator names may talk without end, in two tongues, or repeat what it was sent in any spelling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from eso.errors import EsoError
from eso.generators.contract import Generator
from eso.generators.kinds import beyondtrust, cloudsmith, github, gitlab, grafana, quay, webhook
from tests.fakes.backend import Asked, Backend
from tests.fakes.endless import BENT, ENDLESS, Endless
from tests.fakes.env import TestPools, env
from tests.fakes.spellings import SPELLINGS, STATUSES, bodies, repeated
from tests.unit.generators.test_backend_kinds import (
    CANARY,
    PEM,
    SELECTOR,
    app,
    credentials,
    dashboards,
    deploy,
    hook,
    packages,
    workload,
)


@dataclass
class At:
    """What the spec of a kind asks of a server: its address."""

    address: str


def basic(server: Any) -> dict[str, Any]:
    return dashboards(server, auth={"basic": {"username": "operator", "password": SELECTOR}})


KINDS: dict[str, tuple[Generator, Callable[[Any], dict[str, Any]]]] = {
    "GitLab": (gitlab.GENERATOR, deploy),
    "Grafana with a token": (grafana.GENERATOR, dashboards),
    "Grafana with a password": (grafana.GENERATOR, basic),
    "GitHub": (github.GENERATOR, app),
    "Quay": (quay.GENERATOR, lambda _: {"robotAccount": "o+r", "serviceAccountRef": {"name": "robot"}}),
    "Cloudsmith": (cloudsmith.GENERATOR, lambda server: packages(server, apiUrl=server.address)),
    "BeyondTrust": (beyondtrust.GENERATOR, lambda _: workload()),
    "Webhook": (webhook.GENERATOR, hook),
}
TALK = {
    **{form: ENDLESS[form] for form in ("interim replies", "headers", "an extension of each chunk")},
    **{form: (BENT[form], b"") for form in ("two lengths", "HTTP/0.9", "a bomb", "another protocol")},
}


async def refusal(kind: str, address: str) -> str:
    generator, spec = KINDS[kind]
    pools = TestPools(hosts={"quay.io": address, "bt.example": address}, patience=2.0)
    with pytest.raises(EsoError) as refused:
        await generator.generate({"spec": spec(At(address))}, credentials(**{"s/pem": PEM}), env(pools=pools))
    assert all(pool._session is None for pool in pools.opened)
    return f"{refused.value} {refused.value.fix}"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_talks_without_end_or_in_two_tongues_is_an_error_that_shows_nothing(kind: str) -> None:
    for talk in TALK.values():
        async with Endless(talk) as server:
            assert CANARY not in await refusal(kind, server.address)
            await server.hung_up()


class Repeating(Backend):
    status, body = 400, "{}"

    async def answer(self, asked: Asked) -> web.StreamResponse:
        return web.Response(status=self.status, text=self.body, content_type="application/json")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "GitHub"])  # its key is not sent
async def test_a_server_that_repeats_a_credential_in_any_spelling_shows_none_of_it(kind: str) -> None:
    secret = "account-token" if kind in ("Quay", "Cloudsmith") else CANARY
    async with Repeating() as server:
        usual = {}
        for server.status in STATUSES:
            usual[server.status] = await refusal(kind, server.address)
        for number, (name, spell) in enumerate(SPELLINGS.items()):
            server.status, server.body = STATUSES[number % len(STATUSES)], bodies(spell(secret))[number % 3]
            told = await refusal(kind, server.address)
            assert not repeated(spell(secret), told, usual[server.status]), (name, told)
