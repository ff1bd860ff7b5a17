"""What one `adapt` leaves behind: the classifier in force, and the one without adapting beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hyperflow_runtime.backends.protocol import Array
from hyperflow_runtime.bundle.manifest import Head
from hyperflow_runtime.classifier import Classifier
from hyperflow_runtime.guard import leave_one_out
from hyperflow_runtime.prototypes import prototypes_of
from hyperflow_runtime.results import AdaptReport
from hyperflow_runtime.support import Support
from hyperflow_runtime.unknown import unknown_threshold

__all__ = ["Adaptation", "direct_classifier", "loaded_adaptation"]


def direct_classifier(support: Support, head: Head, theta_0: Array) -> Classifier | None:
    """Prototypes at theta_0, "before adapting"; None for an empty support.

    Args:
        support: Its features are those at theta_0.
        head: Of the bundle.
        theta_0: (P,).
    """
    if not support.shots:
        return None
    features, labels_onehot = support.features, support.labels_onehot
    threshold = unknown_threshold(leave_one_out(features, labels_onehot), head)
    return Classifier(support.labels, theta_0, prototypes_of(features, labels_onehot), 0.0, threshold, head.logit_scale)


@dataclass(frozen=True, eq=False)
class Adaptation:
    """Immutable, so that a prediction always meets one whole adaptation.

    Attributes:
        classifier: Answers under the adapted theta.
        direct: Answers at theta_0 from the same support; None when a file without shots was loaded.
        support: What it was adapted to.
        features: Of each shot under the adapted theta, (D,), by its id; empty when it was loaded from a file and not
            looked at since.
        report: What `adapt` told; None when it was loaded from a file.
    """

    classifier: Classifier
    direct: Classifier | None
    support: Support
    features: Mapping[int, Array]
    report: AdaptReport | None

    def with_features(self, support: Support, features: Array) -> Adaptation:
        """The same with the shots seen under the adapted theta: features (S, D)."""
        return replace(self, features={shot.shot_id: row for shot, row in zip(support.shots, features, strict=True)})

    def without_class(self, label: str) -> Adaptation | None:
        """The same without one class; None when none would be left."""
        classifier = self.classifier.without_class(label)
        if classifier is None:
            return None
        return replace(self, classifier=classifier, direct=self.direct and self.direct.without_class(label))

    def with_renamed_class(self, old: str, new: str) -> Adaptation:
        """The same with one class under another name."""
        direct = self.direct and self.direct.with_renamed_class(old, new)
        return replace(self, classifier=self.classifier.with_renamed_class(old, new), direct=direct)

    def was_made_from(self, support: Support) -> bool:
        """Whether these are its shots, whatever their classes are called by now."""
        return [shot.shot_id for shot in support.shots] == [shot.shot_id for shot in self.support.shots]

    def as_edited(self, support: Support) -> Adaptation | None:
        """Follow edits that were made while it was computed: classes that went are not answered, new names are.

        Args:
            support: As it is now.

        Returns:
            None when no class is left.
        """
        names_now = {shot.shot_id: shot.label for shot in support.shots}
        new_names: dict[str, str] = {}
        for shot in self.support.shots:
            if shot.shot_id in names_now:
                new_names[shot.label] = names_now[shot.shot_id]
        edited: Adaptation | None = self
        for label in self.classifier.labels:
            if edited is not None and label not in new_names:
                edited = edited.without_class(label)
        return edited and edited._renamed(new_names)

    def _renamed(self, new_names: Mapping[str, str]) -> Adaptation:
        direct = self.direct and self.direct.with_labels(new_names)
        return replace(self, classifier=self.classifier.with_labels(new_names), direct=direct)


def loaded_adaptation(classifier: Classifier, support: Support, head: Head, theta_0: Array) -> Adaptation:
    """Put together what a file holds; how its shots look under the adapted theta, it does not hold.

    Args:
        classifier: Adapted.
        support: Its shots, or none.
        head: Of the bundle.
        theta_0: (P,).
    """
    return Adaptation(classifier, direct_classifier(support, head, theta_0), support, {}, None)
