"""Describing where public weights come from."""

from __future__ import annotations

import msgspec
import pytest

from hyperflow.backbones.backbone_source import PUBLIC_SOURCES, BackboneSource
from hyperflow.errors import ConfigError

SOURCE = BackboneSource("net.onnx", "https://example.org/net", "MIT", "0" * 64)


def test_the_advice_names_the_file_its_licence_and_where_it_is() -> None:
    assert SOURCE.advice == "net.onnx (MIT) from https://example.org/net"
    hashed = msgspec.structs.replace(SOURCE, file_sha256="1" * 64)
    assert hashed.advice == f"net.onnx (MIT, SHA-256 {'1' * 64}) from https://example.org/net"


def test_every_known_file_has_weights_and_a_hash_of_its_own() -> None:
    assert len({source.weights_sha256 for source in PUBLIC_SOURCES}) == len(PUBLIC_SOURCES)
    assert all(source.file_sha256 not in (None, source.weights_sha256) for source in PUBLIC_SOURCES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"file_name": ""}, "file_name of a backbone's source must be one line of 1..500 characters, got ''"),
        ({"where": " "}, "where of a backbone's source"),
        ({"where": "x" * 501}, "where of a backbone's source"),
        ({"where": "\x1b[2J"}, r"where of a backbone's source must be one line of 1..500 characters, got '\\x1b"),
        ({"licence": "MIT\nGPL"}, "licence of a backbone's source"),
        ({"weights_sha256": "0" * 63}, "weights_sha256 must be 64 hexadecimal digits in lower case, got '000"),
        ({"weights_sha256": "A" * 64}, "weights_sha256 must be 64 hexadecimal digits"),
        ({"file_sha256": ""}, "file_sha256 must be 64 hexadecimal digits"),
    ],
)
def test_a_description_that_cannot_be_shown_or_compared_is_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        msgspec.structs.replace(SOURCE, **values)
