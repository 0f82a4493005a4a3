"""Where a webhook's login depends on the consumer, what it refers to, which URL can be dialled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.providers.contract import Consumer, InvalidConfig
from eso.providers.webhook.spec import COMMENT, SPEC, actions, address, endpoint
from eso.template.lexer import ERROR, LEFT, Lexer
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


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("a{{ b }}c{{d}}e", [("a", "{{ b }}"), ("c", "{{d}}"), ("e", "")], id="two"),
        pytest.param('{{ print "}}" .x }}y', [("", '{{ print "}}" .x }}'), ("y", "")], id="braces in a text"),
        pytest.param(r'{{ "\"}}" }}', [("", r'{{ "\"}}" }}'), ("", "")], id="behind an escaped quote"),
        pytest.param(r"{{ `\}}` }}`}}", [("", r"{{ `\}}` }}"), ("`}}", "")], id="braces in a raw text"),
        pytest.param("{{ '}' }}", [("", "{{ '}' }}"), ("", "")], id="a character"),
        pytest.param('{{/* " }} */}}y', [("", '{{/* " }} */}}'), ("y", "")], id="a comment"),
        pytest.param("{{- /* ` */ -}}y", [("", "{{- /* ` */ -}}"), ("y", "")], id="a comment that trims"),
        pytest.param("a{{ open", [("a{{ open", "")], id="one that never ends"),
        pytest.param('a{{ "}}', [('a{{ "}}', "")], id="a text that never ends"),
        pytest.param("a{{/* }}", [("a{{/* }}", "")], id="a comment that never ends"),
    ],
)
def test_actions_are_told_from_the_text_around_them(text: str, found: list[tuple[str, str]]) -> None:
    assert list(actions(text)) == found


@pytest.mark.parametrize("bit", ["{{", "{{/*", '{{"', r'{{"\"', "{{`", r"{{'\'", "{{}}"])
def test_telling_actions_takes_no_longer_than_the_text_is_long(bit: str) -> None:
    assert "".join(part for pair in actions(bit * 100_000) for part in pair) == bit * 100_000


BITS = ("{{", "}}", "{{- ", " -}}", '"', "'", "`", "\\", "/*", "*/", " ", "\n", ".a", "x", "{{/*", "*/}}")


@given(st.lists(st.sampled_from(BITS), max_size=14).map("".join))
def test_actions_are_those_of_the_template_language(text: str) -> None:
    tokens = Lexer(text, "{{", "}}").run()
    if tokens[-1].kind == ERROR:
        return
    at, starts = 0, []
    for between, action in actions(text):
        at += len(between)
        starts += [at] if action and COMMENT.match(action, 2) is None else []
        at += len(action)
    assert starts == [token.at for token in tokens if token.kind == LEFT]


def test_a_literal_with_braces_hides_no_look_at_the_namespace() -> None:
    block = {"body": '{{ print "}}" .remoteRef.namespace }}'}
    assert SPEC.plan(view("ClusterSecretStore", **block)).consumer is Consumer.IDENTITY
