"""What a published preprocessor's configuration becomes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from hyperflow.backbones.hf_preprocessing import read_preprocessing
from hyperflow.errors import CheckpointError, ConfigError
from hyperflow.images.preprocessing import Preprocessing

HALF, QUARTER = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (None, Preprocessing(32)),
        ({"image_mean": HALF, "image_std": QUARTER}, Preprocessing(32, mean=HALF, std=QUARTER)),
        ({"size": {"height": 48, "width": 48}}, Preprocessing(48, "squash")),
        ({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True},
         Preprocessing(224, crop_fraction=0.875)),
        ({"size": {"shortest_edge": 256}, "crop_size": 224, "do_center_crop": False}, Preprocessing(256)),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, Preprocessing(224, crop_fraction=0.875)),
        ({"size": 64, "do_normalize": False, "image_mean": HALF},
         Preprocessing(64, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))),
        ({"size": {"height": 48, "width": 64}}, Preprocessing(32, "squash")),
        ({"resample": 3, "image_processor_type": "ViTImageProcessor"}, Preprocessing(32)),
    ],
    ids=["no file", "colours", "square", "crop", "crop is off", "crop share", "no normalising", "oblong", "unknown"],
)  # fmt: skip
def test_fields_become_our_preprocessing(
    fields: dict[str, Any] | None, expected: Preprocessing, tmp_path: Path
) -> None:
    if fields is not None:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(fields))

    assert read_preprocessing(tmp_path, size_px=None, native_px=32) == expected


def test_the_size_that_is_asked_for_wins_and_the_crop_keeps_its_share(tmp_path: Path) -> None:
    processor = transformers.BitImageProcessor(size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224})
    processor.save_pretrained(tmp_path)

    rule = read_preprocessing(tmp_path, size_px=112, native_px=32)

    assert (rule.size_px, rule.resize, rule.crop_fraction) == (112, "centre_crop", 0.875)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a JSON object"),
        ('{"image_mean": [0.5, 0.5]}', "is not a preprocessor's configuration"),
        ('{"image_mean": "0.5"}', "is not a preprocessor's configuration"),
        ('{"do_rescale": false}', "does not scale images to 0..1"),
        ('{"rescale_factor": 0.0078}', r"does not scale images to 0..1 \(rescale_factor 0.0078\)"),
    ],
)
def test_a_file_that_says_something_else_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(content)

    with pytest.raises(CheckpointError, match=message):
        read_preprocessing(tmp_path, size_px=None, native_px=32)


@pytest.mark.parametrize("fields", [{"size": 5000}, {"image_std": [0, 1, 1]}, {"crop_pct": -1.0}])
def test_values_out_of_range_are_refused(fields: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(fields))

    with pytest.raises(ConfigError):
        read_preprocessing(tmp_path, size_px=None, native_px=32)
