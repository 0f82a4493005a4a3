"""A reply of some hundred thousand members keeps nobody waiting: it is decoded beside the loop, or not at all."""

from __future__ import annotations

import threading
from contextlib import suppress

import orjson
import pytest

from eso.errors import EsoError
from eso.providers.contract import Remote, writes
from eso.providers.kit import http
from tests.contract.benches import Case, Ground, cases
from tests.contract.test_wire import OFTEN, broken, fail, read
from tests.fakes.backend import Fault

PROVIDERS = (
    "akeyless",
    "beyondtrust",
    "beyondtrustworkloadcredentials",
    "bitwardensecretsmanager",
    "chef",
    "conjur",
    "delinea",
    "doppler",
    "github",
    "gitlab",
    "ibm",
    "infisical",
    "ngrok",
    "keepersecurity",
    "onboardbase",
    "onepassword",
    "ovh",
    "pulumi",
    "oracle",
    "passbolt",
    "secretserver",
    "volcengine",
)
NUMBERS = ",".join("1" * (http.LARGE // 2))
FAULTS = [
    Fault(status, body=body, times=OFTEN)
    for status in (200, 400, 404, 503)
    for body in (f'{{"padding":[{NUMBERS}]}}', f"[{NUMBERS}]")
]


@pytest.mark.parametrize("case", [case for case in cases() if case.id in PROVIDERS], ids=lambda case: case.id)
async def test_a_large_reply_is_decoded_beside_the_loop(
    case: Case, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set[bool]()
    loads = orjson.loads

    def watched(body: bytes) -> object:
        if len(body) > http.LARGE:
            threads.add(threading.current_thread() is threading.main_thread())
        return loads(body)

    async with broken(case, ground) as (bench, client):
        assert bench.server is not None
        monkeypatch.setattr(orjson, "loads", watched)
        for fault in FAULTS:
            fail(bench, fault)
            for way in (lambda: read(client), client.validate):
                with suppress(EsoError):
                    await way()
            if (writer := writes(client)) is not None:
                with suppress(EsoError):
                    await writer.exists(Remote("app"))
            bench.server.faults.clear()
        monkeypatch.undo()
        await client.close()
    assert threads <= {False}


def test_every_provider_of_the_list_has_a_bench() -> None:
    assert {case.id for case in cases()} >= set(PROVIDERS)
