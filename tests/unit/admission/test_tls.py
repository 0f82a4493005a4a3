"""Names of cipher suites and of TLS versions, as the reference takes them."""

from __future__ import annotations

import ssl

import pytest

from eso.admission.tls import OF_TLS_1_3, SUITES, TlsPolicy, UnknownSuite, policy
from eso.net.http import CIPHERS


def test_each_suite_is_one_that_the_library_knows():
    for ours in SUITES.values():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers(ours)
        assert ours in {one["name"] for one in context.get_ciphers()}


def test_suites_are_offered_in_their_order_and_those_of_tls_1_3_are_left_out():
    suites = (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    )
    assert policy(suites, "1.2").ciphers == "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256"


@pytest.mark.parametrize("suites", [(), OF_TLS_1_3], ids=["none", "of TLS 1.3 alone"])
def test_without_suites_of_tls_1_2_ours_are_offered(suites: tuple[str, ...]):
    assert policy(suites, "1.2") == TlsPolicy(CIPHERS)


@pytest.mark.parametrize("name", ["nope", "TLS_RSA_WITH_AES_128_CBC_SHA", "tls_aes_128_gcm_sha256"])
def test_an_unknown_suite_is_fatal(name: str):
    with pytest.raises(UnknownSuite, match=f"cipher {name} was not found"):
        policy((name,), "1.2")


@pytest.mark.parametrize(
    ("version", "minimum", "told"),
    [
        pytest.param("1.2", ssl.TLSVersion.TLSv1_2, False, id="1.2"),
        pytest.param("1.3", ssl.TLSVersion.TLSv1_3, False, id="1.3"),
        pytest.param("1.0", ssl.TLSVersion.TLSv1_2, True, id="1.0 is raised"),
        pytest.param("1.1", ssl.TLSVersion.TLSv1_2, True, id="1.1 is raised"),
        pytest.param("", ssl.TLSVersion.TLSv1_2, True, id="nothing"),
        pytest.param("TLS1.2", ssl.TLSVersion.TLSv1_3, True, id="no version is the strictest one"),
    ],
)
def test_the_oldest_version(version: str, minimum: ssl.TLSVersion, told: bool):
    found = policy((), version)
    assert found.minimum is minimum and bool(found.remark) is told
