"""Where a backbone's public weights come from, for checkpoints that do not hold them."""

from __future__ import annotations

import re

import msgspec

from hyperflow.errors import ConfigError

__all__ = ["PUBLIC_SOURCES", "BackboneSource"]

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MAX_CHARS = 500


class BackboneSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A public file with a backbone's weights.

    Attributes:
        file_name: Its name where it is published.
        where: Address, or words that lead there.
        licence: Licence of the weights, an SPDX expression or one sentence.
        weights_sha256: Of `hyperflow.backbones.weight_arrays.weights_sha256`; it decides, so that any file that holds
            the same weights will do.
        file_sha256: Hash of the published file itself, where it is known; for people, to check a download with.

    Raises:
        ConfigError: A text is empty, longer than 500 characters or not one line, or a hash is none.
    """

    file_name: str
    where: str
    licence: str
    weights_sha256: str
    file_sha256: str | None = None

    def __post_init__(self) -> None:
        for name in ("file_name", "where", "licence"):
            text = getattr(self, name)
            if not (text.strip() and text.isprintable() and len(text) <= _MAX_CHARS):
                raise ConfigError(
                    f"{name} of a backbone's source must be one line of 1..{_MAX_CHARS} characters, got {text[:80]!r}"
                )
        for name in ("weights_sha256", "file_sha256"):
            if (value := getattr(self, name)) is not None and not _SHA256.fullmatch(value):
                raise ConfigError(f"{name} must be 64 hexadecimal digits in lower case, got {value[:80]!r}")

    @property
    def advice(self) -> str:
        """Which file to bring and from where, as part of a message."""
        digest = f", SHA-256 {self.file_sha256}" if self.file_sha256 else ""
        return f"{self.file_name} ({self.licence}{digest}) from {self.where}"


PUBLIC_SOURCES = (
    BackboneSource(
        file_name="mobilenetv2-7.onnx",
        where="https://github.com/onnx/models, folder validated/vision/classification/mobilenet/model",
        licence="Apache-2.0",
        weights_sha256="a9a50c8e2fd32d13aa95224aca77df6c58d4fd6b266ac4473a8c78001f674431",
        file_sha256="c1c513582d56afceff8516c73804e484c81c6a830712ab6d682253f4a3cd042f",
    ),
)
"""Files that nobody has to describe again. The hash of the file is the one in the ONNX Model Zoo's own manifest."""
