"""Writes into a JSON document that leave the rest of it alone. The vectors were made with sjson 1.2.5."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.providers.contract import InvalidConfig
from eso.providers.kit.setpath import remove, set_text


@pytest.mark.parametrize(
    ("document", "path", "result"),
    [
        pytest.param("", "a", '{"a":"x"}', id="nothing becomes an object"),
        pytest.param("", "a.b", '{"a":{"b":"x"}}', id="parents are made"),
        pytest.param("", "2", '[null,null,"x"]', id="a number makes an array of nothing"),
        pytest.param("", "a.1", '{"a":[null,"x"]}', id="a number makes an array below a name"),
        pytest.param("", "a.-1", '{"a":["x"]}', id="minus one makes an array of one"),
        pytest.param("", ":1", '{"1":"x"}', id="a colon makes a number a name"),
        pytest.param('{"a":{"0":1}}', "a.:0", '{"a":{"0":"x"}}', id="a colon finds a number's name"),
        pytest.param(
            '{ "a" : 1.50 , "b":[ 1 ] }', "c", '{ "a" : 1.50 , "b":[ 1 ] ,"c":"x"}', id="the rest keeps its text"
        ),
        pytest.param('{ "a" : 1.50 , "b":2}', "a", '{ "a" : "x" , "b":2}', id="a member is replaced where it stands"),
        pytest.param('{"a":"scalar"}', "a.b", '{"a":{"b":"x"}}', id="a scalar gives way to an object"),
        pytest.param('{"a":null}', "a.0", '{"a":["x"]}', id="null gives way to an array"),
        pytest.param('{"a":[1,2]}', "a.0", '{"a":["x",2]}', id="an element is replaced"),
        pytest.param('{"a":[1,2]}', "a.-1", '{"a":[1,2,"x"]}', id="minus one appends"),
        pytest.param('{"a":[ ]}', "a.-1", '{"a":[ "x"]}', id="minus one appends to nothing"),
        pytest.param('{"a":[1]}', "a.3", '{"a":[1,null,null,"x"]}', id="elements between are null"),
        pytest.param('{"a.b":1}', "a\\.b", '{"a.b":"x"}', id="a backslash keeps the dot in the name"),
        pytest.param('{"a":1}', "b\\*", '{"a":1,"b*":"x"}', id="a backslash keeps a star in the name"),
        pytest.param('{"a":1,"a":2}', "a", '{"a":"x","a":2}', id="of equal names the first is written"),
        pytest.param('"text"', "a", '{"a":"x"}', id="a document that is a text gives way"),
        pytest.param('{"a":{"b":1}}', "a.c.d", '{"a":{"b":1,"c":{"d":"x"}}}', id="a branch grows"),
        pytest.param('{"a":{}}', "a.b", '{"a":{"b":"x"}}', id="an empty object takes no comma"),
    ],
)
def test_a_text_is_written(document, path, result):
    assert set_text(document.encode(), path, b"x").decode() == result


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(b'say "hi"', '"say \\"hi\\""', id="quotes"),
        pytest.param(b"a<b&c", '"a<b&c"', id="HTML signs alone stay"),
        pytest.param(b"a<b\n", '"a\\u003cb\\n"', id="HTML signs beside what has to be escaped are escaped too"),
        pytest.param("ü".encode(), '"ü"', id="letters stay"),
        pytest.param(b"\xff", '"\\ufffd"', id="what is no UTF-8 is replaced"),
    ],
)
def test_the_value_is_always_a_json_string(value, text):
    assert set_text(b"", "a", value).decode() == f'{{"a":{text}}}'


@pytest.mark.parametrize(
    ("document", "path", "result"),
    [
        pytest.param('{"a":1}', "a", "{}", id="the only member"),
        pytest.param('{"a":1,"b":2}', "a", '{"b":2}', id="the first member takes the comma behind it"),
        pytest.param('{"a":1, "b" : 2 ,"c":3}', "b", '{"a":1 ,"c":3}', id="a member takes the comma before it"),
        pytest.param('{"a":1,"b":2}', "b", '{"a":1}', id="the last member"),
        pytest.param('{"a":{"b":1,"c":2}}', "a.b", '{"a":{"c":2}}', id="a member of a member"),
        pytest.param("[1,2,3]", "0", "[2,3]", id="the first element"),
        pytest.param("[1,2,3]", "1", "[1,3]", id="an element"),
        pytest.param("[1,2,3]", "-1", "[1,2]", id="minus one is the last element"),
        pytest.param('{"a":1}', "b", None, id="a member that is not there"),
        pytest.param("text", "b", None, id="no JSON"),
        pytest.param('{"a":[]}', "a.-1", None, id="the last of none"),
    ],
)
def test_a_member_is_taken_out(document, path, result):
    left = remove(document.encode(), path)
    assert (left.decode() if left is not None else None) == result


@pytest.mark.parametrize("path", ["a.*", "a|b", "#.a", "@this", "a?", ""])
def test_a_path_that_names_no_place_is_refused(path):
    for write in (lambda: set_text(b"{}", path, b"x"), lambda: remove(b"{}", path)):
        with pytest.raises(InvalidConfig):
            write()


def test_an_array_has_no_names():
    with pytest.raises(InvalidConfig, match="cannot set array element for non-numeric key 'b'"):
        set_text(b'{"a":[1]}', "a.b", b"x")


@pytest.mark.parametrize("path", ["99999999999999999999", "a.5000", ".".join("a" * 100)])
def test_a_path_cannot_make_a_document_without_measure(path):
    with pytest.raises(InvalidConfig):
        set_text(b"", path, b"x")


NAMES = st.text(alphabet="ab.:\\* ü", max_size=4)
TREES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def way(names: list[str]) -> str:
    """A path that names members literally."""
    return ".".join(":" + "".join(f"\\{sign}" if sign in ".\\|#@*?" else sign for sign in name) for name in names)


@given(st.dictionaries(NAMES, TREES, max_size=4), st.lists(NAMES, min_size=1, max_size=3), st.text())
def test_what_is_written_is_read_back_and_nothing_else_changes(tree, names, value):
    model = json.loads(json.dumps(tree))
    node = model
    for name in names[:-1]:
        if isinstance(node.get(name), list):
            return  # an array has no names: refused, as above
        if not isinstance(node.get(name), dict):
            node[name] = {}
        node = node[name]
    node[names[-1]] = value
    written = set_text(json.dumps(tree).encode(), way(names), value.encode("utf-8", "replace"))
    assert json.loads(written) == json.loads(json.dumps(model).encode("utf-8", "replace"))
    left = remove(written, way(names))
    assert left is not None
    del node[names[-1]]
    assert json.loads(left) == json.loads(json.dumps(model))
