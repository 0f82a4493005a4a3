"""Remote key → path of the KV engine → URL path, as the reference builds them.

Neighbours: client.py asks for what these return; openbao.py takes keys literally and uses `url_path` only. A mount of
"" means: not set.
"""

from __future__ import annotations

from urllib.parse import quote

from eso.providers.contract import InvalidConfig
from eso.providers.kit.http import climbs


def data_path(mount: str, v2: bool, key: str) -> str:
    """Where the value of `key` is. The key may repeat the mount, and `data/` behind it."""
    if mount:
        rest = key.removeprefix(f"{mount}/")
        if v2 and rest != key:  # `data/` belongs to the path only behind the mount; alone it is a folder of that name
            rest = rest.removeprefix("data/")
        return f"{mount}/data/{rest}" if v2 else f"{mount}/{rest}"
    if not v2 or "/data/" in key:
        return key
    first, slash, rest = key.partition("/")
    return f"{first}/data{slash}{rest}"


def metadata_path(mount: str, v2: bool, key: str) -> str:
    """Where the metadata of `key` is, or the folder that lists it. Nothing is cut from the key here. Raises
    InvalidConfig."""
    if not v2:
        if not mount:
            raise InvalidConfig(
                "the store has no path: a KV v1 mount can only be listed when spec.provider.vault.path is set",
                fix="set path",
            )
        return f"{mount}/{key}"
    if mount:
        return f"{mount}/metadata/{key}"
    if "data" not in key:
        raise InvalidConfig(
            "provided Path isn't a valid kv v2 path",
            fix="set spec.provider.vault.path, or write the path as <mount>/data/<key>",
        )
    return key.replace("/data/", "/metadata/", 1)


def metadata_of(path: str, mount: str) -> str:
    """Where the metadata of what lies at a `data_path` of KV v2 is."""
    head = f"{mount}/data/"
    if mount and path.startswith(head):
        return f"{mount}/metadata/{path[len(head) :]}"
    return path.replace("/data/", "/metadata/", 1)


def without_data(mount: str) -> str:
    """The mount that was probably meant by one that ends in `/data` (a KV v2 path copied from the CLI's output); "" for
    others."""
    return mount.removesuffix("/data") if mount.endswith("/data") else ""


def url_path(path: str) -> str:
    """`/v1/…` with duplicate and trailing slashes gone and every segment encoded. Raises InvalidConfig for `..`, which
    would leave the mount."""
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    if climbs(path):
        raise InvalidConfig(f"cannot use {path}: '..' is not allowed in a path", fix="write the key without '..'")
    return "/v1/" + "/".join(quote(segment, safe="$&+,:;=@-_.~") for segment in segments)
