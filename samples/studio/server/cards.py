"""Classes as the page shows them: with stable ids and colours, and with or without shots."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from hyperflow_runtime import SupportError
from hyperflow_runtime.support import check_label
from server.problems import Problem

__all__ = ["MAX_NAME_CHARACTERS", "Card", "Cards", "checked_name"]

MAX_NAME_CHARACTERS = 80


def checked_name(name: str) -> str:
    """Return a class name in the form in which names are compared: NFC, without space around it.

    Raises:
        Problem: 422, blank, too long, or with control characters.
    """
    tidy = unicodedata.normalize("NFC", name).strip()
    if len(tidy) > MAX_NAME_CHARACTERS:
        raise Problem(422, f"A name has at most {MAX_NAME_CHARACTERS} characters, got {len(tidy)}; shorten it.")
    try:
        return check_label(tidy)
    except SupportError as error:
        raise Problem(422, f"This name cannot be used: {error}.") from error


@dataclass(frozen=True)
class Card:
    """One class.

    Attributes:
        class_id: Never given twice.
        name: The session's label, once there is a shot.
        colour_index: The lowest number, from 0, that no other class had when it was made.
    """

    class_id: str
    name: str
    colour_index: int


@dataclass(frozen=True)
class Cards:
    """All classes, in the order in which they were made. Immutable: an edit makes new ones."""

    cards: tuple[Card, ...] = ()

    def get(self, class_id: str) -> Card:
        """Return a class.

        Raises:
            Problem: 404, there is none of this id.
        """
        for card in self.cards:
            if card.class_id == class_id:
                return card
        raise Problem(404, "This class was already deleted, perhaps in another window.")

    def id_of(self, name: str) -> str | None:
        """Return the id of the class of a name, None when there is none."""
        return next((card.class_id for card in self.cards if card.name == name), None)

    def with_new(self, class_id: str, name: str) -> Cards:
        """Add a class at the end.

        Raises:
            Problem: 409, the name is taken.
        """
        self._require_free(name)
        taken = {card.colour_index for card in self.cards}
        colour = next(index for index in range(len(taken) + 1) if index not in taken)
        return Cards((*self.cards, Card(class_id, name, colour)))

    def with_name(self, class_id: str, name: str) -> Cards:
        """Give a class another name.

        Raises:
            Problem: 404, no such class; 409, the name is taken.
        """
        if self.get(class_id).name != name:
            self._require_free(name)
        return Cards(tuple(replace(card, name=name) if card.class_id == class_id else card for card in self.cards))

    def without(self, class_id: str) -> Cards:
        """Take a class away."""
        return Cards(tuple(card for card in self.cards if card.class_id != class_id))

    def _require_free(self, name: str) -> None:
        if self.id_of(name) is not None:
            raise Problem(409, f"There is a class {name!r} already; choose another name.")

    @staticmethod
    def of_names(names: Iterable[str], class_ids: Iterable[str]) -> Cards:
        """Return one class a name, all different."""
        cards = Cards()
        for name, class_id in zip(names, class_ids, strict=False):
            cards = cards.with_new(class_id, name)
        return cards
