"""Addresses that a caller may choose: which of them this server connects to.

A name is resolved once, everything it resolves to is checked, and the connection goes to just those addresses, so that
a name which means something else a moment later gains nothing. Numbers in any spelling are read as the system reads
them. Redirects are another address each (`providers/fetch.py`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from providers.errors import Refused, Unavailable

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host's addresses as text; raises `OSError` for a name that does not resolve."""

CODE = "address_not_allowed"
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        ("192.88.99.0/24", "192.0.0.0/24", "2001::/23", "3fff::/20"),
    )
)
"""Of the IANA special-purpose registries, what `ipaddress` of Python 3.11 takes for public, or takes so by parts."""
INTERNAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
IPV4_MASK = 0xFFFFFFFF


def is_public(address: str) -> bool:
    """Whether an address, as text, is one host on the public internet; an IPv4 address inside an IPv6 one counts."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = _embedded(ip)
    if inner is not None:
        return is_public(str(inner))
    if isinstance(ip, ipaddress.IPv6Address) and ip not in GLOBAL_UNICAST:
        return False
    special = any(ip.version == network.version and ip in network for network in SPECIAL)
    return ip.is_global and not (special or ip.is_multicast or ip.is_reserved)


def is_internal(host: str) -> bool:
    """Whether a host stands in a network of its own by how it is written: an address that is not public, or a name
    that the public system of names does not hand out."""
    number = _as_number(host)
    if number is not None:
        return not is_public(number)
    name = host.rstrip(".").lower()
    return "." not in name or name.endswith(INTERNAL_NAMES)


def _embedded(ip: IpAddress) -> ipaddress.IPv4Address | None:
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in NAT64:
        return ipaddress.IPv4Address(int(ip) & IPV4_MASK)
    return ip.ipv4_mapped or ip.sixtofour


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Outbound:
    """`allow_private` opens loopback, private and all other special networks: the operator's choice."""

    allow_private: bool = False
    resolve: Resolve = field(default=resolve_by_system, repr=False)

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """What to connect to. Raises `Refused` when any address of the host is not public, and `Unavailable` when it
        has none."""
        try:
            found = await self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"the host {host} cannot be found") from error
        if not found:
            raise Unavailable(f"the host {host} has no address")
        if not self.allow_private and not all(map(is_public, found)):
            raise _refuse(f"{host} is not on the public internet")
        return found

    def check(self, url: str, *, only_https: bool = False) -> None:
        """What can be told without resolving. Raises `Refused` for what is no http or https address, holds a user's
        name, or names a special network by number. `only_https` yields to `allow_private`."""
        from yarl import URL

        try:
            parsed = URL(url)
            host, scheme = parsed.host, parsed.scheme
        except ValueError as error:
            raise _refuse("this is no address") from error
        if scheme not in ("http", "https") or not host:
            raise _refuse("the address must begin with https:// and name a host")
        if scheme == "http" and only_https and not self.allow_private:
            raise _refuse("the address must begin with https://")
        if parsed.user is not None or parsed.password is not None:
            raise _refuse("the address must not hold a name or a password")
        number = _as_number(host)
        if number is not None and not self.allow_private and not is_public(number):
            raise _refuse(f"{host} is not on the public internet")

    async def look(self, url: str) -> None:
        """`check`, and resolves: for an address that somebody else will connect to. A name that does not resolve here
        passes, as nothing is known of it."""
        from yarl import URL

        self.check(url)
        if self.allow_private:
            return
        parsed = URL(url)
        try:
            await self.addresses(str(parsed.host), parsed.port or 443)
        except Unavailable:
            return


def _as_number(host: str) -> str | None:
    """A host that is a number as `inet_aton` reads it (`2130706433`, `0x7f.1`, `0177.0.0.1`), in the usual spelling;
    None for a name."""
    bare = host.strip("[]").rstrip(".").partition("%")[0]
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(bare)) if bare[:1].isdigit() else None
    except (OSError, UnicodeError):
        return None


def _refuse(message: str) -> Refused:
    return Refused(message, code=CODE)
