"""Signatures as the vendor publishes them, for the key of its documentation."""

from __future__ import annotations

from eso.providers.kit import jwt
from eso.providers.kit.http import Unsigned
from eso.providers.oracle.signing import Signer

TENANCY = "ocid1.tenancy.oc1..aaaaaaaaba3pv6wkcr4jqae5f15p2b2m2yt2j6rx32uzr4h25vqstifsfdsq"
USER = "ocid1.user.oc1..aaaaaaaat5nvwcna5j6aqzjcaty5eqbb6qt2jvpkanghtgdaqedqw3rynjq"
KEY_ID = f"{TENANCY}/{USER}/20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34"
# Of draft-cavage-http-signatures, where it is an example as well.
EXAMPLE = b"""-----BEGIN RSA PRIVATE KEY-----
MIICXgIBAAKBgQDCFENGw33yGihy92pDjZQhl0C36rPJj+CvfSC8+q28hxA161QF
NUd13wuCTUcq0Qd2qsBe/2hFyc2DCJJg0h1L78+6Z4UMR7EOcpfdUE9Hf3m/hs+F
UR45uBJeDK1HSFHD8bHKD6kv8FPGfJTotc+2xjJwoYi+1hqp1fIekaxsyQIDAQAB
AoGBAJR8ZkCUvx5kzv+utdl7T5MnordT1TvoXXJGXK7ZZ+UuvMNUCdN2QPc4sBiA
QWvLw1cSKt5DsKZ8UETpYPy8pPYnnDEz2dDYiaew9+xEpubyeW2oH4Zx71wqBtOK
kqwrXa/pzdpiucRRjk6vE6YY7EBBs/g7uanVpGibOVAEsqH1AkEA7DkjVH28WDUg
f1nqvfn2Kj6CT7nIcE3jGJsZZ7zlZmBmHFDONMLUrXR/Zm3pR5m0tCmBqa5RK95u
412jt1dPIwJBANJT3v8pnkth48bQo/fKel6uEYyboRtA5/uHuHkZ6FQF7OUkGogc
mSJluOdc5t6hI1VsLn0QZEjQZMEOWr+wKSMCQQCC4kXJEsHAve77oP6HtG/IiEn7
kpyUXRNvFsDE0czpJJBvL/aRFUJxuRK91jhjC68sA7NsKMGg5OXb5I5Jj36xAkEA
gIT7aFOYBFwGgQAQkWNKLvySgKbAZRTeLBacpHMuQdl1DfdntvAyqpAZ0lY0RKmW
G6aFKaqQfOXKCyWoUiVknQJAXrlgySFci/2ueKlIE1QqIiLSZ8V8OlpFLRnb1pzI
7U1yQXnTAEFYM560yJlzUpOb1V4cScGd365tiSMvxLOvTA==
-----END RSA PRIVATE KEY-----
"""
HOST = "iaas.us-phoenix-1.oraclecloud.com"
COMPARTMENT = "ocid1.compartment.oc1..aaaaaaaam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa"
VOLUME = "ocid1.volume.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q"
DATE = "Thu, 05 Jan 2014 21:31:40 GMT"
BODY = f"""{{
    "compartmentId": "{COMPARTMENT}",
    "instanceId": "ocid1.instance.oc1.phx.abuw4ljrlsfiqw6vzzxb43vyypt4pkodawglp3wqxjqofakrwvou52gb6s5a",
    "volumeId": "{VOLUME}"
}}""".encode()


def authorization(method: str, target: str, body: bytes = b"") -> str:
    signer = Signer(KEY_ID, jwt.rsa_key(EXAMPLE))
    return signer.headers(Unsigned(method, HOST, target, {}, body), DATE)["Authorization"]


def test_a_get_is_signed_as_in_the_vendors_example() -> None:
    target = (
        f"/20160918/instances?availabilityDomain=Pjwf%3A%20PHX-AD-1&compartmentId={COMPARTMENT}"
        f"&displayName=TeamXInstances&volumeId={VOLUME}"
    )
    signature = (
        "GBas7grhyrhSKHP6AVIj/h5/Vp8bd/peM79H9Wv8kjoaCivujVXlpbKLjMPeDUhxkFIWtTtLBj3sUzaFj34XE6YZAHc9r2DmE4pMwOAy"
        "/kiITcZxa1oHPOeRheC0jP2dqbTll8fmTZVwKZOKHYPtrLJIJQHJjNvxFWeHQjMaR7M="
    )
    assert authorization("GET", target) == (
        f'Signature version="1",headers="date (request-target) host",keyId="{KEY_ID}",algorithm="rsa-sha256",'
        f'signature="{signature}"'
    )


def test_a_post_is_signed_with_its_body_as_in_the_vendors_example() -> None:
    signature = (
        "Mje8vIDPlwIHmD/cTDwRxE7HaAvBg16JnVcsuqaNRim23fFPgQfLoOOxae6WqKb1uPjYEl0qIdazWaBy/Ml8DRhqlocMwoSXv0fbukP8"
        "J5N80LCmzT/FFBvIvTB91XuXI3hYfP9Zt1l7S6ieVadHUfqBedWH0itrtPJBgKmrWso="
    )
    assert authorization("POST", "/20160918/volumeAttachments", BODY) == (
        f'Signature version="1",headers="date (request-target) host content-length content-type x-content-sha256",'
        f'keyId="{KEY_ID}",algorithm="rsa-sha256",signature="{signature}"'
    )


def test_a_signer_never_prints_its_key_or_a_session_token() -> None:
    assert repr(Signer("ST$planted", jwt.rsa_key(EXAMPLE))) == "Signer(names=('date', '(request-target)', 'host'))"
