"""What every provider tells of a refusal that spells a credential in another way."""

from __future__ import annotations

import pytest

from eso.errors import EsoError, causes
from eso.providers.contract import StoreClient
from tests.contract.benches import Bench, Case, Ground
from tests.contract.test_wire import broken, fail, read
from tests.fakes.backend import Fault
from tests.fakes.logs import captured
from tests.fakes.spellings import SPELLINGS, STATUSES, bodies, repeated


async def test_a_refusal_that_spells_a_credential_in_another_way_tells_none_of_it(case: Case, ground: Ground) -> None:
    with captured() as log:
        async with broken(case, ground) as (bench, client):
            secret = max([*bench.secrets.values(), *bench.tokens.values(), ""], key=len)[:40]
            for spelt in (spell(secret) for spell in SPELLINGS.values() if len(secret) >= 8):
                headers = {"X-Amzn-ErrorType": spelt.replace("\n", " ")}
                for number, status in enumerate(STATUSES):
                    usual = told_of(await refused(bench, client, Fault(status, body="{}")))
                    body = bodies(spelt)[number % 3]
                    told = told_of(await refused(bench, client, Fault(status, body=body, headers=headers)))
                    assert not repeated(spelt, told, usual), (status, spelt, told)
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
