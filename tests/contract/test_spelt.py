"""What every provider tells of a refusal that spells a credential in another way."""

from __future__ import annotations

import base64
import codecs
import html
import json
from urllib.parse import quote

import pytest

from eso.errors import EsoError, causes
from eso.providers.contract import StoreClient
from tests.contract.benches import Bench, Case, Ground
from tests.contract.test_wire import broken, fail, read
from tests.fakes.backend import Fault
from tests.fakes.logs import captured

SPELLINGS = {
    "upper case": str.upper,
    "backwards": lambda text: text[::-1],
    "cut": lambda text: text[2:14],
    "base64": lambda text: base64.b64encode(b"x" + text.encode()).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "address": lambda text: quote(text, safe="") + "%2F",
    "JSON": lambda text: json.dumps(f'"{text}"'),
    "HTML": html.escape,
    "shifted": lambda text: codecs.encode(text, "rot13"),
}
NAMES = [
    *("message", "Message", "error", "error_description", "errorMessage", "detail", "details", "msg", "title"),
    *("reason", "code", "__type", "status", "type", "errorCode", "errorType", "Code", "context", "resource", "id"),
]
STATUSES = (400, 401, 403, 404, 409, 422, 429, 500)


async def test_a_refusal_that_spells_a_credential_in_another_way_tells_none_of_it(case: Case, ground: Ground) -> None:
    with captured() as log:
        async with broken(case, ground) as (bench, client):
            secret = max([*bench.secrets.values(), *bench.tokens.values(), ""], key=len)[:40]
            for spelt in (spell(secret) for spell in SPELLINGS.values() if len(secret) >= 8):
                for status in STATUSES:
                    members = dict.fromkeys(NAMES, spelt)
                    usual = told_of(await refused(bench, client, Fault(status, body="{}")))
                    body = json.dumps(members | {"errors": [spelt, members], "error": members if status % 2 else spelt})
                    headers = {"X-Amzn-ErrorType": spelt.replace("\n", " ")}
                    told = told_of(await refused(bench, client, Fault(status, body=body, headers=headers)))
                    parts = {spelt[at : at + 8] for at in range(max(1, len(spelt) - 7))}
                    assert not [part for part in parts if part in told and part not in usual], (status, spelt, told)
                    assert spelt not in log
            await client.close()


async def refused(bench: Bench, client: StoreClient, fault: Fault) -> EsoError:
    fail(bench, fault)
    with pytest.raises(EsoError) as failed:
        await read(client)
    return failed.value


def told_of(error: EsoError) -> str:
    """All that could be shown of it."""
    return " ".join(f"{one} {one.fix}" if isinstance(one, EsoError) else str(one) for one in causes(error))
