from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.api.hosts import NoHost, hosts_of


@pytest.mark.parametrize(
    ("entry", "host", "on_it"),
    [
        pytest.param("vault.example.com", "vault.example.com", True, id="a name"),
        pytest.param("Vault.Example.Com.", "vault.example.com", True, id="case and the last dot do not matter"),
        pytest.param("vault.example.com", "VAULT.example.com.", True, id="on either side"),
        pytest.param("vault.example.com", "my.vault.example.com", False, id="a name covers nothing below it"),
        pytest.param("*.example.com", "vault.example.com", True, id="a star covers what lies below"),
        pytest.param("*.example.com", "a.b.example.com", True, id="at any depth"),
        pytest.param("*.example.com", "example.com", False, id="not the name itself"),
        pytest.param("*.example.com", "badexample.com", False, id="and no other name that ends alike"),
        pytest.param("vault", "vault", True, id="a name of one part"),
        pytest.param("10.0.0.0/8", "10.0.0.1", False, id="networks have no names"),
    ],
)
def test_a_name_is_on_the_list(entry: str, host: str, on_it: bool) -> None:
    assert hosts_of([entry]).has_name(host) is on_it


@pytest.mark.parametrize(
    ("entry", "address", "on_it"),
    [
        pytest.param("10.1.2.3", "10.1.2.3", True, id="an address"),
        pytest.param("10.1.2.3/8", "10.200.0.1", True, id="a network, host bits or not"),
        pytest.param("10.0.0.0/8", "11.0.0.1", False, id="outside of it"),
        pytest.param("fd00::/8", "fd12::1", True, id="version 6"),
        pytest.param("[fd00::1]", "fd00::1", True, id="in brackets"),
        pytest.param("0.0.0.0/0", "::1", False, id="no network of one version holds the other"),
    ],
)
def test_an_address_is_on_the_list(entry: str, address: str, on_it: bool) -> None:
    assert hosts_of([entry]).has_address(ipaddress.ip_address(address)) is on_it


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "https://vault",
        "vault:8200",
        "10.0.0.256",
        "10.0.0.0/40",
        "a..b",
        "*",
        "*.",
        "a.*.b",
        "a/b",
        "vault example",
        "ü.de",
    ],
)
def test_what_is_no_host_is_refused_and_named(entry: str) -> None:
    with pytest.raises(NoHost) as refused:
        hosts_of([entry])
    assert repr(entry) in str(refused.value) and refused.value.fix


@given(st.lists(st.text(max_size=30), max_size=5), st.text(max_size=40))
def test_property_no_list_and_no_host_breaks_the_question(entries: list[str], host: str) -> None:
    try:
        hosts = hosts_of(entries)
    except NoHost:
        return
    assert hosts.has_name(host) in (True, False)
    assert bool(hosts) is bool(entries)
