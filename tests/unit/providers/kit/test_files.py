"""Files that a store names: never the operator's own token, never one that has to be waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eso.providers.contract import InvalidConfig
from eso.providers.kit import files


def test_no_path_leads_to_the_operators_own_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own" / "serviceaccount"
    own.mkdir(parents=True)
    (own / "token").write_text("planted")
    monkeypatch.setattr(files, "OWN_FOLDER", str(tmp_path / "own"))
    (tmp_path / "link").symlink_to(own / "token")
    (tmp_path / "folder").symlink_to(own)
    for path in (own / "token", tmp_path / "link", tmp_path / "folder" / "token", f"/proc/self/root{own}/token"):
        with pytest.raises(InvalidConfig, match="operator's own ServiceAccount"):
            files.token_file(str(path))


def test_a_file_that_is_none_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * (files.MOST + 1))
    for path in (tmp_path / "pipe", tmp_path / "large", tmp_path, tmp_path / "none", "/dev/zero", "a\0b"):
        assert files.read_if_there(str(path)) is None
