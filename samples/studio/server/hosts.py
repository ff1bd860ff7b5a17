"""Which names the studio answers to: a foreign page must not reach it under a name of its own (DNS rebinding)."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

__all__ = ["HostNames", "is_loopback", "names_of"]


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class HostNames:
    """What a Host header may name; the port is free, as a tunnel has one of its own.

    Attributes:
        names: Names and addresses, in lower case.
        any_address: Whether every IP address will do. An address cannot be made to point elsewhere.
    """

    names: frozenset[str]
    any_address: bool

    def allow(self, host_header: str) -> bool:
        """Return whether a Host header names this server."""
        name = _without_port(host_header.strip().lower())
        if name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.any_address


def names_of(host: str) -> HostNames:
    """Return what a server bound to a host may be called."""
    names = {host.lower()}
    if is_loopback(host):
        return HostNames(frozenset(names | {"localhost", "127.0.0.1", "::1"}), any_address=False)
    own = socket.gethostname().lower()
    names |= {"localhost", "127.0.0.1", "::1", own, f"{own}.local", own.partition(".")[0]}
    return HostNames(frozenset(names), any_address=host in ("0.0.0.0", "::"))


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host
