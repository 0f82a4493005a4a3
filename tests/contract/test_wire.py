"""What every provider makes of a server that fails, lies, echoes, redirects or is not what it seems."""

from __future__ import annotations

import asyncio
import ssl
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from e2e.harness.certs import Authority
from eso.errors import EsoError
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Denied,
    Find,
    Malformed,
    RemoteRef,
    SecretNotFound,
    StoreClient,
    Throttled,
    Timeout,
    Unavailable,
)
from eso.stores.gate import typed
from tests.contract.benches import PLANTED, Bench, Case, Ground
from tests.fakes.backend import Asked, Backend, Fault, Proxy
from tests.fakes.cancel import every_await
from tests.fakes.clock import until
from tests.fakes.front import Front
from tests.fakes.logs import captured

OFTEN = 1_000  # times that a fault hits: the client library may try an idempotent request twice


@asynccontextmanager
async def broken(case: Case, ground: Ground) -> AsyncIterator[tuple[Bench, StoreClient]]:
    """A logged-in client of a store with one secret, its values planted."""
    async with case.make(ground) as bench:
        bench.put("app", {"user": PLANTED})
        yield bench, await bench.open()


async def read(client: StoreClient, key: str = "app") -> bytes:
    ref = RemoteRef(key)
    return client.value(await client.fetch(client.request(ref)), ref)


def our_tasks() -> list[str]:
    """Tasks that the operator's code runs; those of the contract server are left out."""
    running = [task.get_coro() for task in asyncio.all_tasks()]
    return [str(one) for one in running if "/eso/" in getattr(getattr(one, "cr_code", None), "co_filename", "")]


def fail(bench: Bench, fault: Fault) -> None:
    assert bench.server is not None
    bench.server.fail(replace(fault, path=fault.path or bench.faults_at))


async def refused(bench: Bench, client: StoreClient) -> EsoError:
    """The error that a read ends with; it proves no absence and shows nothing that was planted."""
    with pytest.raises(EsoError) as failed:
        await read(client)
    proven = isinstance(failed.value, SecretNotFound) and not bench.any_404
    assert not proven, "only the backend's own word proves an absence"
    told = "".join(traceback.format_exception(failed.value)) + failed.value.fix
    assert PLANTED not in told
    assert not [secret for secret in bench.secrets.values() if secret in told]
    return failed.value


HALF = f'{{"data":{{"data":{{"user":"{PLANTED}'


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Fault(200, body=HALF * 9, reset=True, times=OFTEN), Unavailable, id="reset in the body"),
        pytest.param(Fault(drop=True, times=OFTEN), Unavailable, id="closed without a reply"),
        pytest.param(Fault(200, body=HALF), Malformed, id="half a JSON"),
        pytest.param(Fault(200, body="<html>sign in</html>"), Malformed, id="a page that is no JSON"),
        pytest.param(Fault(500, body=PLANTED), Unavailable, id="500"),
        pytest.param(Fault(503, body=PLANTED), Unavailable, id="503"),
        pytest.param(Fault(429, headers={"Retry-After": "7"}), Throttled, id="429 that says how long"),
        pytest.param(Fault(429), Throttled, id="429 that does not say how long"),
    ],
)
async def test_a_failure_of_the_wire_has_its_class(case: Case, ground: Ground, fault: Fault, kind: type) -> None:
    async with broken(case, ground) as (bench, client):
        if kind is Malformed and not bench.framed:
            return
        fail(bench, replace(fault))
        error = await refused(bench, client)
        assert isinstance(error, kind)
        if fault.status in (500, 503) and not (fault.drop or fault.reset):
            assert isinstance(error, Unavailable)
            assert error.answered
        if isinstance(error, Throttled):
            assert error.retry_after == (7.0 if fault.headers else None)
        await client.close()


async def test_a_refused_connection_is_unavailable_without_an_answer(case: Case, ground: Ground) -> None:
    async with broken(case, ground) as (bench, client):
        assert bench.server is not None
        await bench.server.stop()
        error = await refused(bench, client)
        assert isinstance(error, Unavailable)
        assert not error.answered
        await client.close()


async def test_json_of_another_shape_is_malformed(case: Case, ground: Ground) -> None:
    async with broken(case, ground) as (bench, client):
        for shape in bench.shapes:
            fail(bench, Fault(200, body=shape))
            assert isinstance(await refused(bench, client), Malformed)
        await client.close()


async def test_a_reply_that_drips_past_the_limit_is_a_timeout(case: Case, ground: Ground) -> None:
    async with broken(case, replace(ground, patience=1.0)) as (bench, client):
        fail(bench, Fault(200, body="{" * 100, drip=0.2, times=OFTEN))
        assert isinstance(await refused(bench, client), Timeout)
        await client.close()


async def test_a_404_of_something_else_than_the_secret_proves_nothing(case: Case, ground: Ground) -> None:
    async with broken(case, ground) as (bench, client):
        fail(bench, Fault(404, body="<html>not here</html>"))
        await refused(bench, client)
        await client.close()


async def test_a_search_that_meets_nonsense_fails_and_never_finds_nothing(case: Case, ground: Ground) -> None:
    """With deletionPolicy Delete, a search that finds nothing removes a Secret."""
    async with broken(case, ground) as (bench, client):
        assert bench.server is not None
        if bench.finds:
            shapes = [shape for shape in (*bench.shapes, "", HALF, "<html>sign in</html>") if shape not in bench.empty]
            nonsense = [Fault(200, body=shape) for shape in shapes]
            for fault in (*nonsense, Fault(204), Fault(404, body="<html>not here</html>")):
                bench.server.faults.clear()
                bench.server.fail(replace(fault, times=OFTEN))
                with pytest.raises(EsoError) as failed:
                    async for _ in client.find(Find(name_regexp=".")):
                        pass
                assert not isinstance(failed.value, SecretNotFound), fault
                assert PLANTED not in str(failed.value)
        await client.close()


async def test_a_denied_read_is_denied_and_ends_no_login(case: Case, ground: Ground) -> None:
    async with broken(case, ground) as (bench, client):
        fail(bench, replace(bench.denied))
        assert isinstance(await refused(bench, client), Denied)
        assert PLANTED.encode() in await read(client)
        await client.close()


async def test_a_login_that_ended_is_told_so_that_a_new_one_is_made(case: Case, ground: Ground) -> None:
    async with broken(case, ground) as (bench, client):
        await read(client)
        fail(bench, replace(bench.expired))
        error = await refused(bench, client)
        assert isinstance(error, AuthExpired)
        again = await bench.open()
        assert PLANTED.encode() in await read(again)
        await again.close()
        await client.close()


async def test_a_login_that_is_refused_for_ever_is_not_taken_for_anything_else(case: Case, ground: Ground) -> None:
    async with case.make(ground) as bench:
        bench.put("app", {"user": PLANTED})
        assert bench.server is not None
        bench.server.fail(replace(bench.expired, times=OFTEN))
        with pytest.raises((AuthExpired, AuthRejected, Denied)):  # a static token is refused at its first use only
            await read(await bench.open())


async def test_a_server_that_repeats_what_it_was_sent_shows_none_of_it(case: Case, ground: Ground) -> None:
    with captured() as log:
        async with broken(case, ground) as (bench, client):
            for status in (400, 401, 403, 404, 409, 418, 422, 429, 500, 502):
                fail(bench, Fault(status, echo=True))
                await refused(bench, client)
            await client.close()
            assert PLANTED not in log
            assert not [secret for secret in bench.secrets.values() if secret in log]


async def test_every_await_of_a_read_may_be_cancelled_and_leaves_no_task_and_no_socket(
    case: Case, ground: Ground
) -> None:
    async with broken(case, ground) as (bench, client):
        server = bench.server
        assert server is not None
        async for _ in every_await(lambda: read(client)):
            assert our_tasks() == []
        assert PLANTED.encode() in await read(client)
        await client.close()
        await bench.close()
        await until(lambda: server.open_connections() == 0)


async def test_hundreds_of_reads_at_once_go_through_one_login(case: Case, ground: Ground) -> None:
    async with broken(case, ground) as (bench, client):
        assert bench.server is not None
        for number in range(50):
            bench.put(f"app{number}", {"user": f"{PLANTED}{number}"})
        logins = bench.server.count() - bench.server.count(bench.faults_at)

        async def one(number: int) -> None:
            assert f"{PLANTED}{number % 50}".encode() in await read(client, f"app{number % 50}")

        async with asyncio.TaskGroup() as group:
            for number in range(300):  # more than any pool has connections
                group.create_task(one(number))
        if bench.faults_at:
            assert bench.server.count() - bench.server.count(bench.faults_at) == logins
        await client.close()


def https(authority: Authority) -> ssl.SSLContext:
    pair = authority.server("backend", dns=("localhost", "backend.test"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    return context


async def test_a_certificate_of_a_stranger_is_not_trusted(case: Case, ground: Ground, authority: Authority) -> None:
    async with case.make(replace(ground, tls=https(authority))) as bench:
        bench.put("app", {"user": PLANTED})
        with pytest.raises(Unavailable, match="cannot trust") as refused:
            await read(await bench.open())
        cause = typed(refused.value)
        assert isinstance(cause, Unavailable)
        assert cause.connected, "a store that names the wrong authority says nothing about others of its server"
        assert bench.server is not None
        assert bench.server.asked == []
        if bench.trusts:
            client = await bench.open(ca=authority.cert.read_bytes())
            assert PLANTED.encode() in await read(client)
            await client.close()


async def test_the_proxy_of_the_process_is_used(case: Case, ground: Ground) -> None:
    async with case.make(ground) as plain:
        assert plain.server is not None
        if plain.at is None:
            return  # its hosts are fixed: the contract server stands in for them behind the proxy already
        async with Proxy(plain.server) as proxy, case.make(replace(ground, proxy=proxy.address)) as bench:
            plain.put("app", {"user": PLANTED})
            client = await bench.open(**bench.at("http://backend.test:8200"))
            assert PLANTED.encode() in await read(client)
            assert proxy.targets
            assert all(target.startswith("http://backend.test:8200/") for target in proxy.targets)
            await client.close()


class Stranger(Backend):
    async def answer(self, asked: Asked) -> web.StreamResponse:
        return web.json_response({"data": {"data": {"user": "theirs"}}})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_leads_a_credential_to_another_server(case: Case, ground: Ground, status: int) -> None:
    async with Stranger() as stranger, broken(case, ground) as (bench, client):
        fail(bench, Fault(status, headers={"Location": f"{stranger.address}/v1/secret/data/app"}))
        error = await refused(bench, client)
        assert isinstance(error, Unavailable)
        assert stranger.asked == []
        assert stranger.address not in str(error)
        await client.close()


async def test_a_credential_that_is_rotated_under_load_fails_no_read(case: Case, ground: Ground) -> None:
    async with case.make(ground) as bench:
        if bench.rotate is None:
            return
        bench.put("app", {"user": PLANTED})
        swift = {"extensions.external-secrets.io/requests-per-second": "1000"}  # a vendor's pace would take a minute
        meta = {"name": "store", "namespace": "team-a", "annotations": swift}
        store = {"kind": "SecretStore", "metadata": meta, "spec": {"provider": {bench.provider.name: bench.block}}}
        front = Front(bench.provider, [{"apiVersion": "external-secrets.io/v1", **store}])
        write(front, bench)
        async with front.running():
            done = 0

            async def reading() -> None:
                nonlocal done
                while done < 200:
                    assert PLANTED.encode() in await front.read("app")
                    done += 1

            async with asyncio.TaskGroup() as group:
                for _ in range(4):
                    group.create_task(reading())
                for turn in (40, 80, 120):
                    await until(lambda turn=turn: done >= turn)  # type: ignore[misc]  # the default binds the number
                    bench.rotate()
                    for name in write(front, bench):
                        front.changed(name)


def write(front: Front, bench: Bench) -> list[str]:
    """The bench's credentials as Secrets; their names."""
    found: dict[str, dict[str, str]] = {}
    for place, value in bench.secrets.items():
        name, _, key = place.partition("/")
        found.setdefault(name, {})[key] = value
    for name, data in found.items():
        front.secret(name, bench.labels.get(name), **data)
    return list(found)
