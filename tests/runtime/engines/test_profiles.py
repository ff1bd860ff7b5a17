"""The shapes that engines are built for."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hyperflow_runtime.bundle.manifest import Limits, Manifest
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.key import ShapeRange
from hyperflow_runtime.engines.profiles import engine_profiles

MANIFESTS: dict[str, Manifest] = {}
LIMITS = st.builds(Limits, st.integers(1, 4096), st.integers(2, 65536), st.integers(2, 4096))


def _manifest(limits: Limits) -> Manifest:
    return msgspec.structs.replace(MANIFESTS["tiny"], limits=limits)


def test_a_bundle_has_a_profile_for_frames_and_one_for_support_sets(bundle: Bundle) -> None:
    manifest = msgspec.structs.replace(bundle.manifest, limits=Limits(64, 512, 64))

    assert engine_profiles(manifest, "backbone") == (
        (ShapeRange("images", (1, 3, 32, 32), (1, 3, 32, 32), (4, 3, 32, 32)),),
        (ShapeRange("images", (1, 3, 32, 32), (25, 3, 32, 32), (64, 3, 32, 32)),),
    )
    dim = manifest.feature_dim
    assert engine_profiles(manifest, "adapt") == (
        (
            ShapeRange("features", (2, dim), (25, dim), (512, dim)),
            ShapeRange("labels_onehot", (2, 2), (25, 5), (512, 64)),
        ),
    )


def test_the_profile_for_frames_takes_more_than_one(bundle: Bundle) -> None:
    frames = engine_profiles(bundle.manifest, "backbone")[0][0]

    assert frames.opt[0] == 1 < frames.max[0]


def test_every_number_of_images_up_to_the_limit_fits_some_profile(bundle: Bundle) -> None:
    MANIFESTS["tiny"] = bundle.manifest

    @given(LIMITS, st.data())
    def check(limits: Limits, data: st.DataObject) -> None:
        n_images = data.draw(st.integers(1, limits.max_batch))
        ranges = [profile[0] for profile in engine_profiles(_manifest(limits), "backbone")]
        assert any(r.min[0] <= n_images <= r.max[0] for r in ranges)
        assert max(r.max[0] for r in ranges) == limits.max_batch

    check()


def test_each_range_grows_from_least_over_usual_to_largest(bundle: Bundle) -> None:
    MANIFESTS["tiny"] = bundle.manifest

    @given(LIMITS)
    def check(limits: Limits) -> None:
        profiles = engine_profiles(_manifest(limits), "backbone") + engine_profiles(_manifest(limits), "adapt")
        for shapes in (shapes for profile in profiles for shapes in profile):
            for low, usual, high in zip(shapes.min, shapes.opt, shapes.max, strict=True):
                assert 1 <= low <= usual <= high

    check()


def test_features_and_labels_speak_of_the_same_images(bundle: Bundle) -> None:
    features, onehot = engine_profiles(bundle.manifest, "adapt")[0]

    assert [shape[0] for shape in (features.min, features.opt, features.max)] == [
        shape[0] for shape in (onehot.min, onehot.opt, onehot.max)
    ]
