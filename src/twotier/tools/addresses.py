"""Which addresses a tool or a watcher may connect to: those of the public internet.

An address is public, at home (this machine and the owner's own networks, which the owner may allow
by name) or neither (a cloud's own services, multicast, what is reserved), which only its own
literal allows. IPv6 has many ways to carry an IPv4 address; each is decoded and the inner one
judged, because a gateway on the way does the same. Python's `is_global` is not asked: 3.11 says yes
to some of these forms of 127.0.0.1.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

IPv4 = ipaddress.IPv4Address
IPv6 = ipaddress.IPv6Address

HOME_NETS_4 = {
    ipaddress.IPv4Network("127.0.0.0/8"): "this machine",
    ipaddress.IPv4Network("10.0.0.0/8"): "a private network",
    ipaddress.IPv4Network("172.16.0.0/12"): "a private network",
    ipaddress.IPv4Network("192.168.0.0/16"): "a private network",
    ipaddress.IPv4Network("100.64.0.0/10"): "a shared network behind a carrier or a VPN",
}
CLOSED_NETS_4 = {
    ipaddress.IPv4Network("100.100.100.200/32"): "a cloud's own service",
    ipaddress.IPv4Network("168.63.129.16/32"): "a cloud's own service",
    ipaddress.IPv4Network("169.254.0.0/16"): "link-local, where clouds keep credentials",
    ipaddress.IPv4Network("0.0.0.0/8"): "no address of a machine",
    ipaddress.IPv4Network("192.0.0.0/24"): "reserved for protocols",
    ipaddress.IPv4Network("192.0.2.0/24"): "reserved for examples",
    ipaddress.IPv4Network("192.88.99.0/24"): "reserved for relays",
    ipaddress.IPv4Network("198.18.0.0/15"): "reserved for measuring",
    ipaddress.IPv4Network("198.51.100.0/24"): "reserved for examples",
    ipaddress.IPv4Network("203.0.113.0/24"): "reserved for examples",
    ipaddress.IPv4Network("224.0.0.0/4"): "multicast",
    ipaddress.IPv4Network("240.0.0.0/4"): "reserved",
}
HOME_NETS_6 = {
    ipaddress.IPv6Network("::1/128"): "this machine",
    ipaddress.IPv6Network("fc00::/7"): "a private network",
}
CLOSED_NETS_6 = {
    ipaddress.IPv6Network("fd00:ec2::/32"): "a cloud's own service",
    ipaddress.IPv6Network("fe80::/10"): "link-local",
    ipaddress.IPv6Network("ff00::/8"): "multicast",
    ipaddress.IPv6Network("2001::/23"): "reserved for protocols and tunnels",
    ipaddress.IPv6Network("2001:db8::/32"): "reserved for examples",
    ipaddress.IPv6Network("3fff::/20"): "reserved for examples",
}
GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
# Prefixes that stand for the IPv4 address behind them: nothing else is at the other end.
STANDS_FOR_4 = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
COMPATIBLE = ipaddress.IPv6Network("::/96")
ISATAP = 0x00005EFE  # in the upper half of the interface's number, whatever its universal bit
UNIVERSAL_BIT = 0x02000000

NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
HOME_ENDINGS = (".local", ".lan", ".internal", ".home.arpa", ".localhost")


class Reach(StrEnum):
    """Who can be at an address."""

    PUBLIC = "public"
    HOME = "home"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where an address leads, and in words why it is not public."""

    reach: Reach
    because: str = ""


def judge(address: str) -> Verdict:
    """Where an address leads. Raises ValueError where it is none."""
    return judge_ip(ipaddress.ip_address(address.partition("%")[0]))


def judge_ip(ip: IPv4 | IPv6) -> Verdict:
    """Where a parsed address leads; the worst of what it is and of what it carries."""
    if isinstance(ip, IPv4):
        return judge_4(ip)
    if any(ip in net for net in STANDS_FOR_4):
        return judge_4(low_4(ip))
    verdict = judge_6(ip)
    if verdict.reach is not Reach.PUBLIC:
        return verdict
    for inner in carried(ip):
        if (found := judge_4(inner)).reach is not Reach.PUBLIC:
            return Verdict(Reach.CLOSED, f"a tunnel to {inner}, {found.because}")
    return verdict


def judge_4(ip: IPv4) -> Verdict:
    """Where an IPv4 address leads."""
    for net, because in CLOSED_NETS_4.items():
        if ip in net:
            return Verdict(Reach.CLOSED, because)
    for net, because in HOME_NETS_4.items():
        if ip in net:
            return Verdict(Reach.HOME, because)
    return Verdict(Reach.PUBLIC)


def judge_6(ip: IPv6) -> Verdict:
    """Where an IPv6 address leads, what it carries left aside."""
    for net, because in CLOSED_NETS_6.items():
        if ip in net:
            return Verdict(Reach.CLOSED, because)
    for net, because in HOME_NETS_6.items():
        if ip in net:
            return Verdict(Reach.HOME, because)
    if ip in COMPATIBLE:
        return Verdict(Reach.CLOSED, f"an old form of {low_4(ip)}")
    if ip not in GLOBAL_6:
        return Verdict(Reach.CLOSED, "reserved")
    return Verdict(Reach.PUBLIC)


def carried(ip: IPv6) -> Iterator[IPv4]:
    """IPv4 addresses inside one that is IPv6 by itself: 6to4 and ISATAP."""
    if ip in SIX_TO_FOUR:
        yield IPv4((int(ip) >> 80) & 0xFFFFFFFF)
    if (int(ip) >> 32) & 0xFFFFFFFF & ~UNIVERSAL_BIT == ISATAP:
        yield low_4(ip)


def low_4(ip: IPv6) -> IPv4:
    """The IPv4 address in the last 32 bits."""
    return IPv4(int(ip) & 0xFFFFFFFF)


def literal(host: str) -> str:
    """The address that a URL's host is, empty for a name.

    Raises ValueError for a number that is not plainly an address: decimal, octal, hexadecimal and
    short forms are read in different ways by different programs, and nobody needs them.
    """
    bare = host.removeprefix("[").removesuffix("]")
    if ":" in bare:
        if "%" in bare:
            raise ValueError(f"{host} names a network card; leave out the part from % on")
        return str(ipaddress.IPv6Address(bare))
    if not NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        return ""
    try:
        ip = ipaddress.IPv4Address(host)
    except ValueError as exc:
        raise ValueError(f"{host} is no plain address; write it as four numbers") from exc
    return str(ip)


def allowed(entries: Collection[str], host: str, *, port: int) -> bool:
    """Whether the owner's list holds this host, as `host` or `host:port`."""
    name = named(host)
    return not {name, f"{name}:{port}"}.isdisjoint(entries)


def named(host: str) -> str:
    """A host as it stands in such a list: lower case, no last dot, an IPv6 address in brackets."""
    bare = host.lower().removesuffix(".").removeprefix("[").removesuffix("]")
    return f"[{ipaddress.IPv6Address(bare)}]" if ":" in bare else bare


def listed(hosts: Collection[str], host: str) -> bool:
    """Whether a list of hosts, or `*.name` for all below a name, holds this one."""
    name = named(host)
    return any(name.endswith(one[1:]) if one.startswith("*.") else name == one for one in hosts)


def plainly_home(host: str) -> bool:
    """Whether anybody can see that a host is at home: an address, `localhost`, `nas`, `nas.local`.

    Only such a host is taken for allowed where the owner wrote it into the configuration: any
    other name belongs to somebody who may point it at this machine tomorrow.
    """
    name = named(host)
    try:
        address = literal(name)
    except ValueError:
        return False
    if address:
        return judge(address).reach is Reach.HOME
    return "." not in name or name.endswith(HOME_ENDINGS)
