"""The path language of `property`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.values import gjson
from eso.values.gjsonscan import TEXT, PathRefused, Work
from eso.values.jsonmap import LOOP_BYTES, cheap, get_property

PEOPLE = (
    b'{"name":{"first":"Tom","last":"An\\u0041d<"},"age":37.50,"children":["Sara","Alex","Jack"],"fav.movie":"Deer",'
    b'"friends":[{"first":"Dale","last":"Murphy","age":44,"nets":["ig","fb"]},'
    b'{"first":"Roger","last":"Craig","age":68,"nets":["fb"]},'
    b'{"first":"Jane","age":47,"nets":[],"ok":true}],"none":null,"dup":1,"dup":2,'
    b' "sp" : [ 1 , 2 ] ,"@x":"at","7":"seven","":"empty"}'
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("name.last", "AnAd<", id="a nested member, unescaped"),
        pytest.param("name", r'{"first":"Tom","last":"An\u0041d<"}', id="an object as it is written"),
        pytest.param("sp", "[ 1 , 2 ]", id="an array as it is written"),
        pytest.param("age", "37.5", id="a number that is no integer is printed anew"),
        pytest.param("none", "", id="null exists and is empty"),
        pytest.param("dup", "1", id="the first of equal names"),
        pytest.param("", "empty", id="an empty path names the empty member"),
        pytest.param("7", "seven", id="digits name a member of an object"),
        pytest.param("children.1", "Alex", id="an element"),
        pytest.param("children.3", None, id="behind the last element"),
        pytest.param("children.-1", None, id="no negative elements"),
        pytest.param("children.#", "3", id="the number of elements"),
        pytest.param("Name", None, id="case matters"),
        pytest.param("name.", None, id="a dot at the end"),
        pytest.param("absent.x", None, id="below nothing"),
        pytest.param("age.x", None, id="below a number"),
        pytest.param(r"fav\.movie", "Deer", id="an escaped dot"),
        pytest.param("fav.movie", None, id="a dot that is not escaped"),
        pytest.param("child*.2", "Jack", id="a star"),
        pytest.param("c?ildren.0", "Sara", id="a question mark"),
        pytest.param("n*.first", "Tom", id="a star finds the member below which the rest is"),
        pytest.param(r"\@x", "at", id="an escaped at sign"),
        pytest.param("@x", "at", id="an unknown modifier is a name"),
        pytest.param("friends.#.first", '["Dale","Roger","Jane"]', id="one of each element"),
        pytest.param("friends.#.last", '["Murphy","Craig"]', id="of each element that has it"),
        pytest.param("friends.#.first|1", "Roger", id="a pipe takes the result"),
        pytest.param("friends.#.first.1", "[]", id="a dot goes on in each"),
        pytest.param('friends.#(first=="Dale").age', "44", id="the first that holds a query"),
        pytest.param("friends.#(age>45)#.first", '["Roger","Jane"]', id="all that hold it"),
        pytest.param("friends.#(age>100)#", "[]", id="none holds it"),
        pytest.param("friends.#(age>100)", None, id="the first of none"),
        pytest.param('friends.#(first%"R*").last', "Craig", id="a pattern"),
        pytest.param('friends.#(first!%"R*")#.first', '["Dale","Jane"]', id="not a pattern"),
        pytest.param("friends.#(ok)#.first", '["Jane"]', id="existence"),
        pytest.param("friends.#(ok==~false)#.first", '["Dale","Roger"]', id="what does not exist is as good as false"),
        pytest.param("friends.#(ok==~true).first", "Jane", id="truth"),
        pytest.param('friends.#(nets.#(=="ig")).first', "Dale", id="a query in a query"),
        pytest.param('children.#(>"Alex")#', '["Sara","Jack"]', id="elements that are no objects"),
        pytest.param("children.#(", "Sara", id="a query that is not closed asks for existence"),
        pytest.param("children|@reverse", '["Jack","Alex","Sara"]', id="a modifier behind a pipe"),
        pytest.param("children.@reverse.0", "Jack", id="or behind a dot"),
        pytest.param("name.@keys", '["first","last"]', id="names"),
        pytest.param("sp.@ugly", "[1,2]", id="without blanks"),
        pytest.param("name.@tostr.@fromstr.first", "Tom", id="to text and back"),
        pytest.param("@this.age", "37.5", id="this"),
        pytest.param("{name.first,years:age}", '{"first":"Tom","years":37.50}', id="a new object"),
        pytest.param("[name.first,absent,age]", '["Tom",37.50]', id="a new array"),
        pytest.param('[!"lit",age]', '["lit",37.50]', id="a literal among the parts"),
        pytest.param("!true", "true", id="a literal word"),
    ],
)
def test_a_path_names_a_value(path: str, text: str | None) -> None:
    assert get_property(PEOPLE, path) == (None if text is None else text.encode())


@pytest.mark.parametrize(
    ("document", "path", "text"),
    [
        pytest.param(
            b"12345678901234567890123", "@this", b"12345678901234567890123", id="digits stay whatever their number"
        ),
        pytest.param(b"[-1.0]", "0", b"-1", id="a negative number is printed anew"),
        pytest.param(b"[1e3]", "0", b"1000", id="an exponent is written out"),
        pytest.param(b"[1e-7]", "0", b"0.0000001", id="whatever its size"),
        pytest.param(b'["\\ud83d\\ude00\\ud800"]', "0", "😀\ufffd".encode(), id="surrogates"),
        pytest.param(b"not json", "a", None, id="no JSON"),
        pytest.param(b'"text"', "a", None, id="a text has no members"),
        pytest.param(b"", "a", None, id="nothing"),
        pytest.param(b'{"a":1', "a", b"1", id="an object that is not closed"),
        pytest.param(b'{"a":"x', "a", None, id="a string that is not closed"),
        pytest.param(b'{"a":1} {"b":2}', "b", None, id="only the first value counts"),
        pytest.param(b'{"a":1}\n{"a":2}', "..#.a", b"[1,2]", id="unless the text is JSON lines"),
        pytest.param(b'{"a":1}\n{"a":2}', "..1.a", b"2", id="a line"),
        pytest.param(
            b'{"a":{"b":1},"a":{"c":2}}', "a.c", b"2", id="a later member of the same name has what the first has not"
        ),
        pytest.param(b"[[1,2],[3,[4]]]", "@flatten", b"[1,2,3,[4]]", id="flattened"),
        pytest.param(b"[[1,2],[3,[4]]]", '@flatten:{"deep":true}', b"[1,2,3,4]", id="flattened at any depth"),
        pytest.param(b'[{"a":1,"b":1},{"a":2}]', "@join", b'{"a":2,"b":1}', id="joined"),
        pytest.param(b'[{"a":1},{"a":2}]', '@join:{"preserve":true}', b'{"a":1,"a":2}', id="joined with all members"),
        pytest.param(b'{"id":[1,2],"v":["x","y"]}', "@group", b'[{"id":1,"v":"x"},{"id":2,"v":"y"}]', id="grouped"),
        pytest.param(b'{"a":{"x":1},"b":[{"x":2}]}', "@dig:x", b"[1,2]", id="dug out"),
        pytest.param(b'{"a":1}', "@values", b"[1]", id="values"),
        pytest.param(
            b'{"b":[1,{"c":2}],"a":[1,2]}',
            "@pretty",
            b'{\n  "b": [\n    1,\n    {\n      "c": 2\n    }\n  ],\n  "a": [1, 2]\n}\n',
            id="laid out",
        ),
        pytest.param(
            b'{"b":1,"a":2}',
            '@pretty:{"sortKeys":true,"indent":"\\t"}',
            b'{\n\t"a": 2,\n\t"b": 1\n}\n',
            id="laid out by options",
        ),
        pytest.param(b'{"a":1}', "@valid.a", b"1", id="valid"),
        pytest.param(b'{"a":1', "@valid.a", None, id="not valid"),
        pytest.param("[{é:1}]".encode(), "0", "{é:1}".encode(), id="what is not looked at is not checked"),
    ],
)
def test_a_path_in_a_document(document: bytes, path: str, text: bytes | None) -> None:
    assert get_property(document, path) == text


DEEP = b'{"a":' * 3000 + b"1" + b"}" * 3000


@pytest.mark.parametrize(
    ("document", "path"),
    [
        pytest.param(b"{}", b"|".join([b"[@this,@this]"] * 60), id="doubled sixty times"),
        pytest.param(b'"x"', b"|".join([b"@tostr"] * 60), id="escaped sixty times"),
        pytest.param(b'{"a":1}', b"@this|" * 300_000, id="three hundred thousand pipes"),
        pytest.param(b"{}", b"a." * 100_000, id="a long path"),
        pytest.param(b'{"a":1}', b"x" * 4097, id="a path of more than four kilobytes"),
        pytest.param(b'{"a":1}', b"?" * 4000, id="a pattern that is too large"),
        pytest.param(b'{"' + b"a" * 400_000 + b'":1}', b"*a" * 200 + b"b", id="stars against a very long name"),
        pytest.param(DEEP, b"@dig:z", id="dug to the bottom"),
        pytest.param(DEEP, b"*." * 2990 + b"z", id="stars to the bottom"),
        pytest.param(b"{}", b"[" * 5000 + b"]" * 5000, id="arrays in arrays"),
        pytest.param(b"[" * 5000 + b"]" * 5000, b"@pretty", id="laid out five thousand deep"),
    ],
)
def test_a_path_that_asks_for_too_much_is_refused_and_is_no_not_found(document: bytes, path: bytes) -> None:
    with pytest.raises(PathRefused):
        gjson.get(document, path)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        pytest.param(b'"' * 200_000, b"a", id="quotes"),
        pytest.param(b'{"a":' + b"[" * 200_000, b"b", id="open brackets"),
        pytest.param(b'{"a":"' + b"\\" * 200_001 + b'"}', b"a", id="backslashes"),
        pytest.param(b'{"' + b"a" * 10_000 + b'":1}', b"*a" * 30 + b"b", id="stars against a long name"),
        pytest.param(b"{}", b"a." * 2_000, id="a long path"),
        pytest.param(b"[1]", b"#." + b"a.#(" * 1_000 + b"|", id="open queries"),
    ],
)
def test_hostile_texts_find_nothing_in_time(document: bytes, path: bytes) -> None:
    found = gjson.get(document, path)
    assert found is None or found.raw in (b"[]", b"1")


def test_a_path_is_parsed_once_however_many_members_it_walks_over() -> None:
    """The rest behind a star is the same for every member; it was parsed anew for each, which froze the process."""
    document = b"{" + b",".join(b'"k%d":{"z":1}' % i for i in range(1000)) + b"}"
    work = Work(document)
    before = work.left
    assert not gjson.find(document, b"*." + b"x" * 4000, work).exists
    assert before - work.left < 64 * len(document)
    assert len(work.parsed) == 2


@pytest.mark.parametrize(
    ("size", "path", "is_cheap"),
    [
        (1000, "a.b.0", True),
        (LOOP_BYTES, "", True),
        (LOOP_BYTES + 1, "a", False),
        *((10, path, False) for path in ("*", "a.#", "@this", "a|b", "{a,b}", "[a]", "#(a=1)", "!1", "a?")),
    ],
)
def test_only_plain_paths_into_small_documents_are_cheap(size: int, path: str, is_cheap: bool) -> None:
    assert cheap(size, path) is is_cheap


@pytest.mark.parametrize("width", [b"1e999", b"-1e999", b"nan", b"inf", b"-inf", b"1e30"])
def test_a_width_that_is_no_integer_lays_out_all_the_same(width: bytes) -> None:
    found = gjson.get(b'{"a":[1,2]}', b'@pretty:{"width":' + width + b"}")
    assert found is not None and b'"a"' in found.raw


def spent(document: bytes, path: bytes) -> int:
    work = Work(document)
    before = work.left
    try:
        gjson.find(document, path, work)
    except PathRefused:
        return before
    return before - work.left


def test_a_number_in_a_query_is_read_once_however_many_elements_are_tested() -> None:
    document = b"[" + b"1," * 200 + b"1]"
    short, long = spent(document, b"#(>9)#"), spent(document, b"#(>" + b"9" * 4_000 + b")#")
    assert long < short + 4 * TEXT * 4_000


def test_escaping_is_paid_by_the_character() -> None:
    assert spent(b'"' + b"\x01" * 5_000 + b'"', b"@tostr") >= 16 * 5_000


def test_a_deep_value_is_found_by_a_long_path() -> None:
    assert get_property(b'{"a":' * 300 + b"1" + b"}" * 300, ".".join(["a"] * 300)) == b"1"


paths = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            "0",
            "1",
            "#",
            "*",
            "?",
            "@this",
            "@keys",
            "@reverse",
            "#(a>1)",
            "#(a==1)#",
            "",
            "\\",
            "{a,b}",
            "[a,1]",
            "!",
            "..",
            "(",
            '"',
        ]
    ),
    max_size=5,
).map(".".join)
documents = st.binary(max_size=30) | st.sampled_from(
    [PEOPLE, b'[{"a":1},{"a":2,"b":[3]}]', b'{"a":{"b":[1,2]}}', b"[1,[2,3]]", b'{"a":"x']
)


@given(documents, paths | st.text(max_size=10))
def test_any_path_in_any_text_names_bytes_or_nothing(document: bytes, path: str) -> None:
    found = get_property(document, path)
    assert found is None or isinstance(found, bytes)
