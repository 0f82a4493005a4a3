"""Keys → paths, as the reference builds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.providers.vault.paths import data_path, metadata_path, url_path, without_data


@pytest.mark.parametrize(
    ("mount", "v2", "key", "path"),
    [
        pytest.param("secret", True, "app", "secret/data/app", id="a key below the mount"),
        pytest.param("secret", True, "secret/app", "secret/data/app", id="the mount may be repeated"),
        pytest.param("secret", True, "secret/data/app", "secret/data/app", id="and data with it"),
        pytest.param("secret", True, "data/app", "secret/data/data/app", id="data alone is a folder of that name"),
        pytest.param(
            "secret", True, "secret/data/data/app", "secret/data/data/app", id="data is cut once behind the mount"
        ),
        pytest.param("kv/data", True, "kv/data/app", "kv/data/data/app", id="a mount that ends in data is cut whole"),
        pytest.param("secret", True, "secretly/app", "secret/data/secretly/app", id="only the whole mount is cut"),
        pytest.param("team/kv", True, "team/kv/a/b", "team/kv/data/a/b", id="a mount with a slash"),
        pytest.param("secret", False, "secret/app", "secret/app", id="version 1 cuts the mount"),
        pytest.param("secret", False, "data/app", "secret/data/app", id="version 1 keeps data"),
        pytest.param("", True, "secret/a/b", "secret/data/a/b", id="without a mount the first segment is one"),
        pytest.param("", True, "secret/data/a", "secret/data/a", id="unless data is there already"),
        pytest.param("", False, "secret/a", "secret/a", id="version 1 without a mount"),
    ],
)
def test_where_a_value_is(mount: str, v2: bool, key: str, path: str) -> None:
    assert data_path(mount, v2, key) == path


@pytest.mark.parametrize(
    ("mount", "v2", "key", "path"),
    [
        pytest.param("secret", True, "app", "secret/metadata/app", id="below the mount"),
        pytest.param("secret", True, "secret/app", "secret/metadata/secret/app", id="nothing is cut here"),
        pytest.param("", True, "secret/data/app", "secret/metadata/app", id="without a mount data becomes metadata"),
        pytest.param("kv", False, "app/", "kv/app/", id="version 1 has no metadata path"),
    ],
)
def test_where_metadata_is(mount: str, v2: bool, key: str, path: str) -> None:
    assert metadata_path(mount, v2, key) == path


@pytest.mark.parametrize(
    ("v2", "text"),
    [
        pytest.param(True, "provided Path isn't a valid kv v2 path", id="version 2"),
        pytest.param(False, "the store has no path", id="version 1"),
    ],
)
def test_metadata_without_a_mount_may_be_impossible(v2: bool, text: str) -> None:
    with pytest.raises(EsoError, match=text):
        metadata_path("", v2, "secret/app")


@pytest.mark.parametrize(
    ("path", "url"),
    [
        pytest.param("secret/data//dev/app/", "/v1/secret/data/dev/app", id="slashes collapse"),
        pytest.param("/secret/./a", "/v1/secret/a", id="a dot goes"),
        pytest.param("kv/a b?c#d%", "/v1/kv/a%20b%3Fc%23d%25", id="what would end the path is encoded"),
        pytest.param("kv/ключ", "/v1/kv/%D0%BA%D0%BB%D1%8E%D1%87", id="other scripts are encoded"),
    ],
)
def test_a_url(path: str, url: str) -> None:
    assert url_path(path) == url


@given(st.text())
def test_no_key_leaves_its_mount(key: str) -> None:
    try:
        url = url_path(f"secret/data/{key}")
    except EsoError:
        assert ".." in key.split("/")
    else:
        assert url.startswith("/v1/secret/data")
        assert "/../" not in url + "/" and "?" not in url and "#" not in url


@pytest.mark.parametrize(("mount", "meant"), [("kv/data", "kv"), ("kv", ""), ("data", ""), ("a/data/data", "a/data")])
def test_a_mount_copied_from_a_path(mount: str, meant: str) -> None:
    assert without_data(mount) == meant
