"""Refusals of Google as typed errors that quote nothing."""

from __future__ import annotations

import json

import pytest

from eso.net.http import Reply
from eso.providers.contract import AuthExpired, AuthRejected, Denied, InvalidConfig, Throttled, Timeout, Unavailable
from eso.providers.gcpsm.refusal import Conflict, Missing, NotEnabled, of_login, of_secrets
from eso.providers.kit.http import NothingThere

VERSION = "Secret Version [projects/1/locations/l/secrets/app/versions/3]"


def said(status: int, code: str, message: str = "", **headers: str) -> Reply:
    body = {"error": {"code": status, "message": message, "status": code}}
    return Reply(status, headers, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        pytest.param(
            said(404, "NOT_FOUND", f"{VERSION} not found."),
            Missing,
            "rpc error: code = NotFound desc = not found",
            id="the API says that it is not there",
        ),
        pytest.param(
            Reply(404, {}, b"<html>planted</html>"),
            NothingThere,
            "the server answered 404",
            id="a 404 of something else proves nothing",
        ),
        pytest.param(
            Reply(404, {}, b'{"status":"NOT_FOUND","error":"planted"}'),
            NothingThere,
            "the server answered 404",
            id="a 404 in another form proves nothing",
        ),
        pytest.param(
            said(400, "FAILED_PRECONDITION", f"{VERSION} is in DISABLED state."),
            NotEnabled,
            f"rpc error: code = FailedPrecondition desc = {VERSION} is in DISABLED state.",
            id="a disabled version",
        ),
        pytest.param(
            said(400, "FAILED_PRECONDITION", f"{VERSION} is in DESTROYED state."),
            NotEnabled,
            f"rpc error: code = FailedPrecondition desc = {VERSION} is in DESTROYED state.",
            id="a destroyed version",
        ),
        pytest.param(
            said(400, "FAILED_PRECONDITION", "Secret Version [planted text] is in DISABLED state."),
            NotEnabled,
            "rpc error: code = FailedPrecondition desc = DISABLED state",
            id="a disabled version, told in another form",
        ),
        pytest.param(
            said(
                403,
                "PERMISSION_DENIED",
                "Permission 'secretmanager.secrets.get' denied on resource 'projects/1/secrets/a'",
            ),
            Denied,
            "rpc error: code = PermissionDenied desc = "
            "Permission 'secretmanager.secrets.get' denied on resource 'projects/1/secrets/a'",
            id="a permission that is missing, with the resource",
        ),
        pytest.param(
            said(400, "FAILED_PRECONDITION", "planted"),
            InvalidConfig,
            "rpc error: code = FailedPrecondition",
            id="another precondition",
        ),
        pytest.param(
            said(400, "FAILED_PRECONDITION", "The etag planted does not match"),
            Conflict,
            "rpc error: code = FailedPrecondition desc = etag",
            id="an etag that is not the secret's any more",
        ),
        pytest.param(said(409, "ABORTED"), Conflict, "rpc error: code = Aborted", id="a write of somebody else"),
        pytest.param(
            said(401, "UNAUTHENTICATED", "Request had invalid authentication credentials. planted"),
            AuthExpired,
            "rpc error: code = Unauthenticated desc = invalid authentication credentials",
            id="a token that has ended",
        ),
        pytest.param(
            said(403, "PERMISSION_DENIED", "Permission 'secretmanager.versions.access' denied for planted"),
            Denied,
            "rpc error: code = PermissionDenied desc = Permission 'secretmanager.versions.access' denied",
            id="a permission that is missing, by its name",
        ),
        pytest.param(
            said(429, "RESOURCE_EXHAUSTED", "Quota exceeded for planted", **{"Retry-After": "9"}),
            Throttled,
            "rpc error: code = ResourceExhausted desc = Quota exceeded",
            id="a quota",
        ),
        pytest.param(said(504, "DEADLINE_EXCEEDED"), Timeout, "rpc error: code = DeadlineExceeded", id="too slow"),
        pytest.param(said(503, "UNAVAILABLE"), Unavailable, "rpc error: code = Unavailable", id="unavailable"),
        pytest.param(Reply(502, {}, b"planted"), Unavailable, "the server answered 502", id="a proxy between"),
        pytest.param(
            said(400, "INVALID_ARGUMENT", "planted"),
            InvalidConfig,
            "rpc error: code = InvalidArgument",
            id="a bad name",
        ),
        pytest.param(said(400, "PLANTED", "x"), InvalidConfig, "the server answered 400", id="a code that is none"),
    ],
)
def test_a_refusal_of_secret_manager(reply: Reply, kind: type, text: str) -> None:
    error = of_secrets(reply)
    assert type(error) is kind
    assert str(error) == text
    assert "planted" not in f"{error}{error.fix}".lower()


def test_a_throttle_says_how_long_and_a_failure_that_it_was_an_answer() -> None:
    throttled, failed = of_secrets(said(429, "", **{"Retry-After": "9"})), of_secrets(said(500, "INTERNAL"))
    assert isinstance(throttled, Throttled)
    assert throttled.retry_after == 9.0
    assert isinstance(failed, Unavailable)
    assert failed.answered


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        pytest.param(
            Reply(400, {}, b'{"error":"invalid_grant","error_description":"planted"}'),
            AuthRejected,
            "status: 400 (invalid_grant)",
            id="a refused grant",
        ),
        pytest.param(
            said(403, "PERMISSION_DENIED", "planted"),
            AuthRejected,
            "status: 403 (PERMISSION_DENIED)",
            id="impersonation",
        ),
        pytest.param(Reply(400, {}, b'{"error":"planted"}'), AuthRejected, "status: 400", id="an unknown code"),
        pytest.param(Reply(404, {}, b""), AuthRejected, "status: 404", id="an address that is none"),
        pytest.param(Reply(503, {}, b"planted"), Unavailable, "status: 503", id="a failure of the server"),
        pytest.param(Reply(429, {}, b"planted"), Throttled, "status: 429", id="a throttle"),
    ],
)
def test_a_refusal_of_a_token_server(reply: Reply, kind: type, text: str) -> None:
    error = of_login(reply)
    assert type(error) is kind
    assert str(error) == text


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"error":[]}', b'{"error":{"status":["x"],"message":7}}', b"[" * 100_000, b"\xff"]
)
def test_a_body_of_any_form_is_read_without_failing(body: bytes) -> None:
    assert str(of_secrets(Reply(403, {}, body))) == "the server answered 403"
    assert str(of_login(Reply(403, {}, body))) == "status: 403"
