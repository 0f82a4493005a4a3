"""Strings, casing, paths, URLs, regular expressions: what the published cases leave open."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.template import TemplateError, render
from eso.template.functions import paths, strings, urls
from eso.template.functions.casing import joined_words, pascal


def shown(template: str, **data: bytes) -> bytes:
    return render(template, data)


@pytest.mark.parametrize(
    ("text", "snake", "camel"),
    [
        ("", "", ""),
        ("_", "_", "__"),
        ("Bld4Floor", "bld4_floor", "Bld4Floor"),
        ("v1", "v1", "V1"),
        ("HTTPServer", "http_server", "Httpserver"),
        ("_complex__case_", "_complex__case_", "_Complex_Case_"),
        ("a b\tc", "a_b_c", "ABC"),
        ("ÄpfelSaft", "äpfel_saft", "ÄpfelSaft"),
        ("a1b2c3", "a_1b2c3", "A1b2c3"),
        ("x+y", "x_+_y", "X+y"),
    ],
)
def test_words_are_cut_as_in_the_reference(text: str, snake: str, camel: str) -> None:
    assert joined_words(text.encode(), "_").decode() == snake
    assert joined_words(text.encode(), "-").decode() == snake.replace("_", "-")
    assert pascal(text.encode()).decode() == camel


@pytest.mark.parametrize(
    ("template", "output"),
    [
        pytest.param("{{ trim .b }}", b"\xff\x00", id="binary passes through trim"),
        pytest.param("{{ upper .b }}", b" \xef\xbf\xbd\x00 ", id="a case mapping repairs invalid bytes"),
        pytest.param("{{ quote .b }}", b'" \\xff\\x00 "', id="quote escapes invalid bytes"),
        pytest.param('{{ splitList "" .b | len }}', b"4", id="an invalid byte is one character"),
        pytest.param('{{ replace "" "-" .b }}', b"- -\xff-\x00- -", id="empty old stands between characters"),
        pytest.param(
            '{{ nospace "é a" }}', "Ã©a".encode(), id="nospace damages non-ASCII text once it drops something"
        ),
        pytest.param('{{ nospace "éa" }}', "éa".encode(), id="nospace leaves a text without blanks alone"),
        pytest.param('{{ initials "été a" }}', "Ãa".encode(), id="initials take bytes"),
        pytest.param('{{ substr 1 3 "aéb" }}', "é".encode(), id="substr counts bytes"),
        pytest.param('{{ wrap 0 "a b" }}', b"a\nb", id="a width below one counts as one"),
        pytest.param('{{ wrapWith 3 "" "abcdef" }}', b"abc\ndef", id="an empty separator is a newline"),
        pytest.param('{{ abbrevboth 4 8 "1234567890" }}', b"12345...", id="a small offset abbreviates at the end only"),
        pytest.param('{{ abbrevboth 99 8 "1234567890" }}', b"...67890", id="a large offset keeps the end"),
        pytest.param(
            '{{ splitn "," 0 "a,b" }}|{{ splitn "," -1 "a,b" }}',
            b"map[]|map[_0:a _1:b]",
            id="splitn knows zero and negative limits",
        ),
        pytest.param('{{ untitle "Hello\\tWorld" }}', b"hello\tworld", id="any white space starts a word"),
        pytest.param('{{ swapcase "hello WORLD" }}', b"HELLO world", id="swapcase swaps"),
        pytest.param('{{ cat "a" "" "b" }}', b"a  b", id="cat keeps the blank of an empty string"),
        pytest.param("{{ join .s (list (list 1 2) (dict)) }}", b"[1 2];map[]", id="join prints what is no string"),
    ],
)
def test_strings(template: str, output: bytes) -> None:
    assert shown(template, b=b" \xff\x00 ", s=b";") == output


@given(st.binary(max_size=40), st.integers(-50, 50))
def test_trunc_never_makes_a_text_longer(text: bytes, count: int) -> None:
    cut = strings.trunc(count, text)
    assert cut == (text[:count] if count >= 0 else text[-min(-count, len(text)) :] if text else b"")


@given(st.text("ab./", max_size=20))
def test_paths_are_cleaned_like_posix_paths(path: str) -> None:
    expected = posixpath.normpath(path)
    if expected.startswith("//"):
        expected = expected[1:]  # POSIX keeps two leading slashes, Go does not
    assert paths.clean(path.encode()).decode() == expected


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        pytest.param(b"http://h:port/", 'invalid port ":port" after host', id="a port is a number"),
        pytest.param(b"http://a b.com", 'invalid character " " in host name', id="no blank in a host"),
        pytest.param(b"http://h/%zz", 'invalid URL escape "%zz"', id="an escape is two hex digits"),
        pytest.param(b"http://[::1/", "missing ']' in host", id="an address is closed"),
        pytest.param(b"h/#%", 'invalid URL escape "%"', id="a fragment is decoded"),
        pytest.param(b"1:2", "first path segment in URL cannot contain colon", id="a number is no scheme"),
        pytest.param(b"http://u ser@h/", "net/url: invalid userinfo", id="user names are escaped"),
        pytest.param(b"a\nb", "net/url: invalid control character in URL", id="no control characters"),
    ],
)
def test_bad_urls_name_their_cause(text: bytes, cause: str) -> None:
    with pytest.raises(urls.UrlError) as refused:
        urls.parse(text)
    assert str(refused.value) == cause


@given(
    st.builds(
        urls.Url,
        scheme=st.just(b"https"),
        host=st.sampled_from([b"h", b"h:1", b"[::1]:80", b"a.b"]),
        path=st.text("ab/ %?#é", max_size=8).map(lambda path: b"/" + path.encode()),
        user=st.sampled_from([(), (b"u",), (b"u:", b"p@/")]),
        query=st.text("a=&", max_size=4).map(str.encode),
        fragment=st.text("ab %é", max_size=4).map(str.encode),
    )
)
def test_a_url_survives_being_written_and_read(url: urls.Url) -> None:
    assert urls.parse(url.text()) == url


def test_an_empty_must_variant_shows_the_parser_and_the_plain_one_the_panic() -> None:
    with pytest.raises(TemplateError, match=r"error calling mustRegexFind: error parsing regexp: "):
        shown('{{ mustRegexFind "(" "a" }}')
    with pytest.raises(
        TemplateError, match=r"error calling regexFind: regexp: Compile\(`\(`\): error parsing regexp: "
    ):
        shown('{{ regexFind "(" "a" }}')


def test_expressions_work_on_binary_values() -> None:
    assert shown('{{ regexReplaceAllLiteral "a" .b "" }}', b=b"\xffa\xfe") == b"\xff\xfe"
