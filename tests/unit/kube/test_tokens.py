from __future__ import annotations

import pytest

from eso.api.meta import SERVICE_ACCOUNTS
from eso.kube.rest import ApiError, NotFound
from eso.kube.tokens import service_account_token
from tests.fakes.apiserver import FakeApiServer, Garbage


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        server.put(SERVICE_ACCOUNTS, {"metadata": {"namespace": "a", "name": "sa"}})
        yield server


@pytest.fixture
async def rest(api):
    rest = api.rest()
    yield rest
    await rest.access.close()


@pytest.mark.parametrize(
    ("audiences", "seconds", "spec"),
    [
        pytest.param(
            ["vault", "x"],
            600,
            {"audiences": ["vault", "x"], "expirationSeconds": 600},
            id="audiences and expiry as asked for",
        ),
        pytest.param([], None, {}, id="the server's defaults"),
    ],
)
async def test_a_token_is_asked_for_with_exactly_what_was_given(api, rest, audiences, seconds, spec):
    assert await service_account_token(rest, "a", "sa", audiences, seconds) == "token-of-sa"
    [request] = api.writes
    assert request.path == "/api/v1/namespaces/a/serviceaccounts/sa/token"
    assert request.body == {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}


async def test_an_account_that_is_not_there_is_named(rest):
    with pytest.raises(NotFound, match='serviceaccounts "nobody" not found'):
        await service_account_token(rest, "a", "nobody")


@pytest.mark.parametrize("body", [b'{"status":{"token":""}}', b"{}", b'{"status":{"token":7}}', b"<html>"])
async def test_a_reply_without_a_token_is_an_error_that_shows_no_reply(api, rest, body):
    api.fail(Garbage(body))
    with pytest.raises(ApiError, match=r'^the API server sent no token for serviceaccount "sa"$'):
        await service_account_token(rest, "a", "sa")
