"""Word to systemd, where it runs the inspector: ready, alive, stopping (sd_notify(3))."""

from __future__ import annotations

import os
import socket

__all__ = ["ServiceManager"]


class ServiceManager:
    """Does nothing where there is no service manager."""

    def __init__(self) -> None:
        """Take the address from `NOTIFY_SOCKET`, and out of the environment."""
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]

    def ready(self) -> None:
        """The inspector works."""
        self._say("READY=1")

    def alive(self, status: str) -> None:
        """Feed the watchdog; without this for `WatchdogSec`, the inspector is started anew.

        Args:
            status: One line, shown by `systemctl status`.
        """
        self._say(f"WATCHDOG=1\nSTATUS={status}")

    def stopping(self) -> None:
        """The inspector ends on purpose."""
        self._say("STOPPING=1")

    def _say(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            try:
                notify.sendto(message.encode(), self._address)
            except OSError:
                return  # systemd has gone, or restarts itself; it asks again
