"""Which addresses a connection may have, judged after the name was resolved and before anything is sent.

Neighbours: http.py asks for every socket that it makes. The author of a store chooses the server that the operator
talks to; the metadata service of the machine and the operator's own ports answer every neighbour, without a credential.
Lists of hosts narrow it further. Through a proxy only the name is known here: the proxy resolves it.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Any, Final

from eso.api.hosts import Address, Hosts

NOBODY: Final = Hosts()
# Metadata services whose address is not link-local: EC2 and EKS over IPv6, Alibaba Cloud, Oracle Cloud, Azure.
METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in ("fd00:ec2::254", "fd00:ec2::23", "100.100.100.200", "192.0.0.192", "168.63.129.16")
)


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
            raise Barred(
                "a link-local address, where metadata services answer",
                fix="write the address of the backend, or allow it with --allow-link-local-stores",
            )
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

    def check_name(self, host: str, *, proxied: bool) -> None:
        """Before the name is resolved. `proxied`: it will not be resolved here, so it has to pass as it stands. Raises
        Barred."""
        if self.denied.has_name(host):
            raise Barred("a host that stores may not reach", fix="see --store-hosts-denied")
        if not proxied:
            return
        address = plain(host.strip("[]"))
        if address is not None:
            self.check((str(address), 0), host)
        elif self.allowed and not self.allowed.has_name(host):
            raise Barred("not among the hosts that stores may reach", fix="see --store-hosts-allowed")


EVERYWHERE: Final = Reach()


def plain(text: str) -> Address | None:
    """An address without its zone; IPv4 inside IPv6 as what it stands for."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or nat64(address) or address
    return address


def nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address behind the well-known prefix 64:ff9b::/96."""
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
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
