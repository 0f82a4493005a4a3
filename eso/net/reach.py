"""Which addresses a connection may have, judged after the name was resolved and before anything is sent.

Neighbours: http.py asks for every socket that it makes. The author of a store chooses the server that the operator
talks to; the metadata service of the machine and the operator's own ports answer every neighbour, without a credential.
Lists of hosts narrow it further. Through a proxy only the name is known here: the proxy resolves it.
"""

from __future__ import annotations

import ipaddress
import socket
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from eso.api.hosts import Address, Hosts

NOBODY: Final = Hosts()
# Metadata services whose address is not link-local: EC2, EKS, Google Cloud and Scaleway over IPv6, Alibaba Cloud,
# Oracle Cloud, Azure.
METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fd00:42::42",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
    )
)
# What they are called where somebody else resolves the name.
METADATA_NAMES: Final = frozenset(
    {"metadata.google.internal", "metadata.goog", "metadata", "instance-data", "instance-data.ec2.internal"}
)
# Prefixes whose addresses hold an IPv4 address in their last 32 bits: NAT64 of the internet and of one's own, stateless
# translation, addresses that are only compatible.
EMBEDDING: Final = tuple(
    ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")
)
ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})  # bits 64 to 95 of an address


class Barred(OSError):
    """The address is refused by us: nothing was sent. The text names the kind of address, never the address."""

    def __init__(self, message: str, *, fix: str = "write the address of the backend") -> None:
        super().__init__(message)
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Reach:
    """`link_local`: link-local addresses and metadata services may be reached. `own_ports`: ports on which this process
    listens; they are refused on its own addresses. `allowed`: if not empty, the only hosts; `denied` wins over it.
    `api_server`: addresses and ports of the API server, where stores may not name it."""

    link_local: bool = True
    own_ports: frozenset[int] = frozenset()
    allowed: Hosts = NOBODY
    denied: Hosts = NOBODY
    api_server: frozenset[tuple[Address, int]] = frozenset()

    @property
    def lists(self) -> bool:
        """Whether the name of a host matters."""
        return bool(self.allowed or self.denied)

    def check(self, place: tuple[Any, ...], host: str | None = None) -> None:
        """`place`: a socket address, host and port first. `host`: the name that led there, None for the address of a
        proxy, which no list is about. Raises Barred."""
        address = plain(str(place[0]))
        if address is None:
            return
        if not self.link_local and (address.is_link_local or address in METADATA):
            raise link_local()
        if place[1] in self.own_ports and is_own(address):
            raise Barred("a port of the operator itself")
        if (address, place[1]) in self.api_server:
            raise Barred("the API server, which stores may not name here", fix="see --deny-api-server-stores")
        if host is None:
            return
        if self.denied.has_address(address):
            raise Barred("in a network that stores may not reach", fix="see --store-hosts-denied")
        if self.allowed and not (self.allowed.has_name(host) or self.allowed.has_address(address)):
            raise Barred("not among the hosts that stores may reach", fix="see --store-hosts-allowed")

    def check_name(self, host: str, *, proxied: bool, port: int = 0) -> None:
        """Before the name is resolved. `proxied`: it will not be resolved here, so it has to pass as it stands. Raises
        Barred."""
        if self.denied.has_name(host):
            raise Barred("a host that stores may not reach", fix="see --store-hosts-denied")
        if not proxied:
            return
        address = written(host)
        if address is not None:
            self.check((str(address), port), host)
        elif not self.link_local and host.lower().rstrip(".") in METADATA_NAMES:
            raise link_local()
        elif self.allowed and not self.allowed.has_name(host):
            raise Barred("not among the hosts that stores may reach", fix="see --store-hosts-allowed")


EVERYWHERE: Final = Reach()


def link_local() -> Barred:
    return Barred(
        "a link-local address, where metadata services answer",
        fix="write the address of the backend, or allow it with --allow-link-local-stores",
    )


def written(host: str) -> Address | None:
    """The address that a host is, in any spelling that a resolver takes for one: short, as one number, octal, hex."""
    text = unicodedata.normalize("NFKC", unquote(host)).strip("[]").rstrip(".")
    address = plain(text)
    if address is None and text[:1].isdigit():
        with suppress(OSError, ValueError):
            return ipaddress.IPv4Address(socket.inet_aton(text))
    return address


def plain(text: str) -> Address | None:
    """An address without its zone; IPv4 inside IPv6 as what it stands for."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or teredo(address) or embedded(address) or address
    return address


def teredo(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address of the machine at the end of a Teredo tunnel."""
    return address.teredo[1] if address.teredo is not None else None


def embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address in the last 32 bits, where the rest says that they are one."""
    if address.is_loopback or address.is_unspecified:
        return None
    held = int(address)
    if (held >> 32 & 0xFFFFFFFF) in ISATAP or any(address in network for network in EMBEDDING):
        return ipaddress.IPv4Address(held & 0xFFFFFFFF)
    return None


def is_own(address: Address) -> bool:
    """Whether the address is one of this machine: only those can be bound to."""
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def addresses_of(host: str, port: int) -> frozenset[tuple[Address, int]]:
    """The addresses that a name has now; empty when it cannot be resolved."""
    try:
        found = [plain(str(info[4][0])) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, ValueError):
        return frozenset()
    return frozenset((address, port) for address in found if address is not None)
