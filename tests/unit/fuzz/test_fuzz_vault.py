"""Whatever a server that is called Vault answers is a value, or an error of ours that does not repeat it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.providers.vault import codec
from eso.providers.vault.refusal import refusal, safe_messages
from tests.unit.fuzz.shapes import broken, trees

CANARY = "Zq7kWmXp42TvRn9Lbd"
SEEDS = [
    orjson.dumps(reply)
    for reply in (
        {"data": {"data": {"v": CANARY, "n": 1, "o": {"p": [CANARY]}}, "metadata": {"version": 3}}},
        {"data": {"data": None, "metadata": {"deletion_time": "2024-01-01T00:00:00Z", "destroyed": True}}},
        {"data": {"v": CANARY}, "lease_id": "", "renewable": False},
        {"data": {"keys": ["a", "b/", CANARY]}},
        {"data": {"created_time": "2024-01-01T00:00:00Z", "current_version": 7, "custom_metadata": {"a": CANARY}}},
        {"auth": {"client_token": CANARY, "lease_duration": 3600, "renewable": True}},
        {"data": {"type": "service", "ttl": 3600, "expire_time": None}},
        {"errors": ["permission denied", f"invalid token {CANARY}"], "warnings": None},
        {"errors": [["nested"], {"a": CANARY}, 7, None]},
    )
]
replies = broken(SEEDS) | trees.map(lambda tree: json.dumps(tree).encode()) | st.binary(max_size=30)
READERS: list[Callable[[bytes], Any]] = [
    codec.parse,
    codec.has_data,
    codec.names,
    codec.metadata_payload,
    lambda body: codec.payload(body, v2=True),
    lambda body: codec.payload(body, v2=False),
    lambda body: codec.payload_or_null(body, v2=True),
    lambda body: codec.member(body, "auth"),
    lambda body: codec.check_token(codec.member(body, "data")),
]


@given(replies, st.sampled_from(READERS), st.sampled_from(["", "v", "o.p", "n", "*", CANARY]))
def test_fuzz_vault_replies(body: bytes, read: Callable[[bytes], Any], name: str) -> None:
    try:
        found = read(body)
        if isinstance(found, codec.Payload):
            assert isinstance(found.value(name), bytes)
            assert isinstance(codec.mapping(found.text), dict)
    except EsoError as error:
        assert name == CANARY or CANARY[:8] not in f"{error}{error.fix}"


@given(replies, st.integers(100, 599), st.dictionaries(st.sampled_from(["Retry-After", "Date"]), st.text(max_size=12)))
def test_fuzz_vault_refusals(body: bytes, status: int, headers: dict[str, str]) -> None:
    assert all(isinstance(message, str) for message in safe_messages(body))
    error = refusal("get", "http://vault/v1/x", "", status, headers, body, authenticated=True)
    assert isinstance(error, EsoError)
    assert CANARY[:8] not in f"{error}{error.fix}"
