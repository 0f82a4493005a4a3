"""One bench per provider and backend: what a test may arrange behind it, and how it differs where the reference's
providers differ.

Neighbours: benches_<provider>.py beside this file each export BENCHES, a tuple of `Case`; conftest.py finds them all,
the test modules say the sentences. A provider adds a file and edits none.
"""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eso.net.http import Proxies
from eso.providers.contract import StoreClient, StoreView
from tests.fakes.backend import Backend, Fault
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole

PLANTED = "planted-7f3a9c"  # a value that must never be seen in a text


@dataclass
class Bench:
    """One store of one provider, with a backend behind it.

    `put(key, members)`: a secret that the provider reads as this JSON object. `remove(key)`: it is gone. `block`: the
    store's `spec.provider.<name>`. `secrets["name/key"]`, `tokens[account]`: what its credentials hold;
    `labels[name]`: of a Secret. `prefix`: what a key begins with; the bench puts it before the keys of these tests.
    """

    provider: Whole
    block: dict[str, Any]
    put: Callable[[str, Mapping[str, Any]], None]
    secrets: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    prefix: str = ""
    remove: Callable[[str], None] | None = None
    break_down: Callable[[], None] | None = None

    # what the provider does not do, by its spec
    reads: bool = True
    whole: bool = True  # without a property it returns the whole object as JSON
    properties: bool = True
    sole: str = ""  # the property without which there is no value, where the properties are fixed
    quoted: bool = False  # a text that a property names keeps its quotes
    nested: bool = True  # a property is a path
    framed: bool = True  # a value stands in a form of the backend's; else a reply that is cut is a value like any other
    extracts: bool = True
    scalars: bool = True  # a map may have members that are no text
    finds: bool = True
    validates: bool = True  # a store's validation asks the backend
    proves_absence: bool = True  # a missing secret is SecretNotFound
    any_404: bool = False  # a 404 is this backend's own word, whatever its body is

    # writing; `value` is what a push without a property may bring
    writes: bool = False
    value: bytes = b'{"user":"me"}'
    metadata: Mapping[str, Any] | None = None  # of a push
    keyed: bool = True  # one value may be pushed without a property
    merges: bool = True  # a push to a property leaves the others alone
    deletes: bool = True
    creates: bool = True  # a push makes an entry that is not there
    one_place: bool = False  # one entry has several names, so all writes of a login have one place
    marks: bool = True  # an entry that somebody else made is neither overwritten nor deleted

    # for the faults of the wire; a bench on a real server leaves `server` out and is not broken
    server: Backend | None = None
    expired: Fault = field(default_factory=lambda: Fault(401))  # how this backend says that a login has ended
    denied: Fault = field(default_factory=lambda: Fault(403))
    shapes: tuple[str, ...] = ("[]", '"text"')  # JSON that is no reply of this backend
    empty: tuple[str, ...] = ()  # of these shapes: what is a list without entries, here
    faults_at: str = ""  # regular expression: the paths of reads, where logins have paths of their own
    at: Callable[[str], Mapping[str, Any]] | None = None  # changes of the block for another address; None: fixed hosts
    # the present credential ends and `secrets` holds the next one; None: the credentials are no Secrets
    rotate: Callable[[], None] | None = None
    trusts: bool = True  # the block may name an authority (caBundle)

    async def close(self) -> None:
        await self.provider.close()

    def view(self, **changes: Any) -> StoreView:
        return StoreView("SecretStore", "store", "team-a", self.provider.name, self.block | changes, "uid", 1)

    def credentials(self, ca: bytes | None = None) -> StaticCredentials:
        return StaticCredentials(self.secrets, tokens=self.tokens, ca=ca, labels=self.labels)

    async def open(self, *, ca: bytes | None = None, **changes: Any) -> StoreClient:
        return await self.provider.open(self.view(**changes), self.credentials(ca))


@dataclass(frozen=True)
class Ground:
    """What a bench is built on. `fixture(name)`: a session fixture of conftest.py (a real server). `tls`: the contract
    server speaks https with it. `whole` makes the provider: a bench passes it the hosts that its server stands for."""

    fixture: Callable[[str], Any]
    tls: ssl.SSLContext | None = None
    proxy: str = ""
    patience: float | None = None

    def whole(self, name: str, hosts: Mapping[str, str] | None = None) -> Whole:
        return Whole(name, Proxies(self.proxy, self.proxy), hosts, self.patience)


@dataclass(frozen=True)
class Case:
    """`real`: needs a real backend. `wire`: its contract server takes faults, so it is broken in twelve ways."""

    id: str
    make: Callable[[Ground], AbstractAsyncContextManager[Bench]]
    real: bool = False
    wire: bool = False


def cases() -> list[Case]:
    """Every bench of every file beside this one, in the order of their names."""
    found: list[Case] = []
    for path in sorted(Path(__file__).parent.glob("benches_*.py")):
        found += importlib.import_module(f"tests.contract.{path.stem}").BENCHES
    return found
