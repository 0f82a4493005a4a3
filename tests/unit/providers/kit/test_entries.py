"""Secrets of named entries: texts and bytes, one, all, and all as JSON."""

from __future__ import annotations

from eso.providers.kit.entries import Entries


def test_texts_stay_texts_and_bytes_stand_in_base64_where_all_are_shown() -> None:
    found = Entries({"user": "mé", "<b>": "a&b", "raw": b"\0\xff", "empty": ""})
    assert found.json() == '{"\\u003cb\\u003e":"a\\u0026b","empty":"","raw":"AP8=","user":"mé"}'.encode()
    assert found.one("raw") == b"\0\xff"
    assert found.one("user") == "mé".encode()
    assert found.one("other") is None
    assert found.all() == {"user": "mé".encode(), "<b>": b"a&b", "raw": b"\0\xff", "empty": b""}
    assert len(found) == 22
    assert "mé" not in repr(found)
    assert Entries({}).json() == b"{}"
