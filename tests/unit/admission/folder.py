"""A folder as the kubelet mounts a Secret: links that are swapped at once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from e2e.harness.certs import Authority
from eso.admission.certificate import Certificate
from eso.admission.tls import TlsPolicy
from tests.fakes.clock import VirtualClock
from tests.harness.inprocess import Log


class Mounted:
    """`show(…)` replaces all files; None for one that is not there."""

    def __init__(self, root: Path) -> None:
        self.path, self._root, self._count = root / "mounted", root, 0
        self.path.mkdir()
        for name in ("tls.crt", "tls.key", "ca.crt"):
            (self.path / name).symlink_to(Path("..data") / name)

    def show(self, chain: bytes | None, key: bytes | None, roots: bytes | None) -> None:
        self._count += 1
        version = self.path / f"..{self._count}"
        version.mkdir()
        for name, content in (("tls.crt", chain), ("tls.key", key), ("ca.crt", roots)):
            if content is not None:
                (version / name).write_bytes(content)
        link = self.path / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self.path / "..data")

    def issue(self, name: str = "localhost", authority: Authority | None = None) -> Authority:
        """A new certificate for that name, by a new authority if none is given."""
        authority = authority or Authority(self._root / f"authority-{self._count}", "external-secrets")
        pair = authority.server(f"tls-{self._count}", dns=(name,))
        self.show(pair.cert.read_bytes(), pair.key.read_bytes(), authority.cert.read_bytes())
        return authority


class Watching:
    """A Certificate over a mounted folder, at the real time of day, with a clock that stands still."""

    def __init__(self, root: Path, tls: TlsPolicy | None = None) -> None:
        self.mounted, self.clock, self.log = Mounted(root), VirtualClock(datetime.now(UTC)), Log()
        self.counted: list[bool] = []
        self.certificate = Certificate(
            self.mounted.path, "localhost", tls or TlsPolicy(), self.clock, self.log, counted=self.counted.append
        )
