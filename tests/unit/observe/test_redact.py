"""Canaries: values planted in every shape in which a backend or a library might hand them to us."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.observe import redact
from eso.observe.redact import MASK, scrub, stack
from eso.secretbytes import SecretBytes

CANARY = "Pl4nted0Canary7f3aQwErTy"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE" + CANARY + "\nabc+/=\n-----END RSA PRIVATE KEY-----"

LEAKS = [
    pytest.param(f"dial https://admin:{CANARY}@vault.example:8200/v1 failed", id="a password in an address"),
    pytest.param(f"postgres://u:p@{CANARY}@db/app", id="a password with an at sign"),
    pytest.param(f"redis://{CANARY}@cache", id="a user alone"),
    pytest.param(f"Authorization: Bearer {CANARY}", id="a bearer header"),
    pytest.param(f"authorization: Basic {base64.b64encode(CANARY.encode()).decode()}", id="a basic header"),
    pytest.param(f"{{'Authorization': 'Bearer {CANARY}'}}", id="a header map of Python"),
    pytest.param(json.dumps({"Authorization": f"Bearer {CANARY}"}), id="a header map of JSON"),
    pytest.param(
        f"Authorization: AWS4-HMAC-SHA256 Credential=AKIA/x, SignedHeaders=host, Signature={CANARY}",
        id="an AWS signature",
    ),
    pytest.param(f"got Bearer {CANARY} instead", id="a bearer token in prose"),
    pytest.param(f"X-Vault-Token: {CANARY}", id="a Vault token header"),
    pytest.param(f"x-amz-security-token: {CANARY}", id="an AWS session token header"),
    pytest.param(f"GET /x?access_token={CANARY}&page=2", id="a token in a query"),
    pytest.param(f"GET /x?a=1&X-Amz-Signature={CANARY}", id="a signature in a query"),
    pytest.param(f"POST grant_type=x&client_secret={CANARY}", id="a client secret in a form"),
    pytest.param(json.dumps({"password": CANARY}), id="a password in JSON"),
    pytest.param(json.dumps({"body": json.dumps({"client_token": CANARY})}), id="a token in JSON in JSON"),
    pytest.param(f"{{'secret_id': '{CANARY}'}}", id="a secret id printed by Python"),
    pytest.param(f"login with password={CANARY} failed", id="a password in prose"),
    pytest.param(f"password: {CANARY}", id="a password in YAML"),
    pytest.param(f"token hvs.{CANARY} expired", id="a Vault token"),
    pytest.param(f"token s.{CANARY} expired", id="an older Vault token"),
    pytest.param(f"bad jwt eyJhbGciOiJ.eyJ{CANARY}.{CANARY}", id="a JWT"),
    pytest.param(f"ghp_{CANARY} is revoked", id="a GitHub token"),
    pytest.param(f"glpat-{CANARY}", id="a GitLab token"),
    pytest.param(PEM, id="a private key"),
    pytest.param("key " + PEM[: PEM.index("\nabc")], id="a private key cut off"),
    pytest.param(json.dumps({"tls.key": PEM, "n": 1}), id="a private key in JSON"),
    pytest.param(json.dumps({"tls.key": PEM[: PEM.index("\nabc")], "n": 1}), id="a private key cut off in JSON"),
]


@pytest.mark.parametrize("text", LEAKS)
def test_a_credential_does_not_survive(text):
    assert CANARY in text or base64.b64encode(CANARY.encode()).decode() in text
    scrubbed = scrub(text)
    assert CANARY not in scrubbed
    assert base64.b64encode(CANARY.encode()).decode() not in scrubbed
    assert MASK in scrubbed


@pytest.mark.parametrize("text", LEAKS)
def test_a_line_of_json_stays_json(text):
    line = json.dumps({"msg": text, "after": "kept"})
    parsed = json.loads(scrub(line))
    assert parsed["after"] == "kept"
    assert CANARY not in parsed["msg"]


@pytest.mark.parametrize(
    "text",
    [
        'secrets "db" not found',
        "could not get secret data from provider",
        "cannot read kv/data/team-a: permission denied",
        "error processing spec.data[0] (key: barz), err: boom",
        "invalid token: expected a string",
        "missing password: set spec.provider.vault.auth",
        "https://vault.example:8200/v1/auth/kubernetes/login: 403",
        "GET https://api/x?page=2&limit=500",
        "basic authentication is off; bearer authentication is on",
        "mail the owner at ops@example.com",
        "externalsecrets.external-secrets.io/externalsecret-cleanup",
        '{"secret":"db","namespace":"shop","added":["password","token"]}',
        "sha256:5f9c4ab08cac7457e9111a30e4664920607ea2c115a1433d7be98e97e64244ca",
    ],
)
def test_what_users_need_to_read_stays(text):
    assert scrub(text) == text


def test_around_the_credential_the_text_stays():
    assert (
        scrub(f"dial https://admin:{CANARY}@vault:8200/v1?x=1: refused")
        == "dial https://***@vault:8200/v1?x=1: refused"
    )
    assert (
        scrub(f"X-Vault-Token: {CANARY}; X-Vault-Namespace: team-a") == "X-Vault-Token: ***; X-Vault-Namespace: team-a"
    )


VALUE = 'p"ä/+ ß\n&x'


@pytest.mark.parametrize(
    "spelled",
    [
        pytest.param(VALUE, id="as it is"),
        pytest.param(json.dumps(VALUE), id="in JSON"),
        pytest.param(json.dumps(VALUE, ensure_ascii=False), id="in JSON with its letters"),
        pytest.param(base64.b64encode(VALUE.encode()).decode(), id="in base64"),
        pytest.param(base64.urlsafe_b64encode(VALUE.encode()).decode().rstrip("="), id="in base64 for addresses"),
        pytest.param("p%22%C3%A4%2F%2B%20%C3%9F%0A%26x", id="in an address"),
        pytest.param(VALUE.encode().hex(), id="in hex"),
        pytest.param(repr(VALUE.encode()), id="as Python prints it"),
    ],
)
@pytest.mark.parametrize(
    "planted", [VALUE, VALUE.encode(), SecretBytes(VALUE.encode())], ids=["text", "bytes", "SecretBytes"]
)
def test_a_known_value_is_taken_out_in_every_spelling(spelled, planted):
    scrubbed = scrub(f"before {spelled} after", [planted])
    assert spelled.strip('"') not in scrubbed
    assert scrubbed.startswith("before ")
    assert scrubbed.endswith(" after")


def test_a_longer_value_is_taken_out_before_its_part():
    assert scrub("abcdef", ["cd", "abcdef"]) == MASK


def test_an_empty_value_takes_nothing_out():
    assert scrub("all of this", ["", b""]) == "all of this"


@given(st.text())
def test_no_text_makes_it_fail_and_a_second_time_changes_nothing(text):
    once = scrub(text)
    assert scrub(once) == once


@given(st.text(st.sampled_from("abc:/@= \"\\'{}[]tokenpasswordAuthorizationBearer?&\n"), max_size=60))
def test_no_text_breaks_the_json_around_it(text):
    assert json.loads(scrub(json.dumps({"msg": text, "z": 1})))["z"] == 1


def test_half_a_letter_does_not_make_it_fail():
    assert CANARY not in scrub(f"\ud800 password={CANARY}")


@pytest.mark.parametrize(
    "part",
    [
        "a://",
        "a.",
        "a",
        "bearer ",
        "-----BEGIN PRIVATE KEY-----",
        'token":"',
        "token:",
        "authorization:",
        "x-a-",
        "eyJ-",
        "\\\\",
        "s.",
    ],
)
def test_a_long_text_from_outside_is_done_in_time(part):
    """Would take minutes if any pattern cost the square of the length."""
    text = part * (200_000 // len(part)) + " password=abc"
    assert scrub(text).endswith(MASK)


class TestStack:
    def fail(self, error):
        planted_local = CANARY
        try:
            raise error if planted_local else None
        except BaseException as caught:
            return caught

    def test_it_names_types_and_frames_and_nothing_else(self):
        told = stack(self.fail(KeyError(CANARY)))
        assert told.startswith("builtins.KeyError\n\t")
        assert "test_redact.py" in told
        assert " fail" in told
        assert CANARY not in told

    def test_it_follows_the_cause(self):
        outer = EsoError("outer")
        outer.__cause__ = self.fail(ValueError(CANARY))
        assert stack(outer).splitlines()[:2] == ["eso.errors.EsoError", "caused by builtins.ValueError"]
        assert CANARY not in stack(outer)

    def test_a_ring_of_causes_ends(self):
        first, second = ValueError(), KeyError()
        first.__cause__, second.__cause__ = second, first
        assert stack(first) == "builtins.ValueError\ncaused by builtins.KeyError"


def test_the_mask_is_what_secret_bytes_show_too():
    assert redact.MASK in repr(SecretBytes(b"x"))


def test_a_value_that_is_longer_than_the_text_is_not_spelt_out(monkeypatch):
    spelt = []
    monkeypatch.setattr(redact, "_spellings", lambda values: spelt.extend(values) or [])
    values = [b"x" * 401, b"x" * 400, SecretBytes(b"y" * 401), "z" * 400]
    redact.without("t" * 100, values)
    assert spelt == [values[1], values[3]]


@given(st.binary(min_size=1, max_size=80))
def test_no_spelling_of_a_value_is_shorter_than_a_quarter_of_it(value):
    assert all(4 * len(spelling) >= len(value) for spelling in redact._spellings([value]))
