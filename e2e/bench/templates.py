"""Compile and render times of realistic templates, ours next to Go's own in the same run:

    python -m e2e.bench.templates [-o json]

Neighbours: tests/oracle has the Go side. Only the ratios mean anything: both sides take turns on the same machine, and
each keeps its best round. The goal is a cached render within GOAL times Go's.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from eso.template import render
from eso.template.cache import compile_template
from tests.oracle.generate import material
from tests.oracle.oracle import Oracle, encoded, texts

GOAL = 10.0
CALLS = 200
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Result:
    """Microseconds of one call."""

    name: str
    ours_compile: float
    go_compile: float
    ours_render: float
    go_render: float

    @property
    def compile_ratio(self) -> float:
        return self.ours_compile / self.go_compile

    @property
    def render_ratio(self) -> float:
        return self.ours_render / self.go_render


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


def samples() -> Mapping[str, tuple[str, dict[str, bytes]]]:
    """Name → template and data, as users write them."""
    users = encode([{"name": f"user{n}", "password": f"p@ss-{n}", "roles": ["read", "write"]} for n in range(20)])
    return {
        "one value": ("{{ .password }}", {"password": b"s3cret"}),
        "connection string": (
            "postgresql://{{ .user | urlquery }}:{{ .password | urlquery }}@{{ .host }}:{{ .port }}/"
            "{{ .database }}?sslmode=require",
            {
                "user": b"app",
                "password": b"p@ss/w:rd",
                "host": b"db.example.com",
                "port": b"5432",
                "database": b"orders",
            },
        ),
        "dockerconfigjson": (
            '{"auths":{"{{ .registry }}":{"username":"{{ .user }}","password":{{ .password | toJson }},'
            '"auth":"{{ printf "%s:%s" .user .password | b64enc }}"}}}',
            {"registry": b"registry.example.com", "user": b"robot", "password": b'p"x\\y'},
        ),
        "TLS files": (
            '{{ .tls | fromJson | dig "cert" "" | trim }}\n{{ range splitList "-----BEGIN" .ca }}'
            "{{ if . }}-----BEGIN{{ . }}{{ end }}{{ end }}{{ .key | b64enc }}",
            {
                "tls": encode({"cert": material()["oracle_cert"].decode()}),
                "ca": material()["oracle_cert"] * 3,
                "key": material()["oracle_key"],
            },
        ),
        "range over JSON": (
            "{{- range $i, $u := .users | fromJson }}\n{{ $i }}: {{ $u.name }}={{ $u.password | quote }}"
            "{{ range $u.roles }} {{ . | upper }}{{ end }}\n{{- end }}",
            {"users": users},
        ),
        "pipelines": (
            '{{ .name | trim | lower | replace " " "-" | trunc 20 | trimSuffix "-" | printf "%s-%s" '
            "(.name | sha256sum | trunc 8) | quote }}",
            {"name": b"  My Long Application Name  "},
        ),
        "config file": (
            '[server]\nhost = {{ .host | default "localhost" }}\nport = {{ .port | int | add 1 }}\n'
            '{{- if eq .tls "true" }}\n[tls]\ncert = /etc/{{ .name }}/tls.crt\n'
            "{{- else }}\n# plain\n{{- end }}\n{{- with .extra }}\n{{ . | indent 2 }}\n{{- end }}\n",
            {"host": b"", "port": b"8079", "tls": b"true", "name": b"app", "extra": b"a=1\nb=2\nc=3"},
        ),
        "toYaml": (
            "users:\n{{ .users | fromJson | toYaml | indent 2 }}\n",
            {"users": users},
        ),
        "fromYaml and merge": (
            "{{ $base := .base | fromYaml }}{{ $over := .over | fromYaml }}"
            "{{ mergeOverwrite $base $over | toPrettyJson }}",
            {
                "base": b"log: {level: info, json: true}\nreplicas: 3\nhosts: [a, b, c]\n",
                "over": b"log: {level: debug}\nextra:\n  x: 1\n",
            },
        ),
        "every key of the data": (
            '{{ define "line" }}export {{ .key | upper | replace "-" "_" }}={{ .value | squote }}{{ end }}'
            '{{ range $k, $v := . }}{{ template "line" (dict "key" $k "value" $v) }}\n{{ end }}',
            {f"key-{n}": f"value {n}".encode() for n in range(25)},
        ),
    }


def each(call: Callable[[], object], calls: int = CALLS) -> float:
    """Microseconds of one call."""
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls * 1e6


def measured(oracle: Oracle, name: str, template: str, data: dict[str, bytes]) -> Result:
    """The sides take turns, so that a busy machine is busy for both; each keeps its best round. Raises AssertionError
    when they do not give the same."""
    request = {"template": encoded(template.encode()), "data": texts(data), "repeat": CALLS}
    rounds = []
    for _ in range(ROUNDS):
        (reply,) = oracle.replies([request])
        out = base64.b64decode(str(reply.get("out", "")))
        if out != render(template, data):
            raise AssertionError(f"{name}: {out!r} from Go, {render(template, data)!r} from us")
        parse_ns, execute_ns = reply["parse_ns"], reply["execute_ns"]
        assert isinstance(parse_ns, int) and isinstance(execute_ns, int)
        ours_compile = each(lambda: compile_template("t", template, "{{", "}}"), CALLS // 4)
        rounds.append((ours_compile, parse_ns / 1e3, each(lambda: render(template, data)), execute_ns / 1e3))
    return Result(name, *map(min, zip(*rounds, strict=True)))


def table(results: list[Result]) -> str:
    head = f"{'microseconds':<24}{'compile':>9}{'Go':>9}{'ratio':>8}{'render':>11}{'Go':>9}{'ratio':>8}"
    rows = [
        f"{r.name:<24}{r.ours_compile:>9.1f}{r.go_compile:>9.1f}{r.compile_ratio:>8.1f}{r.ours_render:>11.1f}{r.go_render:>9.1f}{r.render_ratio:>8.1f}"
        for r in results
    ]
    above = [r.name for r in results if r.render_ratio > GOAL]
    return "\n".join([head, *rows, f"above {GOAL:g} times Go in a cached render: {', '.join(above) or 'none'}"])


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m e2e.bench.templates", description="Templates: our times next to Go's."
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    asked = parser.parse_args()
    results = []
    with Oracle() as oracle:
        for name, (template, data) in samples().items():
            print(f"  {name} …", file=sys.stderr)
            results.append(measured(oracle, name, template, data))
    if asked.output == "json":
        print(
            json.dumps(
                [asdict(r) | {"compile_ratio": r.compile_ratio, "render_ratio": r.render_ratio} for r in results]
            )
        )
    else:
        print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
