"""Events to an HTTP receiver: one POST each, in order."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Sequence
from urllib.parse import urlsplit

from delivery.database import SpooledEvent
from delivery.sink import DeliveryError, RejectedError

__all__ = ["AddressError", "WebhookSink", "check_webhook"]

_TIMEOUT_S = 10.0
_LONGEST_RETRY_AFTER_S = 300.0
# Here the receiver's set-up is at fault, not the event: a token that ran out, a path that moved, a busy server. All
# other answers of the 4xx kind mean that this very event will never be taken.
_RETRIED = {401, 403, 404, 405, 407, 408, 425, 429}


class AddressError(ValueError):
    """An address of a sink cannot be used."""


def check_webhook(url: str) -> str:
    """Return the address of a receiver as it came.

    Raises:
        AddressError: It is no http or https address, or has a password in it.
    """
    try:
        parts = urlsplit(url)
        port_is_right = parts.port != 0
    except ValueError as error:
        raise AddressError(f"webhook {url!r:.200} is no address ({error}); write https://host/path") from error
    if "@" in parts.netloc:
        raise AddressError(
            "the webhook's address holds a user or a password, which process lists would show; give them by "
            "--webhook-auth-file or LINE_INSPECTOR_WEBHOOK_AUTH, as the text of the Authorization header"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_right:
        raise AddressError(f"webhook {url!r:.200} is no http or https address; write https://host/path")
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise AddressError(f"webhook {url!r:.200} holds a space or another character that must be written as %XX")
    return url


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET without the event."""

    def redirect_request(self, *_arguments: object, **_options: object) -> None:
        return None


class WebhookSink:
    """Posts to one address. Certificates are verified; the proxy is that of the environment (`https_proxy`)."""

    name = "webhook"
    window = 1

    def __init__(self, url: str, authorization: str | None) -> None:
        """Nothing is sent yet.

        Args:
            url: Checked by `check_webhook`. Messages show no more than its host: paths and queries hold keys at times.
            authorization: Text of the Authorization header; None for none.
        """
        self._url, self._authorization = url, authorization
        self._host = urlsplit(url).netloc
        self._opener = urllib.request.build_opener(_NoRedirects())

    def deliver(self, events: Sequence[SpooledEvent]) -> int:
        event = events[0]
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": event.id,
            "User-Agent": "hyperflow-line-inspector",
        }
        if self._authorization is not None:
            headers["Authorization"] = self._authorization
        request = urllib.request.Request(self._url, event.body, headers, method="POST")
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S):
                return 1
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error.code, error.headers.get("Retry-After")) from error
        except urllib.error.URLError as error:
            raise DeliveryError(f"{self._host} cannot be reached ({error.reason})") from error
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(f"{self._host} gives no answer ({error or type(error).__name__})") from error

    def _refusal(self, status: int, retry_after: str | None) -> DeliveryError | RejectedError:
        if 400 <= status < 500 and status not in _RETRIED:
            return RejectedError(f"{self._host} answers {status}")
        if 300 <= status < 400:
            return DeliveryError(f"{self._host} answers {status}, a redirect; give the address that it leads to")
        pause_s = None
        if retry_after is not None and retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 8:
            pause_s = min(float(retry_after), _LONGEST_RETRY_AFTER_S) or None  # 0 would knock without a pause
        return DeliveryError(f"{self._host} answers {status}", retry_after_s=pause_s)

    def close(self) -> None:
        """Nothing is open between calls; one under way ends with its time limit."""
