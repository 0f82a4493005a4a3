"""Which addresses a connection may have, judged after the name was resolved and before anything is sent.

Neighbours: http.py asks for every socket that it makes. The author of a store chooses the server that the operator
talks to; the metadata service of the machine and the operator's own ports answer every neighbour, without a credential.
Lists of hosts narrow it further. Through a proxy only the name is known here: the proxy resolves it.
"""

from __future__ import annotations

import ipaddress
import socket
import unicodedata
from collections.abc import Iterable, Iterator
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
    {
        "metadata.google.internal",
        "metadata.goog",
        "metadata",
        "instance-data",
        "instance-data.ec2.internal",
        "metadata.tencentyun.com",
        "api.metadata.cloud.ibm.com",
        "metadata.platformequinix.com",
    }
)
# Prefixes whose addresses hold an IPv4 address in their last 32 bits: NAT64 of the internet and of one's own, stateless
# translation, addresses that are only compatible.
EMBEDDING: Final = tuple(
    ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")
)
LOCAL_NAT64: Final = (ipaddress.IPv6Network("64:ff9b:1::/48"),)
# RFC 6052: a prefix of so many bits, and how many bits of the IPv4 address stand before and behind bits 64 to 71.
SPLIT: Final = ((48, 16, 16), (56, 8, 24), (64, 0, 32))
# Of these it is certain where they lead: nobody can have an address below the prefix of the internet's NAT64.
TRANSLATED: Final = (ipaddress.IPv6Network("64:ff9b::/96"),)
OWN: Final = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))
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
        meant = meanings(str(place[0]))
        if not meant:
            return
        if not self.link_local and any(one.is_link_local or one in METADATA for one in meant):
            raise link_local()
        if place[1] in self.own_ports and any(map(is_own, meant)):
            raise Barred("a port of the operator itself")
        if any((one, place[1]) in self.api_server for one in meant):
            raise Barred("the API server, which stores may not name here", fix="see --deny-api-server-stores")
        if host is None:
            return
        if any(map(self.denied.has_address, meant)):
            raise Barred("in a network that stores may not reach", fix="see --store-hosts-denied")
        # The end of an IPv6 address allows nothing: who owns a network can spell an allowed IPv4 address there.
        sure = meant if in_network(meant[0], TRANSLATED) else meant[:1]
        if self.allowed and not (self.allowed.has_name(host) or any(map(self.allowed.has_address, sure))):
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
    found = next(iter(meanings(text)), None)
    if found is None and text[:1].isdigit():
        with suppress(OSError, ValueError):
            return ipaddress.IPv4Address(socket.inet_aton(text))
    return found


def meanings(text: str) -> tuple[Address, ...]:
    """An address without its zone, then the IPv4 addresses that it may hold; () for what is none. One of IPv4 that is
    only written as IPv6 is that one alone: the system takes it so."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ()
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified:
        return (address, *OWN)  # a connection to it ends on this machine
    return (address, *embedded(address)) if isinstance(address, ipaddress.IPv6Address) else (address,)


def embedded(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses that this one leads to where somebody translates, or opens a tunnel."""
    if address.is_loopback:
        return
    held = int(address)
    if (held >> 32 & 0xFFFFFFFF) in ISATAP or in_network(address, EMBEDDING):
        yield ipaddress.IPv4Address(held & 0xFFFFFFFF)
    if in_network(address, LOCAL_NAT64):  # its prefix is somebody's choice, and says where the address begins
        for length, before, behind in SPLIT:
            high, low = held >> 128 - length - before, held >> 56 - behind
            yield ipaddress.IPv4Address((high & (1 << before) - 1) << behind | low & (1 << behind) - 1)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield address.teredo[1]


def in_network(address: Address, networks: Iterable[ipaddress.IPv6Network]) -> bool:
    return any(address in network for network in networks)


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
        found = [meanings(str(info[4][0])) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, ValueError):
        return frozenset()
    return frozenset((meant[0], port) for meant in found if meant)
