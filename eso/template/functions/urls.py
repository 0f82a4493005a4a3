"""URLs taken apart and put together, as Go's net/url reads and writes them.

Neighbours: none. Everything works on bytes; the parts of a parsed URL are decoded where the reference decodes them
(path, fragment, host).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from eso.template import gofmt
from eso.template.values import FunctionError, Param, Table, Value, kind

TABLE = Table()
DICT, STRING = Param.DICT, Param.STRING

_ALWAYS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9+.\-]*):")
_USERINFO = re.compile(rb"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_PORT = re.compile(rb"(?::[0-9]*)?")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})|%.{0,2}", re.DOTALL)
_KEYS = ("scheme", "host", "path", "query", "opaque", "fragment", "userinfo")


class Part(Enum):
    """Where a text stands, with the characters that stay unescaped there."""

    PATH = frozenset(_ALWAYS + b"$&+,/:;=@")
    USER = frozenset(_ALWAYS + b"$&+,;=")
    HOST = frozenset(_ALWAYS + b"!$&'()*+,;=:[]<>\"")
    FRAGMENT = frozenset(_ALWAYS + b"$&+,/:;=?@!()*")


class UrlError(Exception):
    """The text is no URL: Go's cause."""


@dataclass(frozen=True, slots=True)
class Url:
    scheme: bytes = b""
    opaque: bytes = b""
    user: tuple[bytes, ...] = ()
    """Nothing, (name,) or (name, password), decoded."""
    host: bytes = b""
    path: bytes = b""
    query: bytes = b""
    fragment: bytes = b""

    @property
    def userinfo(self) -> bytes:
        return b":".join(escape(part, Part.USER) for part in self.user)

    @property
    def hostname(self) -> bytes:
        if self.host.startswith(b"["):
            return self.host[1:].partition(b"]")[0]
        return self.host.partition(b":")[0]

    def text(self) -> bytes:
        out = self.scheme + b":" if self.scheme else b""
        if self.opaque:
            out += self.opaque
        else:
            if self.host or self.user or (self.scheme and self.path):
                out += b"//"
            if self.user:
                out += self.userinfo + b"@"
            out += escape(self.host, Part.HOST)
            path = self.path if self.path == b"*" else escape(self.path, Part.PATH)
            if path and not path.startswith(b"/") and self.host:
                path = b"/" + path
            if not out and b":" in path.partition(b"/")[0]:
                out = b"./"  # else the first segment would read as a scheme
            out += path
        if self.query:
            out += b"?" + self.query
        return out + b"#" + escape(self.fragment, Part.FRAGMENT) if self.fragment else out


def escape(text: bytes, part: Part) -> bytes:
    return b"".join(bytes([byte]) if byte in part.value else b"%%%02X" % byte for byte in text)


def unescape(text: bytes, part: Part) -> bytes:
    if part is Part.HOST:
        for byte in text:
            if byte < 0x80 and byte != 0x25 and byte not in Part.HOST.value:
                raise UrlError(f"invalid character {_quoted(bytes([byte]))} in host name")

    def decoded(found: re.Match[bytes]) -> bytes:
        if found[1] is None:
            raise UrlError(f"invalid URL escape {_quoted(found[0])}")
        byte = bytes.fromhex(found[1].decode())
        if part is Part.HOST and byte < b"\x80" and found[0] != b"%25":
            raise UrlError(f"invalid URL escape {_quoted(found[0])}")
        return byte

    return _ESCAPE.sub(decoded, text)


def _quoted(text: bytes) -> str:
    return gofmt.quoted(text).decode()


def parse(text: bytes) -> Url:
    """Raises UrlError."""
    text, _, fragment = text.partition(b"#")
    if _CONTROL.search(text):
        raise UrlError("net/url: invalid control character in URL")
    scheme = b""
    if text.startswith(b":"):
        raise UrlError("missing protocol scheme")
    if found := _SCHEME.match(text):
        scheme, text = found[1].lower(), text[found.end() :]
    rest, _, query = text.partition(b"?")
    if rest == b"*" and not scheme and text == b"*":
        return Url(path=b"*", fragment=unescape(fragment, Part.FRAGMENT))
    user: tuple[bytes, ...] = ()
    host = b""
    if not rest.startswith(b"/"):
        if scheme:
            return Url(scheme=scheme, opaque=rest, query=query, fragment=unescape(fragment, Part.FRAGMENT))
        if b":" in rest.partition(b"/")[0]:
            raise UrlError("first path segment in URL cannot contain colon")
    if rest.startswith(b"//") and (scheme or not rest.startswith(b"///")):
        authority, slash, path = rest[2:].partition(b"/")
        user, host = _authority(authority)
        rest = slash + path
    return Url(scheme, b"", user, host, unescape(rest, Part.PATH), query, unescape(fragment, Part.FRAGMENT))


def _authority(text: bytes) -> tuple[tuple[bytes, ...], bytes]:
    userinfo, at, host = text.rpartition(b"@")
    host = _host(host)
    if not at:
        return (), host
    if not _USERINFO.fullmatch(userinfo):
        raise UrlError("net/url: invalid userinfo")
    return tuple(unescape(part, Part.USER) for part in userinfo.split(b":", 1)), host


def _host(text: bytes) -> bytes:
    if text.startswith(b"["):
        address, bracket, port = text.rpartition(b"]")
        if not bracket:
            raise UrlError("missing ']' in host")
        address, percent, zone = address.partition(b"%25")
        tail = (
            percent
            and b"%" + _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else found[0], zone)
        ) + b"]"
        _check_port(port)
        return unescape(address, Part.HOST) + tail + port
    if b":" in text:
        _check_port(text[text.rindex(b":") :])
    return unescape(text, Part.HOST)


def _check_port(port: bytes) -> None:
    if not _PORT.fullmatch(port):
        raise UrlError(f"invalid port {_quoted(port)} after host")


@TABLE.function("urlParse", params=(STRING,), pace=2)
def url_parse(text: bytes) -> dict[bytes, Value]:
    try:
        url = parse(text)
    except UrlError as error:
        raise FunctionError(
            f"unable to parse url: parse {_quoted(text.partition(b'#')[0])}: {error}", told="unable to parse url"
        ) from None
    return {
        b"scheme": url.scheme,
        b"host": url.host,
        b"hostname": url.hostname,
        b"path": url.path,
        b"query": url.query,
        b"opaque": url.opaque,
        b"fragment": url.fragment,
        b"userinfo": url.userinfo,
    }


@TABLE.function("urlJoin", params=(DICT,), pace=2)
def url_join(source: dict[bytes, Value] | None) -> bytes:
    parts = {key: _text_under(source or {}, key) for key in _KEYS}
    user: tuple[bytes, ...] = ()
    if userinfo := parts.pop("userinfo"):
        try:
            user = parse(b"proto://" + userinfo + b"@host").user
        except UrlError as error:
            raise FunctionError(
                f"unable to parse userinfo in dict: parse {_quoted(b'proto://' + userinfo + b'@host')}: {error}",
                told="unable to parse userinfo in dict",
            ) from None
    return Url(user=user, **parts).text()


def _text_under(source: dict[bytes, Value], key: str) -> bytes:
    value = source.get(key.encode(), b"")
    if not isinstance(value, bytes):
        raise FunctionError(f"unable to parse {key} key, must be of type string, but {kind(value)} found")
    return value
