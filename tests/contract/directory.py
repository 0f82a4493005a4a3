"""Two LDAP directories with one user: OpenLDAP's slapd where it is installed, and one of our own. OpenBao comes without
the auth method, so the contract server of Vault asks them.

Neighbours: test_directory.py logs in.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from e2e.harness.process import Child, free_port

SUFFIX = "dc=example,dc=com"
PEOPLE = f"ou=people,{SUFFIX}"
ALICE, PASSWORD = f"uid=alice,{PEOPLE}", 'w0nd&"er\\land <1865> ü'
SCHEMA = Path("/etc/ldap/schema/core.schema")
PROGRAM = shutil.which("slapd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec")
ENTRIES = f"""\
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: example
dc: example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: {ALICE}
objectClass: person
objectClass: uidObject
uid: alice
cn: Alice
sn: Liddell
userPassword:: {base64.b64encode(PASSWORD.encode()).decode()}
"""


@contextmanager
def slapd() -> Iterator[str]:
    """The address of OpenLDAP's server."""
    folder = Path(tempfile.mkdtemp(prefix="eso-slapd-"))
    (folder / "data").mkdir()
    settings, entries = folder / "slapd.conf", folder / "entries.ldif"
    settings.write_text(
        f"include {SCHEMA}\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {folder}/pid\n"
        f'database mdb\nsuffix "{SUFFIX}"\nrootdn "cn=admin,{SUFFIX}"\nmaxsize 10485760\ndirectory {folder}/data\n'
    )
    entries.write_text(ENTRIES)
    assert PROGRAM is not None
    subprocess.run([PROGRAM, "-T", "add", "-f", settings, "-l", entries], check=True, capture_output=True)
    port = free_port()
    address = f"ldap://127.0.0.1:{port}"
    child = Child("slapd", [PROGRAM, "-d", "0", "-h", address, "-f", str(settings)], folder / "slapd.log", cwd=folder)
    child.start()
    try:
        child.wait_until(lambda: listening(port), 30, what="slapd listening")
        yield address
    finally:
        child.kill()
        shutil.rmtree(folder, ignore_errors=True)


def listening(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        return True


# LDAPv3 as far as a bind needs it (RFC 4511)

BIND, BOUND, CODE = 0x60, 0x61, 0x0A
SUCCESS, INVALID_CREDENTIALS = 0, 49


def packed(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")) + content


def unpacked(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(content):
        tag, size, at = content[at], content[at + 1], at + 2
        if size & 0x80:
            width = size & 0x7F
            size, at = int.from_bytes(content[at : at + width], "big"), at + width
        yield tag, content[at : at + size]
        at += size


def message(stream: BinaryIO) -> tuple[bytes, int, bytes]:
    """Number, kind and content of the next message. Raises EOFError."""
    head = stream.read(2)
    if len(head) < 2:
        raise EOFError
    size = head[1] if head[1] < 128 else int.from_bytes(stream.read(head[1] & 0x7F), "big")
    (_, number), (kind, content), *_ = unpacked(stream.read(size))
    return number, kind, content


def binds(address: str, name: str, password: str) -> bool:
    """Whether the directory takes that user's password."""
    host, _, port = address.removeprefix("ldap://").partition(":")
    question = packed(0x02, b"\x03") + packed(0x04, name.encode()) + packed(0x80, password.encode())
    with socket.create_connection((host, int(port)), timeout=30) as connection, connection.makefile("rwb") as stream:
        stream.write(packed(0x30, packed(0x02, b"\x01") + packed(BIND, question)))
        stream.flush()
        _, _, answer = message(stream)
    return next(unpacked(answer)) == (CODE, bytes([SUCCESS]))


class Talk(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        number, _, content = message(self.rfile)
        _, (_, name), (_, password) = unpacked(content)
        known = (name.decode(), password.decode()) == (ALICE, PASSWORD)
        code = packed(CODE, bytes([SUCCESS if known else INVALID_CREDENTIALS]))
        answer = packed(BOUND, code + packed(0x04, b"") * 2)
        self.wfile.write(packed(0x30, packed(0x02, number) + answer))


@contextmanager
def own() -> Iterator[str]:
    """The address of a directory that runs in this process."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"ldap://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


DIRECTORIES: dict[str, Callable[[], AbstractContextManager[str]]] = {"a directory of our own": own}
if PROGRAM is not None and SCHEMA.exists():
    DIRECTORIES["OpenLDAP"] = slapd
