"""Cipher texts that OpenSSL made, and ones that nobody can decrypt."""

from __future__ import annotations

import base64
import traceback

import pytest

from eso.providers.contract import Malformed
from eso.providers.onboardbase.codec import names_of, opened
from tests.fakes.onboardbase import PASSCODE, sealed

# printf '%s' TEXT | openssl enc -aes-256-cbc -md md5 -salt -pass pass:'planted passcode' -base64 -A
VECTORS = (
    ("U2FsdGVkX1/2NZVvHQjxblFvjJzobesQrnBdHVPvXG4=", "alpha"),
    ("U2FsdGVkX19xw8pU6xAJZVZfHeEJg7xqg+EX6Z6qisqUq9haw9mOvgk8JSkN2lpW", '{"user":"me","n":1.50}'),
    ("U2FsdGVkX1/6VZosLtb2W0vSr84avGOISzkb89w63U8=", "schlüssel £"),
    ("U2FsdGVkX1+4sOehv3CdK0VZ/312IOjaLZVPgmm6B2Zm2K/JQxKq3FGzirwMEZ/q", "exactly-16-bytes"),
    ("U2FsdGVkX1+7U/trHYRT7PBsSKI0kj/5AK7WQj3VgFU=", ""),
)
OTHER_PASSCODE = "U2FsdGVkX19JhaSbs0mUvcfiqpA8i5GcQ1HopC42zXM="
NO_TEXT = "U2FsdGVkX1+YuTCqIILevBdf2C5Rj9fWGOCHDcCP4/OtE89F5s0H46elF/u/MTLd9N1Wjmq9HRpeJTCyqFbd3g=="


@pytest.mark.parametrize(("text", "plain"), VECTORS)
def test_what_openssl_encrypted_is_read(text: str, plain: str) -> None:
    assert opened(text, PASSCODE.encode()) == plain.encode()


def cut(text: str, bytes_: int) -> str:
    return base64.b64encode(base64.b64decode(text)[:bytes_]).decode()


WHOLE = VECTORS[1][0]


@pytest.mark.parametrize(
    "text",
    (
        pytest.param(OTHER_PASSCODE, id="another passcode"),
        pytest.param(NO_TEXT, id="bytes that are no text"),
        pytest.param("", id="nothing"),
        pytest.param("not base64 %", id="no base64"),
        pytest.param("ünïcode", id="no ASCII"),
        pytest.param(cut(WHOLE, 8), id="the head alone"),
        pytest.param(cut(WHOLE, 16), id="no cipher text"),
        pytest.param(cut(WHOLE, 30), id="half a block"),
        pytest.param(cut(WHOLE, 32), id="without the last block"),
        pytest.param(base64.b64encode(b"Unsalted" + bytes(24)).decode(), id="another head"),
        pytest.param("A" * (5 << 20), id="five megabytes"),
    ),
)
def test_what_cannot_be_decrypted_is_malformed_and_tells_nothing(text: str) -> None:
    with pytest.raises(Malformed) as error:
        opened(text, PASSCODE.encode())
    assert str(error.value) == "a secret cannot be decrypted"
    assert PASSCODE not in "".join(traceback.format_exception(error.value)) + error.value.fix


def test_of_equal_names_the_last_counts() -> None:
    entries = ",".join(f'{{"key":"{sealed("a", PASSCODE)}","value":"{value}"}}' for value in ("one", "two"))
    assert names_of(f'{{"data":{{"secrets":[{entries}]}}}}'.encode(), PASSCODE.encode()) == {"a": "two"}
