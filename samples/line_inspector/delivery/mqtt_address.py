"""Addresses of MQTT topics: `mqtt://broker:1883/line1/label`, or `mqtts://` with TLS."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from delivery.webhook_sink import AddressError

__all__ = ["MqttAddress"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_MOST_TOPIC_BYTES = 1000


@dataclass(frozen=True)
class MqttAddress:
    """Where events are published.

    Attributes:
        host: Of the broker.
        port: Of the broker.
        with_tls: Whether the broker is talked to in TLS.
        user: None for none.
        topic: Of the events; `topic/status` says "online" or "offline".
    """

    host: str
    port: int
    with_tls: bool
    user: str | None
    topic: str

    @classmethod
    def parsed(cls, uri: str) -> MqttAddress:
        """Read an address.

        Raises:
            AddressError: It is no MQTT address, names no topic or a wrong one, or has a password in it.
        """
        hint = "write mqtt://[USER@]HOST[:PORT]/TOPIC, or mqtts:// for TLS"
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError as error:
            raise AddressError(f"the MQTT address is not readable ({error}); {hint}") from error
        if parts.password is not None:
            raise AddressError(
                "the MQTT address holds a password, which process lists would show; give it by --mqtt-password-file or "
                "LINE_INSPECTOR_MQTT_PASSWORD"
            )
        if parts.scheme not in _PORTS or not parts.hostname or port == 0 or parts.query or parts.fragment:
            raise AddressError(f"{uri!r:.200} is no MQTT address; {hint} (in a topic, %23 is # and %3F is ?)")
        return cls(
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            with_tls=parts.scheme == "mqtts",
            user=unquote(parts.username) if parts.username else None,
            topic=_topic(parts.path),
        )


def _topic(path: str) -> str:
    try:
        topic = unquote(path.removeprefix("/"), errors="strict")
    except UnicodeDecodeError as error:
        raise AddressError(
            f"topic {path!r:.200} is not UTF-8 ({error.reason}); write it as %XX of its UTF-8"
        ) from error
    if not topic or len(topic.encode()) > _MOST_TOPIC_BYTES or topic.startswith("$"):
        raise AddressError(
            f"topic {topic!r:.200} must have 1 to {_MOST_TOPIC_BYTES} bytes and not begin with $; "
            "write mqtt://broker/line1/label"
        )
    if not topic.isprintable() or set(topic) & set("+#"):
        raise AddressError(f"topic {topic!r:.200} holds +, # or a control character; events need one plain topic")
    return topic
