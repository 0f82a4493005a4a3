"""Whatever a server or the author of a configuration writes, the answer is a result or an EsoError."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.contract import RemoteRef
from eso.providers.gcpsm import codec, federation, refusal
from eso.providers.kit.token import token_from

NAMES = st.sampled_from(
    [
        "payload",
        "data",
        "dataCrc32c",
        "labels",
        "annotations",
        "etag",
        "secrets",
        "versions",
        "name",
        "createTime",
        "nextPageToken",
        "error",
        "status",
        "message",
        "access_token",
        "expires_in",
        "credential_source",
        "file",
        "url",
        "headers",
        "format",
        "environment_id",
        "audience",
        "token_url",
        "universe_domain",
        "service_account_impersonation",
        "token_lifetime_seconds",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("external_account")
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=20
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=8)


@given(OBJECTS)
def test_replies(found: dict[str, Any]) -> None:
    body = json.dumps(found).encode("utf-8", "surrogatepass")
    for decode in (codec.value_of, codec.marks_of, codec.secret_of, codec.secrets_page, codec.versions_page):
        with suppress(EsoError):
            decode(body)
    for name in ("", "labels", "labels.a", "annotations"):
        with suppress(EsoError):
            codec.mapping(codec.marks_of(body), RemoteRef("k", name))
    with suppress(EsoError):
        token_from(found)


@given(OBJECTS, st.integers(300, 599))
def test_refusals(found: dict[str, Any], status: int) -> None:
    reply = Reply(status, {}, json.dumps(found).encode("utf-8", "surrogatepass"))
    assert isinstance(refusal.of_secrets(reply), EsoError)
    assert isinstance(refusal.of_login(reply), EsoError)


@given(OBJECTS, OBJECTS)
def test_configurations(found: dict[str, Any], block: dict[str, Any]) -> None:
    text = json.dumps({"type": "external_account"} | found).encode("utf-8", "surrogatepass")
    with suppress(EsoError):
        federation.of_config(text, block)
    with suppress(EsoError):
        federation.of_operator(federation.parsed(text))
