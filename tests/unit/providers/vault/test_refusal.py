"""A server's no → a typed error without what the server quotes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Busy, Denied, InvalidConfig, Malformed, NotYet, Throttled, Unavailable
from eso.providers.kit.http import NothingThere
from eso.providers.vault.refusal import refusal, safe_messages

SECRET = "planted-7f3a9c"


def body(*errors: str) -> bytes:
    return json.dumps({"errors": list(errors)}).encode()


@pytest.mark.parametrize(
    ("status", "errors", "kind"),
    [
        pytest.param(403, ["permission denied"], Denied, id="not allowed"),
        pytest.param(
            403,
            ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"],
            AuthExpired,
            id="the token has ended",
        ),
        pytest.param(401, [], Denied, id="unauthorised"),
        pytest.param(404, [], NothingThere, id="nothing"),
        pytest.param(412, [], NotYet, id="behind"),
        pytest.param(429, [], Throttled, id="too many"),
        pytest.param(473, [], Unavailable, id="a standby"),
        pytest.param(500, [], Unavailable, id="broken"),
        pytest.param(501, [], InvalidConfig, id="not implemented, now or later"),
        pytest.param(503, ["Vault is sealed"], Unavailable, id="sealed"),
        pytest.param(400, ["anything"], InvalidConfig, id="a request that can never work"),
        pytest.param(
            400,
            ["check-and-set parameter did not match the current version"],
            Busy,
            id="somebody else wrote the entry meanwhile",
        ),
        pytest.param(299, [], Malformed, id="what is that"),
    ],
)
def test_kinds(status: int, errors: list[str], kind: type[EsoError]) -> None:
    assert type(refusal("get", "http://v/v1/x", "", status, {}, body(*errors), authenticated=True)) is kind


def test_without_a_token_nothing_can_have_ended() -> None:
    assert type(refusal("get", "http://v/v1/x", "", 403, {}, body("invalid token"), authenticated=False)) is Denied


def test_the_text_is_laid_out_as_the_servers_own_client_does_it() -> None:
    error = refusal(
        "get",
        "https://v/v1/secret/data/x?version=2",
        "team",
        403,
        {},
        body("1 error occurred:\n\t* permission denied\n\n"),
        authenticated=True,
    )
    assert str(error) == (
        "Error making API request.\n\nNamespace: team\nURL: GET https://v/v1/secret/data/x?version=2\n"
        "Code: 403. Errors:\n\n* permission denied"
    )


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("0.5", 0.5), ("", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)]
)
def test_how_long_to_stay_away(header: str, seconds: float | None) -> None:
    error = refusal("get", "http://v", "", 429, {"Retry-After": header}, b"", authenticated=True)
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from([400, 403, 404, 412, 429, 500, 503]),
)
def test_nothing_that_was_sent_comes_back(noise: str, status: int) -> None:
    for said in (
        body(f"{noise}{SECRET}", f"permission denied {SECRET}"),
        f"<html>{SECRET}{noise}".encode(),
        json.dumps({"errors": SECRET}).encode(),
    ):
        error = refusal("get", "http://v/v1/x", "", status, {}, said, authenticated=True)
        assert SECRET not in f"{error} {error!r} {error.fix} {error.__cause__} {error.__context__}"


def test_what_is_withheld_is_said_to_be() -> None:
    assert safe_messages(body("permission denied", "odd words")) == [
        "permission denied",
        "(message withheld: it may quote the request)",
    ]
    assert safe_messages(b"not json") == safe_messages(b"[]") == []


def test_an_auth_method_that_was_never_configured_is_named() -> None:
    error = refusal(
        "post", "http://v/v1/x", "", 500, {}, body("could not load backend configuration"), authenticated=False
    )
    assert isinstance(error, Unavailable)
    assert error.answered, "the fault lies in one mount: the server itself is well"
    assert str(error).endswith("* could not load backend configuration")
