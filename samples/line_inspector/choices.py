"""What the command line, the environment and the configuration file say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from delivery.credential import CredentialError, credential
from delivery.line_sinks import FileSink, StandardOutputSink
from delivery.log import LOG
from delivery.mqtt_address import MqttAddress
from delivery.sink import Sink
from delivery.webhook_sink import WebhookSink, check_webhook

__all__ = ["Choices", "open_sinks"]


@dataclass(frozen=True)
class Choices:
    """One value an option; see `inspect_line.py --help`. Sizes are in megabytes of 2^20 bytes."""

    camera: str
    adaptation: Path
    bundle: Path
    station: str
    hold_ms: int
    fps: float | None
    budget_ms: float | None
    events: str | None
    max_events_mb: float
    webhook: str | None
    webhook_auth_file: Path | None
    mqtt: str | None
    mqtt_password_file: Path | None
    mqtt_ca_file: Path | None
    mqtt_client_id: str | None
    spool: Path | None
    max_spool_mb: float
    unknowns: Path | None
    max_unknowns_mb: float
    unknown_every_s: float
    heartbeat_s: float
    threads: int | None
    quiet: bool
    is_json: bool


def open_sinks(choices: Choices, *, on_reader_gone: Callable[[], None]) -> list[Sink]:
    """Make the sinks that were chosen. All addresses are checked before the first one is made.

    Args:
        choices: Untrusted.
        on_reader_gone: Called when nobody reads standard output any more.

    Raises:
        AddressError: A webhook or a topic cannot be used.
        CredentialError: A password or key cannot be read, or the certificates cannot.
    """
    webhook = None if choices.webhook is None else check_webhook(choices.webhook)
    authorization = credential(choices.webhook_auth_file, "LINE_INSPECTOR_WEBHOOK_AUTH")
    if authorization is not None and not authorization.isascii():
        raise CredentialError("the Authorization header of the webhook must be ASCII, as HTTP asks")
    address = None if choices.mqtt is None else MqttAddress.parsed(choices.mqtt)
    sinks: list[Sink] = []
    if choices.events not in (None, "-"):
        sinks.append(FileSink(Path(str(choices.events)), max_bytes=n_bytes(choices.max_events_mb)))
    as_json = choices.is_json or choices.events == "-"
    if as_json or not choices.quiet:
        sinks.append(StandardOutputSink(as_json=as_json, on_reader_gone=on_reader_gone))
    if webhook is not None:
        sinks.append(WebhookSink(webhook, authorization))
    if address is not None:
        sinks.append(_mqtt_sink(address, choices))
    if choices.spool is None and (webhook or address):
        LOG.warning("events that wait for a receiver are lost when the inspector ends; --spool FOLDER keeps them")
    return sinks


def n_bytes(megabytes: float) -> int:
    """Bytes of a size in megabytes."""
    return int(megabytes * 2**20)


def _mqtt_sink(address: MqttAddress, choices: Choices) -> Sink:
    password = credential(choices.mqtt_password_file, "LINE_INSPECTOR_MQTT_PASSWORD")
    if password is not None and address.user is None:
        raise CredentialError("there is an MQTT password and no user; write mqtt://USER@HOST/TOPIC")
    try:
        from delivery.mqtt_sink import MqttSink
    except ImportError as error:
        raise CredentialError("--mqtt needs paho-mqtt 2; pip install 'paho-mqtt>=2'") from error
    client_id = choices.mqtt_client_id or f"line-inspector-{choices.station}"
    try:
        return MqttSink(address, client_id=client_id, password=password, ca_file=choices.mqtt_ca_file)
    except OSError as error:
        raise CredentialError(f"{choices.mqtt_ca_file} holds no certificates that can be read ({error})") from error
