"""What templates see, what is escaped where, and what their faults are called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eso.providers.contract import InvalidConfig
from eso.providers.webhook.render import LIMITS, OutOfBounds, Rendered, Seen, Templates, request, safe
from eso.template.apply import CHEAP

REMOTE = {"key": b"a/b c", "version": b"", "property": b"p&q", "namespace": b"team-a"}
SECRETS = {"c": {"user": b"bob+b%20c", "pass": b"p/w x", "odd-key": b"1&2"}}


def made(seen: Seen | None = None, **block: Any) -> Rendered:
    return request(Templates.of({"url": "https://h/"} | block), seen or Seen(REMOTE, SECRETS), LIMITS)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("/{{ .remoteRef.key }}", "/a%2Fb+c", id="the key is escaped"),
        pytest.param("?p={{ .remoteRef.property }}&v={{ .remoteRef.version }}", "?p=p%26q&v=", id="and the property"),
        pytest.param("/{{ .remoteRef.namespace }}", "/team-a", id="the namespace"),
        pytest.param("/{{ .c.pass }}", "/p/w x", id="a Secret's value in the path is as it is"),
        pytest.param("?u={{ .c.user }}", "?u=bob%2Bb%2520c", id="in the query it is escaped"),
        pytest.param(
            '?u={{.c.user}}&o={{- index .c "odd-key" -}} ', "?u=bob%2Bb%2520c&o=1%262", id="however it is named"
        ),
        pytest.param("?u={{ .c.user | urlquery }}", "?u=bob%2Bb%2520c", id="once, where the template does it"),
        pytest.param("?u={{ print .c.user }}", "?u=bob+b%20c", id="a function knows what it does"),
        pytest.param("?{{ if true }}u={{ .c.pass }}{{ end }}", "?u=p%2Fw+x", id="inside of a condition"),
        pytest.param('{{ "?" }}{{ .c.pass }}', "?p/w x", id="a question mark that a template makes"),
        pytest.param('/{{ "}}" }}?u={{ .c.user }}', "/}}?u=bob%2Bb%2520c", id="behind braces in a text"),
        pytest.param('{{ "}}?" }}{{ .c.pass }}', "}}?p/w x", id="a question mark in a text with braces"),
        pytest.param("?u={{ .c.nope }}", "?u=<no value>", id="a key that is not there"),
        pytest.param("?u={{ .d.nope }}", "?u=<no value>", id="a Secret that is not there"),
    ],
)
def test_a_url(url: str, expected: str) -> None:
    assert made(url=f"https://h{url}").url == f"https://h{expected}"


URL = "https://h/{{ .remoteRef.namespace }}/{{ .remoteRef.key }}/{{ .remoteRef.version }}/x?p={{ .remoteRef.property }}"


@pytest.mark.parametrize("way", [b".", b"..", b"../admin", b"a/../../admin", b"..\\admin", b"a/..", b"a/./.."])
@pytest.mark.parametrize("member", ["key", "version"])
def test_no_member_of_the_reference_climbs_out_of_its_place_in_the_url(member: str, way: bytes) -> None:
    """The client library, and most servers, leave such segments out together with the one before."""
    with pytest.raises(InvalidConfig, match=r"^the url leaves its place: a part of its path is '\.' or '\.\.'$"):
        made(Seen({**REMOTE, "version": b"team-b"} | {member: way}, {}), url=URL)


@pytest.mark.parametrize(
    ("url", "remote"),
    [
        pytest.param("https://h/a/{{ .remoteRef.key }}.", {"key": b"."}, id="made of two"),
        pytest.param("https://h/a/%2E{{ .remoteRef.key }}", {"key": b"."}, id="half of it escaped"),
        pytest.param("https://h/a/{{ .remoteRef.remoteKey }}", {"remoteKey": b".."}, id="of a push"),
    ],
)
def test_nor_do_parts_of_a_segment(url: str, remote: dict[str, bytes]) -> None:
    with pytest.raises(InvalidConfig, match="the url leaves its place"):
        made(Seen(remote, {}), url=url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("https://h/a?p={{ .remoteRef.key }}", "https://h/a?p=..", id="behind the question mark"),
        pytest.param("https://h/a#/{{ .remoteRef.key }}", "https://h/a#/..", id="in the fragment"),
        pytest.param("https://h/a/...{{ .remoteRef.key }}", "https://h/a/.....", id="dots of a name"),
        pytest.param("https://h/b/../{{ .remoteRef.version }}", "https://h/b/../v", id="what the author wrote"),
    ],
)
def test_dots_that_lead_nowhere_stay(url: str, expected: str) -> None:
    assert made(Seen({"key": b"..", "version": b"v"}, {}), url=url).url == expected


def test_headers_body_and_path_are_as_they_are() -> None:
    block = {
        "headers": {"X-Auth": "{{ .c.pass }}", "X-Plain": "text"},
        "body": '{"k":"{{ .remoteRef.key }}","u":"{{ .c.user }}"}',
        "result": {"jsonPath": '$["{{ .remoteRef.key }}"]'},
    }
    rendered = made(**block)
    assert rendered.headers == (("X-Auth", "p/w x"), ("X-Plain", "text"))
    assert rendered.body == b'{"k":"a/b c","u":"bob+b%20c"}'
    assert rendered.path == '$["a/b c"]'


def test_a_secret_named_like_the_reference_is_seen_beside_it() -> None:
    seen = Seen(REMOTE, {"remoteRef": {"token": b"t"}})
    assert made(seen, body="{{ .remoteRef.key }} {{ .remoteRef.token }}").body == b"a/b c t"


def test_without_a_body_a_push_sends_the_payload_whatever_its_key_is_called() -> None:
    seen = Seen({"remoteKey": b"a-b", "a-b": b"{{ raw }}"}, {}, b"{{ raw }}")
    templates = replace(Templates.of({"url": "https://h/{{ .remoteRef.remoteKey }}"}), body=None)
    rendered = request(templates, seen, LIMITS)
    assert (rendered.url, rendered.body) == ("https://h/a-b", b"{{ raw }}")


def test_an_empty_template_is_an_empty_body() -> None:
    assert made(body='{{ "" }}').body == b""
    assert made().body == b""


@pytest.mark.parametrize(
    ("block", "told"),
    [
        pytest.param(
            {"url": "https://h/{{ .x "}, "failed to parse url: template: webhooktemplate:1: unclosed", id="url"
        ),
        pytest.param(
            {"body": "{{ nope }}"},
            'failed to parse body: template: webhooktemplate:1: function "nope" not defined',
            id="body",
        ),
        pytest.param(
            {"headers": {"X": "{{ nope }}"}},
            'failed to parse header X: template: webhooktemplate:1: function "nope" not defined',
            id="header",
        ),
    ],
)
def test_a_fault_names_its_template(block: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidConfig) as failed:
        made(**block)
    assert str(failed.value).startswith(told)


def test_a_fault_of_the_path_is_told_with_the_answer() -> None:
    rendered = made(result={"jsonPath": "{{ nope }}"})
    assert rendered.fault.startswith('template: webhooktemplate:1: function "nope" not defined')


def test_no_fault_shows_a_value() -> None:
    with pytest.raises(InvalidConfig) as failed:
        made(Seen({}, {"c": {"v": b"planted"}}), body="{{ fail .c.v }}")
    assert "planted" not in str(failed.value)


ENDLESS = "{{ range until 100000 }}{{ range until 100000 }}x{{ end }}{{ end }}"


@pytest.mark.parametrize("limits", [pytest.param(CHEAP, id="on the loop"), pytest.param(LIMITS, id="elsewhere")])
@pytest.mark.parametrize("block", [{"body": ENDLESS}, {"result": {"jsonPath": ENDLESS}}], ids=["body", "path"])
def test_a_template_that_does_too_much_ends(block: dict[str, Any], limits: Any) -> None:
    with pytest.raises(OutOfBounds):
        request(Templates.of({"url": "https://h/"} | block), Seen({}, {}), limits)


def test_escaping_takes_no_longer_than_the_text_is_long() -> None:
    assert safe("?" + "{{" * 50_000, {}) == "?" + "{{" * 50_000
    assert safe("?" + "{{ .c.d }}" * 20_000, {"c": {"d": b"1"}}).count("urlquery") == 20_000


def test_nothing_of_a_request_prints() -> None:
    assert "planted" not in repr(made(Seen({"key": b"planted"}, {"c": {"v": b"planted"}}), body="{{ .c.v }}"))
