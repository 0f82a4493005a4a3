"""Hosts as flags name them: names, names with everything below them, addresses and networks.

Neighbours: `app.flags` refuses lists that cannot be read, `net.reach` asks whether a host is on one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from eso.errors import EsoError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")  # IPv4 that is written as IPv6
LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


class NoHost(EsoError):
    """An entry that is neither a name nor an address nor a network."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """`names`: exact ones, and `.example.com` for everything below that name."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.names or self.networks)

    def has_name(self, host: str) -> bool:
        """Whether the list names `host`, or a name above it by `*.`."""
        plain = host.lower().rstrip(".")
        if plain in self.names:
            return True
        above = plain.partition(".")[2]
        while above:
            if f".{above}" in self.names:
                return True
            above = above.partition(".")[2]
        return False

    def has_address(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self.networks)


def hosts_of(entries: Iterable[str]) -> Hosts:
    """`vault.example.com`, `*.example.com`, `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`. Raises NoHost."""
    names: set[str] = set()
    networks: list[Network] = []
    for entry in entries:
        text = entry.strip()
        try:
            networks.append(_network(text.strip("[]")))
        except ValueError:
            names.add(_name(text))
    return Hosts(frozenset(names), tuple(networks))


def _network(text: str) -> Network:
    found = ipaddress.ip_network(text, strict=False)
    if isinstance(found, ipaddress.IPv6Network) and found.subnet_of(MAPPED):
        return ipaddress.IPv4Network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - 96))
    return found


def _name(text: str) -> str:
    plain = text.lower().rstrip(".")
    labels = plain.removeprefix("*.").split(".")
    # A last label of digits is an address that somebody mistyped: no name ends in one.
    if not all(label and LETTERS.issuperset(label) for label in labels) or labels[-1].isdigit():
        raise NoHost(
            f"{text!r} is no host", fix="write vault.example.com, *.example.com, 10.1.2.3 or 10.0.0.0/8, without a port"
        )
    return plain.removeprefix("*")
