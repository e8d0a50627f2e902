"""Which addresses are public: a table, made by hand from the registries of special addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.tools.addresses import Reach, allowed, judge, listed, literal, named, plainly_home

PUBLIC = (
    *("8.8.8.8", "1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.0", "192.167.255.255"),
    *("100.63.255.255", "100.128.0.0", "126.255.255.255", "223.255.255.255", "198.20.0.0"),
    *("2606:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888"),
    "::ffff:8.8.8.8",  # mapped
    "64:ff9b::808:808",  # NAT64
    "2002:808:808::1",  # 6to4
    "2606:4700::5efe:808:808",  # ISATAP
)
HOME = (
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("100.64.0.1", "100.127.255.254", "::1", "fc00::1", "fd12:3456::1"),
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.1.2.3",
    "64:ff9b::7f00:1",
    "64:ff9b::192.168.0.1",
)
CLOSED = (
    *("0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.170.2", "100.100.100.200"),
    *("168.63.129.16", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255"),
    *("198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1"),
    *("255.255.255.255", "::", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "ff02::1"),
    *("fd00:ec2::254", "2001:db8::1", "3fff::1", "5f00::1", "100::1", "4000::1", "e000::1"),
    "::127.0.0.1",  # IPv4-compatible
    "::8.8.8.8",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",  # IPv4-translated
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",  # NAT64 for local use
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2002:c0a8:101::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "2001:10::1",  # ORCHID
    "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:a9fe:a9fe",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_may_be_asked(address: str) -> None:
    """Addresses of the internet, written in any way that means one."""
    assert judge(address).reach is Reach.PUBLIC


@pytest.mark.parametrize("address", HOME)
def test_what_is_at_home_needs_the_owner(address: str) -> None:
    """This machine and private networks, in the forms that stand for an IPv4 address too."""
    verdict = judge(address)
    assert verdict.reach is Reach.HOME
    assert verdict.because


@pytest.mark.parametrize("address", CLOSED)
def test_what_nobody_should_ask_is_closed(address: str) -> None:
    """Cloud credentials, multicast, reserved ranges, and tunnels to what is not public."""
    verdict = judge(address)
    assert verdict.reach is Reach.CLOSED
    assert verdict.because


@given(st.ip_addresses(v=4))
def test_no_way_of_writing_an_address_opens_it(address: object) -> None:
    """Mapped, NAT64, 6to4, ISATAP and compatible forms of an IPv4 address that is not public are
    not public either.
    """
    number = int(address)  # type: ignore[call-overload]
    if judge(str(address)).reach is Reach.PUBLIC:
        return
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    for form in (
        f"::ffff:{high}:{low}",
        f"64:ff9b::{high}:{low}",
        f"2002:{high}:{low}::1",
        f"2606:4700::5efe:{high}:{low}",
        f"::{high}:{low}",
    ):
        assert judge(form).reach is not Reach.PUBLIC, form


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("8.8.8.8", "8.8.8.8"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("[::FFFF:127.0.0.1]", "::ffff:7f00:1"),
        ("example.org", ""),
        ("1password.example", ""),
        ("0x7f.example", ""),
        ("dead.beef", ""),
        ("localhost", ""),
    ],
)
def test_a_host_is_an_address_or_a_name(host: str, address: str) -> None:
    """IPv6 is told in one way, and a name that begins with a number is a name."""
    assert literal(host) == address


@pytest.mark.parametrize(
    "host",
    [
        *("2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1", "0"),
        *("127.0.0.1.", "127.0.0.01", "256.1.1.1", "1.2.3.4.5", "017700000001", "0x", "a.0x1"),
        *("[fe80::1%eth0]", "[::1%251]", "[::zz]", "example.127"),
    ],
)
def test_a_number_that_is_no_plain_address_is_refused(host: str) -> None:
    """Programs do not agree what 127.1, 0177.0.0.1 or 2130706433 is; so it is nothing here."""
    with pytest.raises(ValueError, match=r"."):
        literal(host)


def test_the_owners_list_names_hosts_with_or_without_port() -> None:
    """`nas.local` is meant with every port, `127.0.0.1:8080` with one; case and a dot are equal."""
    entries = {"nas.local", "127.0.0.1:8080", "[::1]:80"}
    assert allowed(entries, "NAS.local.", port=443)
    assert allowed(entries, "127.0.0.1", port=8080)
    assert allowed(entries, "0:0::1", port=80)
    assert not allowed(entries, "127.0.0.1", port=80)
    assert not allowed(entries, "evil.nas.local", port=443)
    assert not allowed(entries, "::2", port=80)
    assert named("[0::1]") == "[::1]"


def test_a_list_of_hosts_may_name_all_below_a_name() -> None:
    """`*.example.org` is what lies below, not the name itself and not what ends like it."""
    hosts = {"docs.example.org", "*.wiki.test"}
    assert listed(hosts, "DOCS.example.org.")
    assert listed(hosts, "en.wiki.test")
    for other in ("example.org", "wiki.test", "evilwiki.test", "docs.example.org.evil.test"):
        assert not listed(hosts, other)


@pytest.mark.parametrize(
    ("host", "home"),
    [
        *(("127.0.0.1", True), ("192.168.1.5", True), ("[::1]", True), ("nas", True)),
        *(("localhost", True), ("nas.local", True), ("ha.home.arpa", True), ("x.localhost", True)),
        *(("example.org", False), ("8.8.8.8", False), ("169.254.169.254", False)),
        *(("127.1", False), ("local.example", False), ("127.0.0.1.nip.io", False)),
    ],
)
def test_a_host_that_is_plainly_at_home(host: str, *, home: bool) -> None:
    """What the owner wrote is taken for meant only where everybody can see what it is."""
    assert plainly_home(host) is home
