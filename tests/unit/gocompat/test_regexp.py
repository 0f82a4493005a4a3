"""Expressions: accepted, refused, matched and replaced as users of the reference know them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.gocompat import regexp


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        pytest.param("(", "missing closing ): `(`", id="C-165 a group that is not closed"),
        pytest.param("a(b", "missing closing ): `a(b`", id="the whole expression is shown"),
        pytest.param(r"\p{Letter}(", r"missing closing ): `\p{Letter}(`", id="as it was written"),
        pytest.param("a)", "unexpected ): `a)`", id="a group that is not opened"),
        pytest.param("[a", "missing closing ]: `[a`", id="a class that is not closed"),
        pytest.param("[z-a]", "invalid character class range: `z-a`", id="a range backwards"),
        pytest.param("[[:foo:]]", "invalid character class range: `[:foo:]`", id="an unknown class"),
        pytest.param(r"\pX", r"invalid character class range: `\pX`", id="an unknown category"),
        pytest.param("*a", "missing argument to repetition operator: `*`", id="nothing to repeat"),
        pytest.param("a**", "invalid nested repetition operator: `**`", id="repeated twice"),
        pytest.param("a++", "invalid nested repetition operator: `++`", id="no possessive repetition"),
        pytest.param("a{1001}", "invalid repeat count: `{1001}`", id="more than a thousand times"),
        pytest.param("a{1001}?", "invalid repeat count: `{1001}`", id="more than a thousand times, lazily"),
        pytest.param("a{2,1}", "invalid repeat count: `{2,1}`", id="a count backwards"),
        pytest.param("(a{100}){100}", "invalid repeat count: `{100}`", id="more than a thousand times in all"),
        pytest.param(r"(a)\1", r"invalid escape sequence: `\1`", id="no back-references"),
        pytest.param(r"a\Z", r"invalid escape sequence: `\Z`", id="no capital z"),
        pytest.param(r"\C", r"invalid escape sequence: `\C`", id="no single bytes"),
        pytest.param("(?=a)", "invalid or unsupported Perl syntax: `(?=`", id="no look-ahead"),
        pytest.param("(?!a)", "invalid or unsupported Perl syntax: `(?!`", id="no negative look-ahead"),
        pytest.param("(?<=a)b", "invalid named capture: `(?<=a)b`", id="no look-behind"),
        pytest.param("(?P=n)", "invalid or unsupported Perl syntax: `(?P`", id="no named back-references"),
        pytest.param("(?P<n", "invalid named capture: `(?P<n`", id="a name that is not closed"),
        pytest.param("(?P<a-b>x)", "invalid named capture: `(?P<a-b>`", id="a name with a dash"),
        pytest.param("(?P<é>x)", "invalid named capture: `(?P<é>`", id="names are ASCII"),
        pytest.param("a**(?P<é>x)", "invalid nested repetition operator: `**`", id="the first error counts"),
        pytest.param("a\\", "trailing backslash at end of expression: ``", id="a backslash at the end"),
    ],
)
def test_refused_with_the_known_text(pattern: str, what: str) -> None:
    with pytest.raises(regexp.RegexpError) as caught:
        regexp.compile(pattern)
    assert str(caught.value) == f"error parsing regexp: {what}"
    assert isinstance(caught.value, EsoError)


def test_the_text_of_functions_that_panic() -> None:
    with pytest.raises(regexp.RegexpError) as caught:
        regexp.compile("(")
    assert caught.value.as_panic() == "regexp: Compile(`(`): error parsing regexp: missing closing ): `(`"


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        pytest.param("a|ab", b"ab", b"a", id="leftmost first, not longest"),
        pytest.param("a.*?b", b"aXbYb", b"aXb", id="lazy"),
        pytest.param("a$", b"a\n", None, id="a dollar is not before a final newline"),
        pytest.param("a.b", b"a\nb", None, id="a dot is no newline"),
        pytest.param("(?s)a.b", b"a\nb", b"a\nb", id="unless told so"),
        pytest.param("(?i)K", "\u212a".encode(), "\u212a".encode(), id="case folding knows the kelvin sign"),
        pytest.param(r"^\w+$", "é".encode(), None, id="words are ASCII"),
        pytest.param(r"\d", "٣".encode(), None, id="digits are ASCII"),
        pytest.param(r"\pL+", "1héllo".encode(), "héllo".encode(), id="letters of any script"),
        pytest.param(r"\p{letter}+", "1é2".encode(), "é".encode(), id="categories have long names in any case"),
        pytest.param(r"[\p{Lowercase_Letter}1]+", b"AbC1", b"b", id="also in brackets"),
        pytest.param(r"\P{ASCII}", "aé".encode(), "é".encode(), id="ASCII, negated"),
        pytest.param(r"[^\p{ASCII}x]", "xé".encode(), "é".encode(), id="ASCII in brackets"),
        pytest.param(r"\p{^L}", b"a1", b"1", id="a negated category"),
        pytest.param(r"\p{LC}+", "aǅ中".encode(), "aǅ".encode(), id="cased letters"),
        pytest.param("[[:alpha:]]+", b"12ab", b"ab", id="classes with a name"),
        pytest.param(r"\Qa.b\E", b"a.b", b"a.b", id="literal text"),
        pytest.param(
            r"\Q(?P<é\E", "(?P<é".encode(), "(?P<é".encode(), id="what looks like a group in literal text is none"
        ),
        pytest.param("[(?P<é]+", b"(?P<", b"(?P<", id="nor in brackets"),
        pytest.param("(?<n>b+)", b"abb", b"bb", id="names without a P"),
        pytest.param("a{0,1000}", b"aa", b"aa", id="a thousand times is allowed"),
        pytest.param(".", b"\xff", b"\xff", id="an invalid byte is a character"),
        pytest.param("\ufffd", b"a\xff", b"\xff", id="namely the replacement character"),
        pytest.param("^.{2}$", b"\xe2\x82", b"\xe2\x82", id="each invalid byte is one"),
        pytest.param(r"b\B.", "bé".encode(), None, id="no boundary inside a character"),
    ],
)
def test_the_leftmost_match(pattern: str, text: bytes, found: bytes | None) -> None:
    expression = regexp.compile(pattern)
    assert expression.find(text) == found
    assert expression.matches(text) is (found is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "template", "result"),
    [
        pytest.param("(.*)", b"foo", b"new-$1", b"new-foo", id="C-159 no second, empty match behind the first"),
        pytest.param("-", b"foo-bar", b"_", b"foo_bar", id="C-160 a part"),
        pytest.param("hello", b"foo", b"world", b"foo", id="C-160 no match"),
        pytest.param("^my/initial/path/", b"my/initial/path/foo", b"", b"foo", id="C-160 a prefix by nothing"),
        pytest.param("f(.*)o", b"foo", b"a_new_path_$1", b"a_new_path_o", id="C-161 a group"),
        pytest.param("f(.*)o", b"foodaloo", b"a_new_path_$1", b"a_new_path_oodalo", id="C-161 a greedy group"),
        pytest.param(
            "f(?P<content>.*)o",
            b"floo",
            b"a_new_path_${content}_${1}",
            b"a_new_path_lo_lo",
            id="C-161 a name and a number",
        ),
        pytest.param("(.*)", b"foo", b"$1_x", b"", id="C-162 an unbraced name runs to the end of the word"),
        pytest.param("my/(.*?)/bar/(.*)", b"my/app/bar/key", b"$1-$2", b"app-key", id="C-163 two groups"),
        pytest.param("x*", b"axb", b"-", b"-a-b-", id="empty matches between characters"),
        pytest.param("(?m)^", b"a\nb", b"> ", b"> a\n> b", id="at the start of lines"),
        pytest.param("", "é😀".encode(), b"-", "-é-😀-".encode(), id="never inside a character"),
        pytest.param(r"\B", "é".encode(), b"-", "-é-".encode(), id="not even where no word ends"),
        pytest.param("a", b"banana", b"$$", b"b$n$n$", id="a doubled dollar"),
        pytest.param("a", b"ba", b"$0$0", b"baa", id="the whole match"),
        pytest.param("(a)(b)?", b"ac", b"[$1|$2]", b"[a|]c", id="a group without a match is empty"),
        pytest.param("a", b"a", b"$1$9$n${n}", b"", id="unknown groups are empty"),
        pytest.param("(a)", b"a", b"$01${01}", b"", id="a leading zero makes it a name"),
        pytest.param("a", b"a", b"$ $- ${ ${} ${1 $", b"$ $- ${ ${} ${1 $", id="a malformed dollar stays"),
        pytest.param("(a)", b"a", "$1é ${1}é".encode(), " aé".encode(), id="letters of any script are part of a name"),
        pytest.param("(.)", b"\xffa", b"<$1>", b"<\xff><a>", id="invalid bytes are kept"),
    ],
)
def test_all_matches_are_replaced(pattern: str, text: bytes, template: bytes, result: bytes) -> None:
    assert regexp.compile(pattern).replace_all(text, template) == result


def test_a_literal_replacement_does_not_expand() -> None:
    assert regexp.compile("a(x*)b").replace_all_literal(b"-ab-axxb-", b"${1}") == b"-${1}-${1}-"


@pytest.mark.parametrize(
    ("pattern", "text", "limit", "found"),
    [
        pytest.param("[0-9]", b"1a2b3", -1, [b"1", b"2", b"3"], id="all"),
        pytest.param("[0-9]", b"1a2b3", 2, [b"1", b"2"], id="two"),
        pytest.param("[0-9]", b"1a2b3", 0, [], id="none"),
        pytest.param("x*", b"axa", -1, [b"", b"x", b""], id="no empty match directly behind another"),
        pytest.param("z", b"abc", -1, [], id="no match"),
    ],
)
def test_all_matches_are_found(pattern: str, text: bytes, limit: int, found: list[bytes]) -> None:
    assert regexp.compile(pattern).find_all(text, limit) == found


@pytest.mark.parametrize(
    ("pattern", "text", "limit", "parts"),
    [
        pytest.param("z+", b"pizza", -1, [b"pi", b"a"], id="all"),
        pytest.param(",", b"a,b,c", 2, [b"a", b"b,c"], id="two parts"),
        pytest.param(",", b"a", 0, [], id="no part"),
        pytest.param("a", b"banana", -1, [b"b", b"n", b"n", b""], id="an empty part at the end"),
        pytest.param("", b"abc", -1, [b"a", b"b", b"c"], id="by nothing, into characters"),
        pytest.param("x", b"", -1, [b""], id="an empty text is one part"),
        pytest.param("", b"", -1, [], id="an empty text by an empty expression is none"),
        pytest.param("x*", b"axb", -1, [b"a", b"b"], id="by empty matches"),
    ],
)
def test_a_text_is_split(pattern: str, text: bytes, limit: int, parts: list[bytes]) -> None:
    assert regexp.compile(pattern).split(text, limit) == parts


def test_quoted_text_matches_itself_only() -> None:
    assert regexp.quote_meta(rb"[a]{1}(b)|^$+?\-/.*") == rb"\[a\]\{1\}\(b\)\|\^\$\+\?\\-/\.\*"


def test_a_caller_can_stop_a_long_replacement() -> None:
    meter = regexp.Allowance(100)
    with pytest.raises(regexp.TooCostly, match="the limit of 100 steps"):
        regexp.compile("a").replace_all(b"a" * 1000, b"b", meter)


class Book:
    """A meter that writes down what it is told."""

    def __init__(self) -> None:
        self.spent: list[int] = []
        self.announced: list[int] = []
        self.sizes: list[int] = []

    def spend(self, steps: int) -> None:
        self.spent.append(steps)

    def may_take(self, steps: int) -> None:
        self.announced.append(steps)

    def afford(self, size: int) -> None:
        self.sizes.append(size)

    def check_size(self, size: int) -> None:
        self.sizes.append(size)


@pytest.mark.parametrize("pattern", ["q", "(?:x?y?){100}$q", r"\pL\d", "[ab]*a[ab]{200}c"])
@pytest.mark.parametrize("length", [0, 1000, 100_000])
def test_a_search_costs_the_size_of_the_program_times_the_bytes(pattern: str, length: int) -> None:
    expression, book = regexp.compile(pattern), Book()
    assert not expression.matches(b"xy" * (length // 2), book)
    assert book.announced == book.spent == [regexp.price(expression.size, length)]
    assert book.spent[0] >= expression.size * length / 128


def test_all_of_the_text_is_announced_for_each_match_because_the_engine_may_read_on() -> None:
    """Before it settles for `a`, the first alternative is looked for up to the end, each time."""
    expression, book = regexp.compile("(?s:a.*z|a)"), Book()
    assert len(expression.find_all(b"a" * 1000, -1, book)) == 1000
    assert sum(book.announced) >= expression.size * 1000 * 500 / 128
    assert sum(book.spent) < sum(book.announced) / 3


def test_what_a_group_copies_is_affordable_before_it_is_copied() -> None:
    book = Book()
    regexp.compile("(.*)").replace_all(b"x" * 1000, b"$1" * 50, book)
    assert max(book.sizes) >= 51_000


def test_a_match_without_a_meter_has_an_allowance_of_its_own() -> None:
    expression = regexp.compile("(?:x?y?){100}$q")
    assert not expression.matches(b"xy" * 100)
    with pytest.raises(regexp.TooCostly, match="program size × bytes of text"):
        expression.matches(b"xy" * 100_000)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        pytest.param("(a*)*b", b"a" * 50_000, id="nested stars"),
        pytest.param("(a|a)*c", b"a" * 50_000 + b"b", id="equal alternatives"),
        pytest.param("(x+x+)+y", b"x" * 50_000, id="nested pluses"),
        pytest.param("(?:a?){200}a{200}", b"a" * 199, id="optional times counted"),
        pytest.param("(.*)(.*)(.*)(.*)(.*)z", b"a" * 50_000, id="greedy groups"),
    ],
)
def test_expressions_that_hang_a_backtracking_engine_do_not_hang(pattern: str, text: bytes) -> None:
    assert regexp.compile(pattern).replace_all(text, b"<$1>", regexp.Allowance(100_000, 100_000)) == text


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"(\pL{30}){30}", id="a program of many megabytes"),
        pytest.param("()" * (regexp.MAX_GROUPS + 1), id="more groups than anybody writes"),
        pytest.param("x" * 4097, id="a long expression"),
        pytest.param("[" * 100_000, id="many brackets that are never closed"),
        pytest.param("(?P<a>" * 100_000, id="many names of groups"),
        pytest.param("(?:x?y?){1000}" * 3, id="a program of many instructions"),
        pytest.param("x{0,1000}" * 400, id="a program that takes long to refuse"),
        pytest.param(r"[^\pL\pN\pS]" * 300, id="thousands of ranges"),
    ],
)
def test_memory_is_bounded(pattern: str) -> None:
    with pytest.raises(regexp.RegexpError, match="expression too large"):
        regexp.compile(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"^[\pL\pN_.-]+$", r"(\pL+)/(\pL+)", "|".join(f"name-{n}" for n in range(400)), r"(\d{1,3}\.){3}\d{1,3}"],
)
def test_expressions_that_people_write_are_within_the_limits(pattern: str) -> None:
    expression = regexp.compile(pattern)
    assert expression.size <= regexp.MAX_PROGRAM
    assert regexp.compiling(pattern.encode()) <= regexp.MAX_COMPILING


@pytest.mark.parametrize(
    ("pattern", "least"),
    [
        pytest.param("(((a{10}){10}){10})" * 4, 2_000, id="copies of copies"),
        pytest.param("(?i)([^k]{30}){30}", 2_000, id="copies of a class of many ranges"),
        pytest.param(r"((\pL{3}){3})", 900, id="copies of a Unicode class"),
        pytest.param("a?" * 2_000, 8_000, id="thousands of choices"),
        pytest.param("." * 4_096, 4_096, id="sheer length"),
    ],
)
def test_compiling_is_paid_at_what_it_takes(pattern: str, least: int) -> None:
    """Each of these takes milliseconds; a template may hold fifty of them, and one that is refused is not kept."""
    assert regexp.compiling(pattern.encode()) >= least


@pytest.mark.parametrize("pattern", [r"(\d{1,3}\.){3}\d{1,3}", "[a-f0-9]{8}-[a-f0-9]{4}", "^team-(a|b)-.*$", r"\pL+"])
def test_compiling_what_people_write_is_cheap(pattern: str) -> None:
    assert regexp.compiling(pattern.encode()) < 300


def test_compiled_expressions_are_kept_and_the_oldest_forgotten() -> None:
    first = regexp.compile("kept")
    assert regexp.compile(b"kept") is first
    for n in range(regexp.CACHED):
        regexp.compile(f"other{n}")
    assert regexp.compile("kept") is not first


simple = st.lists(st.sampled_from(["a", "b", "[ab]", "a*", "b+?", "c?", "(a|b)", "x{2}"]), min_size=1, max_size=4).map(
    "".join
)


@given(simple, st.text(alphabet="abcx", max_size=12))
def test_simple_expressions_match_like_any_other_engine(pattern: str, text: str) -> None:
    theirs = re.search(pattern, text)
    assert regexp.compile(pattern).find(text.encode()) == (None if theirs is None else theirs[0].encode())


@given(
    st.lists(st.sampled_from(["a", "b", "[ab]", "b+", "(a|b)"]), min_size=1, max_size=4).map("".join),
    st.text(alphabet="abcx", max_size=12),
)
def test_matches_that_are_not_empty_are_replaced_like_in_any_other_engine(pattern: str, text: str) -> None:
    assert regexp.compile(pattern).replace_all(text.encode(), b"<$0>") == re.sub(pattern, r"<\g<0>>", text).encode()


@given(st.text(max_size=8), st.binary(max_size=20), st.binary(max_size=8))
def test_any_expression_on_any_bytes_gives_parts_of_the_text(pattern: str, text: bytes, replacement: bytes) -> None:
    try:
        expression = regexp.compile(pattern)
    except regexp.RegexpError as error:
        assert str(error).startswith("error parsing regexp: ")  # one of two outcomes
        return
    spans = list(expression.spans(text))
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert spans == sorted(spans)
    assert expression.replace_all(text, b"$0") == text
    if not spans:
        assert expression.replace_all_literal(text, replacement) == text


@given(
    st.text(alphabet=st.characters(max_codepoint=127), max_size=3).map(str.encode),
    st.text(alphabet=st.characters(max_codepoint=127)).map(str.encode),
)
def test_quoted_bytes_are_found_where_they_are(needle: bytes, hay: bytes) -> None:
    assert regexp.compile(regexp.quote_meta(needle)).matches(hay) == (needle in hay)


def test_searches_of_one_purpose_share_an_allowance() -> None:
    expression = regexp.compile("[ab]*a[ab]{100}c").within(2_000)
    with pytest.raises(regexp.TooCostly, match="limit of 2000 steps"):
        for _ in range(100):
            expression.matches(b"ab" * 40)
    assert regexp.compile("[ab]*a[ab]{100}c").matches(b"x") is False, "another purpose has its own"


def test_all_expressions_that_are_kept_take_little_memory() -> None:
    """Each fills its memory with what it learns, if the texts are made for that; 32 of them took 136 MB."""
    assert 2 * regexp.CACHED * regexp.MAX_MEMORY <= 64 << 20
