"""Headers that a store may send."""

from __future__ import annotations

import pytest

from eso.providers.contract import InvalidConfig
from eso.providers.kit.headers import from_store

CANARY = "hunter2"


def test_an_ordinary_header_goes_as_it_is():
    assert from_store({"X-Team": "a b", "X-Number": 5}) == {"X-Team": "a b", "X-Number": "5"}
    assert from_store(None) == {}


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "CONNECTION",
        "Upgrade",
        "TE",
        "Trailer",
        "Expect",
        "Keep-Alive",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Proxy-Authenticate",
        "Proxy-Authentication-Info",
        "proxy_status",
        "Proxy",
        "HTTP2-Settings",
        "Via",
        "Transfer_Encoding",
        "content_length",
    ],
)
def test_a_header_that_belongs_to_the_connection_is_refused(name):
    with pytest.raises(InvalidConfig, match=f"may not set the header {name}"):
        from_store({name: CANARY})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "a") for name in ("X Team", "", "X:", ":authority", "Höst", "X\n", "X\r\nHost", "X\t", "X,Y")),
        *(("X", f"{CANARY}{end}") for end in ("\r\nHost: b", "\n", "\r", "\0", "\x0b", "\x7f")),
    ],
)
def test_what_would_break_the_message_is_refused_without_its_value(name, value):
    with pytest.raises(InvalidConfig) as refused:
        from_store({name: value})
    assert CANARY not in str(refused.value)
