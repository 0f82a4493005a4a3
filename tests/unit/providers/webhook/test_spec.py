"""Where a webhook's login depends on the consumer, what it refers to, which URL can be dialled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eso.providers.contract import Consumer, InvalidConfig
from eso.providers.webhook.spec import SPEC, actions, address, endpoint
from tests.unit.providers.webhook.conftest import view

NTLM = {"ntlm": {"usernameSecret": {"name": "n", "key": "u"}, "passwordSecret": {"name": "n", "key": "p"}}}
SECRETS = [{"name": "c", "secretRef": {"name": "login", "namespace": "other", "key": "ignored"}}]


def test_admission_checks_nothing() -> None:
    assert SPEC.check(view(url="", timeout="never")) == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("https://host:8443/a?b", "https://host:8443", id="host and port"),
        pytest.param("http://user:pass@host/a", "http://host", id="without the user"),
        pytest.param("https://{{ .c.host }}/a", "https://{{ .c.host }}", id="a template in the place of the host"),
        pytest.param("", "", id="no url"),
    ],
)
def test_the_endpoint_is_the_server_as_it_is_written(url: str, expected: str) -> None:
    assert endpoint({"url": url}) == expected


@pytest.mark.parametrize(
    ("kind", "block", "places"),
    [
        pytest.param(
            "SecretStore", {"secrets": SECRETS}, [("Secret", "", "login")], id="a SecretStore's own namespace"
        ),
        pytest.param("ClusterSecretStore", {"secrets": SECRETS}, [("Secret", "other", "login")], id="the one it names"),
        pytest.param(
            "ClusterSecretStore", {"secrets": [{"name": "c", "secretRef": {"name": "x"}}]}, [], id="none is never read"
        ),
        pytest.param("SecretStore", {"auth": NTLM}, [("Secret", "", "n")], id="user and password"),
        pytest.param(
            "SecretStore",
            {"caProvider": {"type": "ConfigMap", "name": "ca", "key": "k"}},
            [("ConfigMap", "", "ca")],
            id="the authority",
        ),
    ],
)
def test_what_a_store_refers_to(kind: str, block: dict[str, Any], places: list[tuple[str, str, str]]) -> None:
    assert list(SPEC.plan(view(kind, **block)).references) == places


@pytest.mark.parametrize(
    ("kind", "block", "expected"),
    [
        pytest.param("SecretStore", {"body": "{{ .remoteRef.namespace }}"}, Consumer.NONE, id="a SecretStore has one"),
        pytest.param("ClusterSecretStore", {}, Consumer.NONE, id="nothing looks at the namespace"),
        pytest.param(
            "ClusterSecretStore", {"body": "{{ .remoteRef.namespace }}"}, Consumer.IDENTITY, id="the body does"
        ),
        pytest.param(
            "ClusterSecretStore", {"headers": {"X": "{{ toJson .remoteRef }}"}}, Consumer.IDENTITY, id="all of it"
        ),
        pytest.param("ClusterSecretStore", {"url": "https://h/{{ . }}"}, Consumer.IDENTITY, id="everything"),
        pytest.param(
            "ClusterSecretStore", {"result": {"jsonPath": "{{ $.remoteRef.key }}"}}, Consumer.IDENTITY, id="the root"
        ),
        pytest.param("ClusterSecretStore", {"auth": NTLM}, Consumer.CREDENTIALS, id="a login of the consumer's"),
        pytest.param("ClusterSecretStore", {"body": "namespace"}, Consumer.NONE, id="a word that is no template"),
    ],
)
def test_a_login_depends_on_the_namespace_only_where_a_template_may_see_it(
    kind: str, block: dict[str, Any], expected: Consumer
) -> None:
    assert SPEC.plan(view(kind, **block)).consumer is expected


def test_stores_share_no_login_so_that_a_429_of_one_holds_up_no_other() -> None:
    here, there = view(), replace(view(), namespace="team-b")
    assert SPEC.plan(here).endpoint == SPEC.plan(there).endpoint
    assert SPEC.plan(here).login != SPEC.plan(there).login
    assert SPEC.plan(replace(here, name="other")).login != SPEC.plan(here).login


def test_a_timeout_that_is_no_duration_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="failed to parse timeout"):
        SPEC.plan(view(timeout="soon"))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param(
            "http://{{ .remoteRef.key }}/x",
            'could not parse url: parse "http://{{ .remoteRef.key }}/x": invalid character "{" in host name',
            id="a template",
        ),
        pytest.param("http://[::bad", "parse \"http://[::bad\": missing ']' in host", id="half an address"),
        pytest.param("http://u:planted@host:x/", 'parse "http://host:x/"', id="a port that is none"),
        pytest.param("word", "names no host", id="no address at all"),
        pytest.param("", "names no host", id="nothing"),
    ],
)
def test_an_address_that_cannot_be_dialled_is_told(url: str, told: str) -> None:
    with pytest.raises(InvalidConfig) as failed:
        address({"url": url})
    assert told in str(failed.value)
    assert "planted" not in str(failed.value)


def test_a_template_in_the_path_is_no_hindrance() -> None:
    assert address({"url": "https://host/{{ .remoteRef.key }}?{{ .c.d }}"}).startswith("https://host/")


def test_actions_are_told_from_the_text_around_them() -> None:
    assert list(actions("a{{ b }}c{{d}}e{{ open")) == [("a", "{{ b }}"), ("c", "{{d}}"), ("e{{ open", "")]
    assert list(actions("{{" * 100_000)) == [("{{" * 100_000, "")]
