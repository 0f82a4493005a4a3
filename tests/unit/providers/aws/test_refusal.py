"""AWS's answers as typed errors, and what of them may be told."""

from __future__ import annotations

import base64

import pytest

from eso.errors import EsoError
from eso.providers.aws.refusal import code_of, refusal, sanitised, shown
from eso.providers.contract import AuthExpired, Denied, InvalidConfig, SecretNotFound, Throttled, Unavailable

GONE = "Secrets Manager can't find the specified secret."


def refused(status: int, code: str, message: str = "why", service: str = "Secrets Manager") -> EsoError:
    return refusal(service, "GetSecretValue", status, code, message)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        pytest.param(400, "ThrottlingException", Throttled, id="ThrottlingException"),
        pytest.param(400, "TooManyRequestsException", Throttled, id="TooManyRequestsException"),
        pytest.param(503, "RequestLimitExceeded", Throttled, id="RequestLimitExceeded, though it is a 503"),
        pytest.param(429, "429", Throttled, id="429 of something in between"),
        pytest.param(400, "ExpiredTokenException", AuthExpired, id="an expired session"),
        pytest.param(403, "ExpiredToken", AuthExpired, id="an expired session, as STS says it"),
        pytest.param(400, "UnrecognizedClientException", AuthExpired, id="a key that nobody knows"),
        pytest.param(403, "InvalidSignatureException", AuthExpired, id="a wrong secret key"),
        pytest.param(403, "RequestTimeTooSkewed", AuthExpired, id="a clock that is wrong"),
        pytest.param(400, "AccessDeniedException", Denied, id="a policy"),
        pytest.param(403, "403", Denied, id="a 403 without a code"),
        pytest.param(500, "InternalServiceError", Unavailable, id="a failure of the service"),
        pytest.param(400, "InternalServiceError", Unavailable, id="a failure of the service, sent as 400"),
        pytest.param(502, "502", Unavailable, id="a gateway"),
        pytest.param(400, "ValidationException", InvalidConfig, id="a request that makes no sense"),
        pytest.param(404, "404", InvalidConfig, id="a 404 of something else"),
        pytest.param(400, "LimitExceededException", InvalidConfig, id="too many secrets is no throttling"),
    ],
)
def test_each_answer_has_its_class(status: int, code: str, kind: type[EsoError]) -> None:
    error = refused(status, code)
    assert type(error) is kind
    assert not isinstance(error, SecretNotFound)
    assert code_of(error) == code


def test_the_text_is_the_one_of_the_go_sdk_without_the_request_id() -> None:
    error = refusal("Secrets Manager", "GetSecretValue", 400, "ResourceNotFoundException", GONE)
    where = "operation error Secrets Manager: GetSecretValue, https response error StatusCode: 400, "
    assert str(error) == f"{where}ResourceNotFoundException: {GONE}"
    unknown = refusal("Secrets Manager", "GetSecretValue", 400, "AccessDeniedException", "no", modelled=False)
    assert str(unknown) == f"{where}api error AccessDeniedException: no"


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("-1", 0.0), ("Fri, 1 Jan", None), ("", None)])
def test_retry_after_is_passed_on(header: str, seconds: float | None) -> None:
    headers = {"retry-after": header} if header else {}
    error = refusal("SSM", "GetParameter", 400, "ThrottlingException", "Rate exceeded", headers=headers)
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("denied, request id: 1b-2c", "denied, ", id="the request id of a text"),
        pytest.param("status 400, RequestID: 1b-2c, no", "status 400, no", id="the request id of the Go SDK"),
        pytest.param(
            "header: 'AWS4 Credential=AKIA/x'\nnext", "header: 'AWS4\nnext", id="a credential, to the line's end"
        ),
    ],
)
def test_what_differs_between_two_tries_is_taken_out(text: str, told: str) -> None:
    assert sanitised(text) == told


def test_messages_that_may_quote_the_request_are_withheld() -> None:
    canonical = "The Canonical String should have been 'x-amz-security-token:planted'"
    assert "planted" not in str(refused(403, "InvalidSignatureException", canonical))
    assert "planted" not in str(refused(400, "ValidationException", "Value 'planted' at 'value' is too long"))


def test_what_was_sent_is_masked_in_a_message_that_is_told() -> None:
    encoded = base64.b64encode(b"planted-value").decode()
    message = f"no: planted-value or {encoded}"
    assert shown("AccessDeniedException", message, ["planted-value"]) == "no: *** or ***"


def test_a_long_message_is_cut_to_one_line() -> None:
    told = shown("AccessDeniedException", "a\nb " * 1000)
    assert len(told) < 700
    assert "\n" not in told
