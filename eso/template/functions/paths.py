"""Slash-separated paths, lexically: nothing here looks at a file system.

Neighbours: none. The `os` variants are the same functions, because the reference runs on Linux.
"""

from __future__ import annotations

from eso.template.values import Param, Table

TABLE = Table()
STRING = Param.STRING


@TABLE.function("clean", "osClean", params=(STRING,), pace=32)
def clean(path: bytes) -> bytes:
    """The shortest equal path: no `.`, no doubled slash, `..` only at the start of a relative path; `.` for an empty
    one."""
    rooted = path.startswith(b"/")
    kept: list[bytes] = []
    for part in path.split(b"/"):
        if part in (b"", b"."):
            continue
        if part != b"..":
            kept.append(part)
        elif kept and kept[-1] != b"..":
            kept.pop()
        elif not rooted:
            kept.append(part)
    return (b"/" if rooted else b"") + b"/".join(kept) or b"."


@TABLE.function("base", "osBase", params=(STRING,))
def base(path: bytes) -> bytes:
    if not path:
        return b"."
    return path.rstrip(b"/").rpartition(b"/")[2] or b"/"


@TABLE.function("dir", "osDir", params=(STRING,), pace=32)
def directory(path: bytes) -> bytes:
    return clean(path[: path.rfind(b"/") + 1])


@TABLE.function("ext", "osExt", params=(STRING,))
def extension(path: bytes) -> bytes:
    _, dot, end = path[path.rfind(b"/") + 1 :].rpartition(b".")
    return dot + end if dot else b""


@TABLE.function("isAbs", "osIsAbs", params=(STRING,))
def is_absolute(path: bytes) -> bool:
    return path.startswith(b"/")
