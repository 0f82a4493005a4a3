"""What every provider makes of a server that talks without end, at the login or at the first read."""

from __future__ import annotations

import traceback
from dataclasses import replace

import pytest

from eso.errors import EsoError
from tests.contract.benches import PLANTED, Bench, Case, Ground
from tests.contract.test_wire import our_tasks, read
from tests.fakes.endless import BENT, ENDLESS, Endless

MOST = 8  # connections for one login and one read
# all forms are tried at the connections themselves; here those that the client library notices in different places
TALK = {
    **{form: ENDLESS[form] for form in ("interim replies", "headers", "an extension of each chunk")},
    **{form: (BENT[form], b"") for form in ("two lengths", "HTTP/0.9", "a bomb", "another protocol")},
}
COMPLETE = ("a bomb",)  # to its end: the connection may be kept for the next request


async def once(bench: Bench) -> None:
    """One login and one read. A connection that could be used again is closed with the client."""
    client = await bench.open()
    try:
        await read(client)
    finally:
        await client.close()


async def test_a_server_that_talks_without_end_or_in_two_tongues_gets_an_error_that_shows_nothing(
    case: Case, ground: Ground
) -> None:
    async with case.make(replace(ground, patience=2.0)) as bench:
        bench.put("app", {"user": PLANTED})
        assert bench.server is not None
        port = int(bench.server.address.rpartition(":")[2])
        await bench.server.stop()
        for form, talk in TALK.items():
            async with Endless(talk, port=port) as server:
                with pytest.raises(EsoError) as failed:
                    await once(bench)
                told = "".join(traceback.format_exception(failed.value)) + failed.value.fix
                assert not [secret for secret in (PLANTED, *bench.secrets.values()) if secret in told], form
                if form not in COMPLETE:
                    await server.hung_up()
                assert server.connections <= MOST, form
        assert our_tasks() == []
