"""Events to an MQTT broker, with QoS 1: an event counts as delivered when the broker has acknowledged it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from delivery.database import SpooledEvent
from delivery.log import LOG
from delivery.mqtt_address import MqttAddress
from delivery.sink import DeliveryError

__all__ = ["MqttSink"]

_CONNECTION_PATIENCE_S = 1.0
_BROKER_PATIENCE_S = 5.0
_KEEP_ALIVE_S = 20
_RECONNECT_S = (1, 30)


class MqttSink:
    """Publishes to one topic, keeps the session at the broker, and tells on `TOPIC/status` whether it is there.

    The library holds what was published and not acknowledged, and sends it again after each reconnect; so an event is
    published once in a run, however often its delivery is tried.
    """

    name = "mqtt"
    window = 20

    def __init__(self, address: MqttAddress, *, client_id: str, password: str | None, ca_file: Path | None) -> None:
        """Begin to connect, in the background, and go on for ever.

        Args:
            address: Of the broker and the topic.
            client_id: The broker knows the session by it; two inspectors must not share one.
            password: None for none.
            ca_file: Certificates to trust in the place of the system's, PEM.

        Raises:
            OSError: The certificates cannot be read.
        """
        self._address = address
        self._changed = threading.Condition()
        self._published: dict[int, int] = {}  # position in the spool -> message
        self._acknowledged: set[int] = set()
        self._greeting: mqtt.MQTTMessageInfo | None = None
        self._is_connected, self._is_closed = False, False
        self._why_not = "not connected yet"
        self._client = self._new_client(client_id, password, ca_file)
        self._client.connect_async(address.host, address.port, keepalive=_KEEP_ALIVE_S)
        self._client.loop_start()

    def _new_client(self, client_id: str, password: str | None, ca_file: Path | None) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, protocol=mqtt.MQTTv311
        )
        if self._address.user is not None:
            client.username_pw_set(self._address.user, password)
        if self._address.with_tls:
            client.tls_set(ca_certs=None if ca_file is None else str(ca_file))
        client.will_set(f"{self._address.topic}/status", "offline", qos=1, retain=True)
        client.reconnect_delay_set(*_RECONNECT_S)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_connect_fail, client.on_publish = self._on_connect_fail, self._on_publish
        return client

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._note_connection(False, f"the broker says: {reason}")
            return
        if self._greeting is None or self._greeting.is_published():  # else the library sends the last one again
            self._greeting = client.publish(f"{self._address.topic}/status", "online", qos=1, retain=True)
        self._note_connection(True, "")

    def _on_connect_fail(self, _client: mqtt.Client, _data: Any) -> None:
        # The library calls this while it handles the error, and tells it in no other way.
        error = sys.exc_info()[1]
        self._note_connection(False, f"no connection ({error})" if error else "no connection")

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self._is_connected:
            self._note_connection(False, f"the connection broke: {reason}")

    def _note_connection(self, is_connected: bool, why_not: str) -> None:
        with self._changed:
            self._is_connected, self._why_not = is_connected, why_not
            self._changed.notify_all()

    def _on_publish(self, _client: mqtt.Client, _data: Any, message: int, _reason: Any, _properties: Any) -> None:
        with self._changed:
            self._acknowledged.add(message)
            self._changed.notify_all()

    def deliver(self, events: Sequence[SpooledEvent]) -> int:
        self._wait_until(lambda: self._is_connected, _CONNECTION_PATIENCE_S)
        for event in events:  # not under the lock: the library may call back while it publishes
            if event.position not in self._published:
                self._published[event.position] = self._publish(event)
        self._forget_all_but_from(events[0].position)
        self._wait_until(lambda: self._n_acknowledged(events) > 0, _BROKER_PATIENCE_S)
        return self._n_acknowledged(events)

    def _publish(self, event: SpooledEvent) -> int:
        message = self._client.publish(self._address.topic, event.body, qos=1)
        if message.rc == mqtt.MQTT_ERR_QUEUE_SIZE:
            raise DeliveryError(f"{self._address.host}:{self._address.port}: too many messages are not acknowledged")
        return message.mid

    def _wait_until(self, is_so: Callable[[], bool], longest_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: is_so() or self._is_closed, longest_s)
            if not is_so():
                why_not = "no acknowledgement" if self._is_connected else self._why_not
                raise DeliveryError(f"{self._address.host}:{self._address.port}: {why_not}", retry_after_s=0.0)

    def _n_acknowledged(self, events: Sequence[SpooledEvent]) -> int:
        n_acknowledged = 0
        for event in events:
            if self._published.get(event.position) not in self._acknowledged:
                break
            n_acknowledged += 1
        return n_acknowledged

    def _forget_all_but_from(self, position: int) -> None:
        """Forget what the courier has settled, and acknowledgements of anything but events: numbers are used again."""
        with self._changed:
            self._published = {known: mid for known, mid in self._published.items() if known >= position}
            self._acknowledged &= set(self._published.values())

    def close(self) -> None:
        with self._changed:
            if self._is_closed:
                return
            self._is_closed = True
            self._changed.notify_all()
        if self._is_connected:
            farewell = self._client.publish(f"{self._address.topic}/status", "offline", qos=1, retain=True)
            try:
                farewell.wait_for_publish(timeout=1.0)
            except (RuntimeError, ValueError):
                LOG.warning("%s: the connection broke while saying goodbye; the broker tells of it", self.name)
        self._client.disconnect()
        # Waits for the network thread, which may be looking up a host's name; that must not hold up the exit.
        stopping = threading.Thread(target=self._client.loop_stop, daemon=True)
        stopping.start()
        stopping.join(1.0)
