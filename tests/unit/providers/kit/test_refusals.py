"""What of a server's refusal is shown, and what a refused login means."""

from __future__ import annotations

import re

import pytest

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, AuthRejected, Denied, Malformed, Throttled, Timeout, Unavailable
from eso.providers.kit.refusals import LONGEST, MOST_READ, SHOWN, members, phrases, rejected, told


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'"message"', b"null", b'{"message":', b"[" * 100_000, b'\xff{"message":"x"}']
)
def test_a_body_of_another_form_tells_nothing(body: bytes) -> None:
    assert told(members(body), "message") == ""


def test_texts_of_the_named_members_are_read_and_no_others() -> None:
    found = members(b'{"message":"one","error":{"message":"two"},"code":7,"detail":"planted","reason":"three"}')
    assert told(found, "message", "error", "code", "reason", "gone") == "one three"


def test_a_message_without_end_is_read_to_a_bound() -> None:
    assert len(told({"message": "x" * (1 << 20)}, "message")) == MOST_READ
    assert told(members(b'{"message":"no"}' + b" " * LONGEST), "message") == ""


def test_phrases_of_the_list_are_shown_once_each_and_only_some() -> None:
    harmless = re.compile("not found|denied|locked|expired")
    assert phrases(harmless, "planted not found, not found: denied") == ["not found", "denied"]
    assert len(phrases(harmless, "not found denied locked expired")) == SHOWN


@pytest.mark.parametrize("error", [Unavailable("x"), Timeout("x"), Throttled("x", retry_after=3.0), Malformed("x")])
def test_a_login_that_fails_for_another_reason_is_not_refused(error: EsoError) -> None:
    assert rejected(error, "fix") is error


@pytest.mark.parametrize("error", [AuthExpired("x"), Denied("x"), EsoError("x")])
def test_every_other_answer_refuses_the_login(error: EsoError) -> None:
    found = rejected(error, "fix")
    assert (type(found), str(found), found.fix) == (AuthRejected, "x", "fix")
