"""Logins: challenges, cookies, refusals, ends."""

from __future__ import annotations

import json

import pytest

from eso.providers.contract import AuthExpired, AuthRejected, Denied, InvalidConfig, Malformed, RemoteRef, Unavailable
from eso.providers.passbolt.client import Client
from eso.providers.passbolt.session import token_of
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.passbolt import TWO
from tests.unit.providers.passbolt.conftest import World

PLANTED = "planted-7f3a9c"


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


async def test_a_login_answers_the_challenge_and_ends_with_a_logout(world: World) -> None:
    client = await world.open()
    assert [(one.method, one.path) for one in world.fake.asked] == [
        ("POST", "/auth/login.json"),
        ("POST", "/auth/login.json"),
        ("GET", "/users/me.json"),
    ]
    assert "X-CSRF-Token" not in world.fake.asked[0].headers
    assert client.lifetime is None
    assert len(world.fake.tokens) == 1
    await client.close()
    assert world.fake.tokens == set()
    assert world.fake.asked[-1].path == "/auth/logout.json"


async def test_a_key_that_the_server_does_not_know_is_rejected(world: World) -> None:
    world.credentials.secrets["login/privateKey"] = TWO
    with pytest.raises(AuthRejected, match="does not know the key"):
        await world.open()


async def test_a_wrong_passphrase_is_rejected_before_a_call(world: World) -> None:
    world.credentials.secrets["login/passphrase"] = PLANTED
    with pytest.raises(AuthRejected) as error:
        await world.open()
    assert PLANTED not in f"{error.value}{error.value.fix}{error.value.__cause__}"
    assert world.fake.asked == []


async def test_a_user_with_a_second_factor_cannot_log_in(world: World) -> None:
    world.fake.mfa = True
    with pytest.raises(AuthRejected, match="the account needs a second factor"):
        await world.open()


@pytest.mark.parametrize("body", ("{}", json.dumps({"header": {"status": "success"}, "body": {"id": 1}})))
async def test_a_login_that_fails_late_leaves_no_session_behind(world: World, body: str) -> None:
    world.fake.fail(Fault(200, body=body, path="/users/me.json$"))
    with pytest.raises(Malformed):
        await world.open()
    assert world.fake.asked[-1].path == "/auth/logout.json"


async def test_a_second_factor_leaves_no_session_to_pile_up(world: World) -> None:
    world.fake.mfa = True
    with pytest.raises(AuthRejected):
        await world.open()
    assert world.fake.asked[-1].path == "/auth/logout.json"


@pytest.mark.parametrize(
    "challenge",
    (
        PLANTED,
        f"gpgauthv1.3.0|36|{PLANTED}|gpgauthv1.3.0",
        f"gpgauthv1.3.0|{len(PLANTED)}|{PLANTED}|other",
        f"other|{len(PLANTED)}|{PLANTED}|other",
        f"gpgauthv1.3.0|{len(PLANTED)}|{PLANTED}|gpgauthv1.3.0|more",
    ),
)
async def test_what_is_no_challenge_is_not_decrypted_for_the_server(world: World, challenge: str) -> None:
    """A server that is not trusted with a secret must not get it in the clear."""
    world.fake.challenge = challenge
    with pytest.raises(Malformed, match="challenge is not of the form"):
        await world.open()
    assert not [one for one in world.fake.asked if PLANTED in one.text]


def test_a_challenge_comes_back_as_it_was() -> None:
    challenge = "gpgauthv1.3.0|36|99999999-2222-4333-8444-555555555555|gpgauthv1.3.0"
    assert token_of(challenge.encode()) == challenge
    with pytest.raises(Malformed):
        token_of(b"\xff")


@pytest.mark.parametrize("header", ("", "no%20message", "%", "-----BEGIN\\+PGP\\+MESSAGE-----"))
async def test_a_challenge_that_nobody_can_decrypt_is_told(world: World, header: str) -> None:
    world.fake.fail(Fault(200, body="{}", headers={"X-GPGAuth-User-Auth-Token": header}))
    with pytest.raises((AuthRejected, Malformed)):
        await world.open()


async def test_an_answer_that_brings_no_session_is_rejected(world: World) -> None:
    challenge = world.fake._login({"keyid": world.fake.certificate.fingerprint.upper()})
    for status, headers in ((200, {}), (400, {}), (200, {"Set-Cookie": "passbolt_session=; path=/"})):
        world.fake.fail(
            Fault(200, body="{}", headers={"X-GPGAuth-User-Auth-Token": challenge.headers["X-GPGAuth-User-Auth-Token"]})
        )
        world.fake.fail(Fault(status, body="{}", headers=headers))
        with pytest.raises(AuthRejected, match="refuses the answer"):
            await world.open()


async def test_cookies_are_kept_by_name_and_what_could_break_a_header_is_not(world: World) -> None:
    client = await world.open()
    before = dict(client.connection.cookies)
    assert set(before) == {"passbolt_session", "csrfToken"}
    ok = json.dumps({"header": {"status": "success"}, "body": []})
    for line in ("other=1", "csrfToken=a,b", 'csrfToken="x"', "csrfToken", "=x", "csrfToken=" + "x" * 5000):
        world.fake.fail(Fault(200, body=ok, headers={"Set-Cookie": line}))
        await client.connection.get("ListResources", "/resources.json")
        assert client.connection.cookies == before
    world.fake.fail(Fault(200, body=ok, headers={"Set-Cookie": "passbolt_mfa=x; Path=/; Secure"}))
    await client.connection.get("ListResources", "/resources.json")
    assert client.connection.cookies == before | {"passbolt_mfa": "x"}
    world.fake.fail(Fault(200, body=ok, headers={"Set-Cookie": "passbolt_mfa=; Path=/"}))
    await client.connection.get("ListResources", "/resources.json")
    assert client.connection.cookies == before
    await client.close()


@pytest.mark.parametrize(
    ("status", "header", "kind"),
    (
        (401, {}, AuthExpired),
        (403, {"message": "You need to login to access this location."}, AuthExpired),
        (403, {"message": "You are not authorized"}, Denied),
        (403, {"url": "https://passbolt.test/mfa/verify/error.json"}, AuthRejected),
        (200, {"status": "error", "code": 401}, AuthExpired),
        (200, {"status": "error", "code": 400}, InvalidConfig),
        (200, {"status": "error"}, Unavailable),
        (200, {"status": "error", "code": "x"}, Unavailable),
        (200, {"status": "other"}, Malformed),
        (200, {"status": ["success"]}, Malformed),
    ),
)
async def test_a_refusal_has_its_class_and_shows_the_status_alone(
    world: World, status: int, header: dict[str, object], kind: type[Exception]
) -> None:
    client = await world.open()
    world.fake.fail(Fault(status, body=json.dumps({"header": {"message": PLANTED} | header, "body": PLANTED})))
    with pytest.raises(kind) as error:
        await read(client, "app")
    assert PLANTED not in str(error.value)
    await client.close()


async def test_closing_works_when_the_server_is_gone(world: World) -> None:
    client = await world.open()
    await world.fake.stop()
    await client.close()


async def test_every_await_of_a_login_may_be_cancelled(world: World) -> None:
    async def opened() -> None:
        await (await world.open()).close()

    async for _ in every_await(opened):
        continue
    client = await world.open()
    await client.close()
