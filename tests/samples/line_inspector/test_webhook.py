"""Events to a real HTTP receiver that fails in every way."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from line_inspector_parts import Receiver, certificate, free_port, wait_until

from delivery import courier as courier_module
from delivery.credential import CredentialError, credential
from delivery.database import SpooledEvent
from delivery.outbox import Outbox
from delivery.sink import DeliveryError, RejectedError
from delivery.webhook_sink import AddressError, WebhookSink, check_webhook
from line_events.event import Stopped
from line_events.stamping import Stamper

STAMPER = Stamper("test")


def event(reason: str = "") -> Stopped:
    return Stopped(**STAMPER.stamp(), reason=reason)


@pytest.fixture
def make_outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Outbox]]:
    monkeypatch.setattr(courier_module, "_FIRST_PAUSE_S", 0.05)
    opened: list[Outbox] = []

    def make(url: str) -> Outbox:
        opened.append(Outbox([WebhookSink(url, None)], folder=tmp_path / "spool", max_bytes=10**6))
        return opened[-1]

    yield make
    for outbox in opened:
        outbox.close()


def test_an_event_is_posted_as_json_with_its_id_and_the_key(receiver: Receiver) -> None:
    sink = WebhookSink(receiver.url, "Bearer swordfish")

    assert sink.deliver([SpooledEvent(1, "run-1", b'{"a": 1}')]) == 1

    ((headers, body),) = receiver.requests
    assert body == b'{"a": 1}'
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == "run-1"
    assert headers["Authorization"] == "Bearer swordfish"


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408, 401, 403, 404, 307, 302])
def test_answers_that_are_not_about_the_event_are_tried_again(receiver: Receiver, status: int) -> None:
    receiver.answer, receiver.headers = lambda body: status, {"Location": "http://127.0.0.1:1/elsewhere"}

    with pytest.raises(DeliveryError, match=f"answers {status}") as caught:
        WebhookSink(receiver.url, None).deliver([SpooledEvent(1, "id", b"{}")])

    assert "very-secret" not in str(caught.value)
    assert receiver.n_requests == 1


@pytest.mark.parametrize("status", [400, 409, 410, 413, 415, 422])
def test_answers_that_are_about_the_event_reject_it(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda body: status

    with pytest.raises(RejectedError, match=f"answers {status}"):
        WebhookSink(receiver.url, None).deliver([SpooledEvent(1, "id", b"{}")])


@pytest.mark.parametrize(
    ("text", "pause_s"),
    [("7", 7.0), ("0", None), ("99999", 300.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)],
)
def test_a_receiver_may_ask_for_a_pause_but_not_for_hours(receiver: Receiver, text: str, pause_s: float | None) -> None:
    receiver.answer, receiver.headers = lambda body: 503, {"Retry-After": text}

    with pytest.raises(DeliveryError) as caught:
        WebhookSink(receiver.url, None).deliver([SpooledEvent(1, "id", b"{}")])

    assert caught.value.retry_after_s == pause_s


def test_a_receiver_that_is_absent_or_hangs_up_is_tried_again(receiver: Receiver) -> None:
    with pytest.raises(DeliveryError, match="cannot be reached"):
        WebhookSink(f"http://127.0.0.1:{free_port()}/", None).deliver([SpooledEvent(1, "id", b"{}")])
    receiver.answer = lambda body: None
    with pytest.raises(DeliveryError, match=r"gives no answer|cannot be reached"):
        WebhookSink(receiver.url, None).deliver([SpooledEvent(1, "id", b"{}")])


def test_a_receiver_that_hangs_is_given_up_in_time(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.webhook_sink._TIMEOUT_S", 0.2)
    released = threading.Event()
    receiver.answer = lambda body: released.wait(30) and 204

    with pytest.raises(DeliveryError, match="timed out"):
        WebhookSink(receiver.url, None).deliver([SpooledEvent(1, "id", b"{}")])

    released.set()


def test_a_receiver_whose_certificate_nobody_vouches_for_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    receiver = Receiver(context)
    try:
        with pytest.raises(DeliveryError, match="certificate verify failed"):
            WebhookSink(receiver.url, "Bearer swordfish").deliver([SpooledEvent(1, "id", b"{}")])
        assert receiver.n_requests == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(made))
        assert WebhookSink(receiver.url, None).deliver([SpooledEvent(1, "id", b"{}")]) == 1
    finally:
        receiver.close()


def test_all_events_arrive_once_and_in_order_after_an_outage(
    receiver: Receiver, make_outbox: Callable[[str], Outbox]
) -> None:
    receiver.answer = lambda body: 500 if receiver.n_requests <= 3 else 200
    outbox, events = make_outbox(receiver.url), [event() for _ in range(20)]

    for one in events:
        outbox.post(one)

    wait_until(lambda: len(receiver.bodies) == 20, "all events")
    assert [json.loads(body)["id"] for body in receiver.bodies] == [one.id for one in events]
    wait_until(lambda: outbox.counts["webhook"].n_delivered == 20, "all counted")
    counts = outbox.counts["webhook"]
    assert (counts.n_waiting, counts.n_failed, counts.n_rejected, counts.last_error) == (0, 3, 0, None)


def test_one_poisoned_event_does_not_hold_up_the_others_and_is_kept(
    receiver: Receiver, make_outbox: Callable[[str], Outbox], tmp_path: Path
) -> None:
    receiver.answer = lambda body: 422 if b"poison" in body else 200
    outbox = make_outbox(receiver.url)

    for reason in ("a", "poison", "b"):
        outbox.post(event(reason))

    wait_until(lambda: len(receiver.bodies) == 2, "the two good events")
    assert outbox.counts["webhook"].n_rejected == 1
    letter = json.loads((tmp_path / "spool/dead-letters.jsonl").read_text())
    assert (letter["sink"], letter["event"]["reason"]) == ("webhook", "poison")
    assert "answers 422" in letter["reason"]


def test_closing_ends_in_seconds_and_loses_nothing_while_the_receiver_fails(
    receiver: Receiver, make_outbox: Callable[[str], Outbox]
) -> None:
    receiver.answer = lambda body: 500
    outbox = make_outbox(receiver.url)
    events = [event() for _ in range(5)]
    for one in events:
        outbox.post(one)
    outbox.close()
    receiver.answer = lambda body: 200

    make_outbox(receiver.url)

    wait_until(lambda: len(receiver.bodies) == 5, "the events of the run before")
    assert [json.loads(body)["id"] for body in receiver.bodies] == [one.id for one in events]


def test_closing_delivers_what_waits(receiver: Receiver, make_outbox: Callable[[str], Outbox]) -> None:
    outbox = make_outbox(receiver.url)
    for _ in range(10):
        outbox.post(event())

    outbox.close()

    assert len(receiver.bodies) == 10


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://host/x", "no http or https address"),
        ("host/x", "no http or https address"),
        ("https://", "no http or https address"),
        ("file:///etc/passwd", "no http or https address"),
        ("https://host:99999/x", "no address"),
        ("https://[::1/x", "no address"),
        ("https://user:hunter2@host/x", "--webhook-auth-file"),
        ("https://host/a b", "holds a space"),
        ("https://host/a\r\nX: y", "holds a space"),
    ],
)
def test_a_wrong_address_is_refused_and_no_password_repeated(url: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason) as caught:
        check_webhook(url)
    assert "hunter2" not in str(caught.value)


def test_a_key_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_KEY", raising=False)
    assert credential(None, "A_KEY") is None
    monkeypatch.setenv("A_KEY", "from the environment")
    (tmp_path / "key").write_text("from the file\n")

    assert credential(None, "A_KEY") == "from the environment"
    assert credential(tmp_path / "key", "A_KEY") == "from the file"


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"secret\r\nX-Evil: 1", b"\xff\xfe"])
def test_a_key_that_is_no_line_of_text_is_refused_and_not_repeated(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)

    with pytest.raises(CredentialError, match="key") as caught:
        credential(tmp_path / "key", "A_KEY")

    assert "secret" not in str(caught.value)
