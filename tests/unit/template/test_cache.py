"""Compiled templates are kept, but never more than memory allows."""

from __future__ import annotations

import tracemalloc

import pytest

from eso.template.cache import Cache, weight

DENSE = {
    "many actions": "{{.}}" * 190,
    "constants": "{{1}}" * 190,
    "arguments": "{{print " + "1 " * 480 + "}}",
    "parentheses": "{{" + "(" * 480 + "1" + ")" * 480 + "}}",
    "texts": "{{print " + '"" ' * 310 + "}}",
    "text alone": "x" * 1_000,
}


@pytest.mark.parametrize("source", [pytest.param(source, id=name) for name, source in DENSE.items()])
def test_dense_templates_take_no_more_memory_than_is_counted(source: str) -> None:
    """Two thousand of a kilobyte each took half a gigabyte: one object for each is all that it needs."""
    cache = Cache(memory=2 << 20)
    cache.get("warm", "{{ 1 }}", "{{", "}}")
    tracemalloc.start()
    try:
        for n in range(24):
            cache.get("t", f"{source}{n}", "{{", "}}")
        assert tracemalloc.get_traced_memory()[0] < 1.2 * cache.memory
    finally:
        tracemalloc.stop()
    assert cache.used == sum(map(weight, cache.programs)) <= cache.memory


def test_everyday_templates_are_kept_by_the_thousand() -> None:
    cache = Cache()
    for n in range(3_000):
        cache.get("password", f"postgres://{n}:{{{{ .password }}}}@{{{{ .host }}}}/db", "{{", "}}")
    assert len(cache.programs) == cache.count
    assert cache.known("password", "postgres://2999:{{ .password }}@{{ .host }}/db", "{{", "}}") is not None


def test_a_template_that_would_push_out_all_others_is_not_kept() -> None:
    cache = Cache(memory=1 << 20)
    cache.get("small", "{{ 1 }}", "{{", "}}")
    cache.get("large", "{{ 1 }}" * 200, "{{", "}}")
    assert [key[0] for key in cache.programs] == ["small"]
