"""Events to a real broker that is killed and comes back."""

from __future__ import annotations

import gc
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from line_inspector_parts import Broker, Subscriber, certificate, free_port, wait_until

from delivery.mqtt_address import MqttAddress
from delivery.outbox import Outbox
from delivery.webhook_sink import AddressError
from line_events.event import Stopped
from line_events.stamping import Stamper

STAMPER = Stamper("test")


def outbox(folder: Path, port: int, *, user: str = "", password: str | None = None, client_id: str = "one") -> Outbox:
    from delivery.mqtt_sink import MqttSink

    address = MqttAddress.parsed(f"mqtt://{user and user + '@'}127.0.0.1:{port}/line1/label")
    sink = MqttSink(address, client_id=client_id, password=password, ca_file=None)
    return Outbox([sink], folder=folder, max_bytes=10**6)


def post(box: Outbox, n: int) -> list[str]:
    events = [Stopped(**STAMPER.stamp(), reason="") for _ in range(n)]
    for event in events:
        box.post(event)
    return [event.id for event in events]


def ids(bodies: list[bytes]) -> list[str]:
    return [json.loads(body)["id"] for body in bodies]


@pytest.mark.broker
def test_events_arrive_in_order_and_the_status_says_online_and_offline(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber], tmp_path: Path
) -> None:
    broker = make_broker()
    listener = subscribe(broker.port)

    with outbox(tmp_path / "spool", broker.port) as box:
        posted = post(box, 50)
        wait_until(lambda: box.counts["mqtt"].n_delivered == 50, "all acknowledged")

    wait_until(lambda: len(listener.on("line1/label/status")) == 2, "the farewell")
    assert ids(listener.on("line1/label")) == posted
    assert listener.on("line1/label/status") == [b"online", b"offline"]


@pytest.mark.broker
def test_events_of_an_outage_arrive_when_the_broker_is_back(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber], tmp_path: Path
) -> None:
    broker = make_broker()
    listener = subscribe(broker.port)
    with outbox(tmp_path / "spool", broker.port) as box:
        posted = post(box, 5)
        wait_until(lambda: box.counts["mqtt"].n_delivered == 5, "the first five")
        broker.kill()
        posted += post(box, 70)
        wait_until(lambda: box.counts["mqtt"].last_error, "the outage to be noticed")
        assert box.counts["mqtt"].n_waiting == 70
        broker.start()
        listener.wait()

        wait_until(lambda: box.counts["mqtt"].n_delivered == 75, "all acknowledged")

        assert box.counts["mqtt"].last_error is None
    wait_until(lambda: len(set(ids(listener.on("line1/label")))) == 75, "all events")
    assert list(dict.fromkeys(ids(listener.on("line1/label")))) == posted


class Dropping:
    """A broker that accepts every connection, and closes it without acknowledging what is published."""

    def __init__(self) -> None:
        self.n_greetings: list[int] = []  # in each connection
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(0.3)
                connection.recv(4096)
                connection.sendall(b"\x20\x02\x00\x00")  # CONNACK: accepted
                received = b""
                try:
                    while piece := connection.recv(4096):
                        received += piece
                except TimeoutError:
                    pass
                self.n_greetings.append(received.count(b"online"))

    def close(self) -> None:
        self._listener.close()


def test_a_broker_that_drops_every_connection_does_not_pile_up_greetings(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt")
    broker = Dropping()
    with outbox(tmp_path / "spool", broker.port):
        wait_until(lambda: len(broker.n_greetings) >= 3, "three connections")
    broker.close()

    assert broker.n_greetings[:3] == [1, 1, 1]


@pytest.mark.broker
def test_events_wait_for_a_broker_that_was_never_there_over_a_restart(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber], tmp_path: Path
) -> None:
    with outbox(tmp_path / "spool", free_port()) as box:
        posted = post(box, 10)
    broker = make_broker()
    listener = subscribe(broker.port)

    with outbox(tmp_path / "spool", broker.port) as box:
        wait_until(lambda: len(listener.on("line1/label")) == 10, "all events")

    assert ids(listener.on("line1/label")) == posted


@pytest.mark.broker
def test_a_wrong_password_is_said_and_nothing_lost(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber], tmp_path: Path
) -> None:
    passwords = tmp_path / "passwords"
    # "line" with the password "swordfish", as mosquitto_passwd writes it.
    import base64
    import hashlib

    salt = b"twelve bytes"
    key = hashlib.pbkdf2_hmac("sha512", b"swordfish", salt, 101)
    passwords.write_text(f"line:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}\n")
    passwords.chmod(0o644)
    broker = make_broker("allow_anonymous false", f"password_file {passwords}")
    listener = subscribe(broker.port, user="line", password="swordfish")
    with outbox(tmp_path / "spool", broker.port, user="line", password="wrong") as box:
        posted = post(box, 1)
        wait_until(lambda: box.counts["mqtt"].last_error, "the refusal")
        assert "ot authori" in str(box.counts["mqtt"].last_error)

    with outbox(tmp_path / "spool", broker.port, user="line", password="swordfish"):
        wait_until(lambda: ids(listener.on("line1/label")) == posted, "the event")


@pytest.mark.broker
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho drops sockets without closing
def test_over_tls_a_broker_must_show_a_certificate_that_is_trusted(
    make_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    from delivery.mqtt_sink import MqttSink

    made, key = certificate(tmp_path)
    broker = make_broker("allow_anonymous true", f"certfile {made}", f"keyfile {key}")
    address = MqttAddress.parsed(f"mqtts://127.0.0.1:{broker.port}/line1/label")
    trusting = MqttSink(address, client_id="trusting", password=None, ca_file=made)
    wary = MqttSink(address, client_id="wary", password=None, ca_file=None)

    with Outbox([trusting], folder=tmp_path / "a", max_bytes=10**6) as box:
        post(box, 3)
        wait_until(lambda: box.counts["mqtt"].n_delivered == 3, "all acknowledged")
    with Outbox([wary], folder=tmp_path / "b", max_bytes=10**6) as box:
        post(box, 1)
        wait_until(lambda: "certificate verify failed" in str(box.counts["mqtt"].last_error), "the refusal")
    gc.collect()


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://broker/x", "no MQTT address"),
        ("mqtt:///x", "no MQTT address"),
        ("mqtt://broker", "1 to 1000 bytes"),
        ("mqtt://broker/", "1 to 1000 bytes"),
        ("mqtt://broker/a/+/b", r"holds \+, #"),
        ("mqtt://broker/a/%23", r"holds \+, #"),
        ("mqtt://broker/a%00b", "control character"),
        ("mqtt://broker/%ff", "not UTF-8"),
        ("mqtt://broker/$SYS/x", r"not begin with \$"),
        ("mqtt://broker/" + "x" * 1001, "1 to 1000 bytes"),
        ("mqtt://broker:0/x", "no MQTT address"),
        ("mqtt://broker:70000/x", "not readable"),
        ("mqtt://user:hunter2@broker/x", "--mqtt-password-file"),
        ("mqtt://broker/x?qos=0", "no MQTT address"),
    ],
)
def test_a_wrong_address_is_refused_and_no_password_repeated(uri: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason) as caught:
        MqttAddress.parsed(uri)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mqtt://broker/line1/label", MqttAddress("broker", 1883, False, None, "line1/label")),
        ("mqtts://me%40here@broker/l", MqttAddress("broker", 8883, True, "me@here", "l")),
        ("mqtts://[::1]:9/%C3%BC", MqttAddress("::1", 9, True, None, "ü")),
    ],
)
def test_an_address_is_read(uri: str, expected: MqttAddress) -> None:
    assert MqttAddress.parsed(uri) == expected
