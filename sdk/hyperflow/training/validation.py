"""Validation while a drift is trained, on sets that no training sees.

*gen* starts where the device starts, at theta_0, and counts what adapting gains on queries; it decides which weights
are kept. *recon*, on trajectories held back from flow matching, is computed where those are read.
"""

from __future__ import annotations

import msgspec
import numpy as np
import torch
from torch.nn import functional

from hyperflow.adapted.prototypes import query_cosines
from hyperflow.episodes.sampling import episode_rng, sample_episode
from hyperflow.errors import ConfigError
from hyperflow.images.packed import PackedSet
from hyperflow.images.preprocessing import normalise
from hyperflow.images.tensors import as_unit_images, shrink
from hyperflow.model import HyperFlow

__all__ = ["Validation", "gen_accuracies"]


class Validation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often and on how much a training is validated.

    Attributes:
        every: Steps between two validations; 0 never validates.
        episodes: Episodes a meta-validation set.
        n_shot: Support images a class of these; 5 ways and 8 queries a class.
        patience: Validations without a better *gen* after which a stage stops.
        calibration_episodes: Episodes a set and number of shots from which the finished drift's step size, guard and
            thresholds are chosen.

    Raises:
        ConfigError: A count that cannot work.
    """

    every: int = 500
    episodes: int = 8
    n_shot: int = 5
    patience: int = 10
    calibration_episodes: int = 20

    def __post_init__(self) -> None:
        if self.every < 0 or min(self.episodes, self.n_shot, self.patience, self.calibration_episodes) < 1:
            raise ConfigError(f"every must be 0 or more and the other counts 1 or more, got {self}")


_N_WAY, _N_QUERY = 5, 8
_SEED_OFFSET = 104_729  # calibration draws from the same sets and must not meet the same episodes


@torch.inference_mode()
def gen_accuracies(model: HyperFlow, domains: list[PackedSet], config: Validation, *, seed: int) -> tuple[float, float]:
    """Mean accuracy over sets at theta_0 and at the end of the Euler steps at h = 1, in 0..1.

    Args:
        model: In eval mode.
        domains: Meta-validation sets.
        config: Episodes and shots.
        seed: The run's seed.

    Raises:
        DataError: A set is too small.
    """
    rule, device = model.config.preprocessing, model.backbone.theta_0.device
    direct, adapted = [], []
    for domain in domains:
        for index in range(config.episodes):
            rng = episode_rng(seed + _SEED_OFFSET, domain.name, index)
            episode = sample_episode(
                domain.class_sizes, n_way=_N_WAY, n_shot=config.n_shot, n_query=_N_QUERY, rng=rng
            )  # fmt: skip
            pixels = domain.images_rgb(np.concatenate([episode.support_rows, episode.query_rows]))
            images = normalise(shrink(as_unit_images(pixels), rule.size_px).permute(0, 2, 3, 1), rule)
            images = images.contiguous(memory_format=torch.channels_last).to(device)
            onehot = functional.one_hot(torch.from_numpy(episode.support_labels), _N_WAY).float().to(device)
            labels = torch.from_numpy(episode.query_labels).to(device)
            base = model.encode(images)
            theta, _ = model.adapt(base[: len(onehot)], onehot, torch.ones((), device=device))
            direct.append(_accuracy(base, onehot, labels))
            adapted.append(_accuracy(model.encode(images, theta), onehot, labels))
    return float(np.mean(direct)), float(np.mean(adapted))


def _accuracy(features: torch.Tensor, labels_onehot: torch.Tensor, labels: torch.Tensor) -> float:
    return (query_cosines(features, labels_onehot).argmax(dim=1) == labels).float().mean().item()
