"""Replies of token servers."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import AuthRejected, Malformed
from eso.providers.kit.token import Token, token_from


@pytest.mark.parametrize(
    ("seconds", "lifetime"),
    [
        pytest.param(3600, 3540.0, id="a minute before its end a token is not used any more"),
        pytest.param("86399", 86339.0, id="digits in quotes are a number"),
        pytest.param(100, 50.0, id="half of a short life is used"),
    ],
)
def test_a_token_is_used_for(seconds: Any, lifetime: float) -> None:
    found = token_from({"access_token": "t", "expires_in": seconds})
    assert (found.value, found.lifetime) == ("t", lifetime)


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        pytest.param({"expires_in": 5}, Malformed, id="no token"),
        pytest.param({"access_token": 7, "expires_in": 5}, Malformed, id="a token that is no text"),
        pytest.param({"access_token": "a\nb", "expires_in": 5}, Malformed, id="a token that no header can carry"),
        pytest.param({"access_token": "planted"}, Malformed, id="no end"),
        pytest.param({"access_token": "planted", "expires_in": "-1"}, Malformed, id="a text that is no number"),
        pytest.param({"access_token": "planted", "expires_in": "9" * 5000}, Malformed, id="digits without end"),
        pytest.param({"access_token": "planted", "expires_in": True}, Malformed, id="a truth"),
        pytest.param({"access_token": "planted", "expires_in": 0}, AuthRejected, id="a token that has ended"),
        pytest.param({"access_token": "planted", "expires_in": float("nan")}, AuthRejected, id="no number at all"),
    ],
)
def test_a_reply_without_a_usable_token(found: dict[str, Any], kind: type) -> None:
    with pytest.raises(kind) as refused:
        token_from(found)
    assert "planted" not in str(refused.value)


def test_a_token_never_prints() -> None:
    assert "planted" not in repr(Token("planted", 1.0))
