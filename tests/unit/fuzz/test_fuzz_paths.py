"""Any JSONPath, address and host that somebody may write is followed or refused by an error of ours, and no spelling of
a barred address passes."""

from __future__ import annotations

import ipaddress
import json
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.api.hosts import NoHost, hosts_of
from eso.errors import EsoError
from eso.net.http import origin
from eso.net.reach import Barred, Reach, written
from eso.providers.kit.address import address, parts_of, target_of
from eso.providers.webhook import codec
from eso.values import jsonpath, jsonpathparse
from tests.unit.fuzz.shapes import Bytes, broken, names, trees

CANARY = "Zq7kWmXp42TvRn9Lbd"
PATHS = [
    path.encode()
    for path in (
        "$.a.b[0]",
        "$..a",
        "$.*",
        '$["a"]["b"]',
        "$.a[1:3:2]",
        "$.a[-1:]",
        "$[?(@.a == 1)].b",
        "$..[?(@.a != 'x')]",
        '$[?(@.a == @.b || $.c == "y")]',
        "$.a['b','c']",
        "$[(@.length-1)]",
        "$.a[0,1].*..b",
        "a.b",
        "-a",
        "f(a)",
        "$[?(-@.a == -1e999)]",
    )
]
steps = st.one_of(
    names.map(".{}".format),
    st.sampled_from(["..", "[*]", ".*", "[0]", "[-1]", "[::2]", "[1:0]", "[99999999999999999999]", "[:]", "[::0]"]),
    st.builds(
        "[?(@{} {} {})]".format, st.just("") | names.map(".{}".format), st.sampled_from(["==", "!=", "<"]), names
    ),
    st.builds('["{}"]'.format, names),
    st.builds("['{}',{}]".format, names, st.integers(-3, 3)),
    st.builds("[($..{})]".format, names),
)
paths: st.SearchStrategy[str] = (
    st.lists(steps, max_size=6).map(lambda parts: "$" + "".join(parts))
    | broken(PATHS).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
    | st.text(max_size=20)
)
documents: Bytes = trees.map(lambda tree: json.dumps(tree).encode()) | broken(
    [f'{{"a":{{"b":["{CANARY}",1,null]}},"c":[{{"a":1,"b":"{CANARY}"}},{{"a":"x"}}]}}'.encode()]
)


@given(documents, paths)
def test_fuzz_jsonpath(document: bytes, path: str) -> None:
    try:
        found = codec.located(document, path, "")
        assert isinstance(codec.value(found), bytes)
    except EsoError as error:
        assert CANARY[:6] not in f"{error}{error.fix}"


@given(paths)
def test_fuzz_a_plain_path_takes_no_longer_than_it_is_long(path: str) -> None:
    """What is called plain is followed on the loop."""
    if not jsonpath.plain(path) or len(path) > jsonpathparse.PATH_CHARACTERS:
        return
    look = jsonpath._Look({b"a": [{b"b": 1}] * 1_000}, 1_000_000)
    before = look.left
    with suppress(EsoError):
        look.value(jsonpathparse.parse(path), None)
    assert before - look.left <= 4 * len(path) + 4


hosts = st.one_of(
    st.text(max_size=20),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda one: f"[{one}%25eth0]"),
    st.integers(0, (1 << 32) - 1).map(str),
    st.integers(0, (1 << 32) - 1).map(hex),
    st.sampled_from(
        ["vault.example", "VAULT.example.", "*.example", "a..b", "[::1]", "[::ffff:169.254.169.254]", "ª.com"]
    ),
)
urls = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["http://", "https://", "HTTP://", "ftp://", "//", "", "https:", "https:/\\"]),
    st.sampled_from(["", "user@", f"u:{CANARY}@", "@", "a%40b@"]),
    hosts,
    st.sampled_from(["", ":443", ":0", ":99999", ":", ":-1", ":²", ":8200"]),
    st.sampled_from(["", "/", "/a/../b", "?q=1", "#f", "/%2f", "\\x", "/a b", "/\r\nX: y"]),
)


@given(urls)
def test_fuzz_an_address_is_used_as_it_is_shown(url: str) -> None:
    try:
        given = address(url, "invalid address ", "write one")
    except EsoError as error:
        assert CANARY[:6] not in f"{error}{error.fix}"
        assert parts_of(url.rstrip("/")) is None
        return
    parts = urlsplit(given)
    assert parts.scheme in ("http", "https") and parts.hostname and "@" not in given
    assert not any(sign in given for sign in "\r\n\t ?#\\") and given.isascii()
    assert origin(given).startswith(f"{parts.scheme}://")
    assert CANARY[:6] not in origin(url)


@given(hosts, st.sampled_from(["", ":443", ":0", ":99999", ":8200", ":"]))
def test_fuzz_the_target_of_a_grpc_server(host: str, port: str) -> None:
    found = target_of(host + port)
    if found is not None:
        parts = urlsplit(f"//{found}")
        assert parts.hostname and 0 < (parts.port or 0) < 1 << 16 and not parts.username


METADATA = int(ipaddress.IPv4Address("169.254.169.254"))
spellings = st.sampled_from(
    [
        *(
            "169.254.169.254",
            "169.254.43518",
            "169.16689662",
            str(METADATA),
            hex(METADATA),
            oct(METADATA).replace("0o", "0"),
        ),
        *(
            "0xa9.0xfe.0xa9.0xfe",
            "0251.0376.0251.0376",
            "169.254.0xa9.0376",
            "169.254.169.254.",
            "[::ffff:169.254.169.254]",
        ),
        *(
            "[::ffff:a9fe:a9fe]",
            "[2002:a9fe:a9fe::]",
            "[64:ff9b::a9fe:a9fe]",
            "[::a9fe:a9fe]",
            "[fe80::1]",
            "[fe80::1%25x]",
        ),
        *(
            "169．254．169．254",
            "①⑥⑨.254.169.254",
            "%31%36%39.254.169.254",
            "[64:ff9b:1::a9fe:a9fe]",
            "[FD00:EC2::254]",
        ),
    ]
)


@given(spellings, st.sampled_from(["", "."]), st.booleans())
def test_fuzz_no_spelling_of_a_metadata_address_passes_a_proxy(host: str, end: str, upper: bool) -> None:
    with pytest.raises(Barred):
        host = host.strip("[]") + end  # as a URL's parser hands it on
        Reach(link_local=False).check_name(host.upper() if upper else host, proxied=True)


@given(hosts)
def test_fuzz_what_a_host_is_written_as_is_an_address_or_none(host: str) -> None:
    found = written(host)
    assert found is None or found.version in (4, 6)


@given(st.lists(hosts | st.sampled_from(["10.0.0.0/8", "10.0.0.0/99", "*.a.b", "*", "!", "a/b"]), max_size=4), hosts)
def test_fuzz_lists_of_hosts(listed: list[str], host: str) -> None:
    try:
        found = hosts_of(listed)
    except NoHost:
        return
    assert found.has_name(host) in (True, False)
