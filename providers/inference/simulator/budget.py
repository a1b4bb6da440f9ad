"""How much a schema may make the generator do."""

from __future__ import annotations

LARGEST = 20_000


class Unsatisfiable(Exception):
    """No value was found; the text says why."""


class OutOfBudget(Exception):
    """The schema demands too much; another attempt would not end better."""


class Budget:
    """Counts values, characters, items and steps made, over all attempts."""

    def __init__(self) -> None:
        self.left = LARGEST

    def spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise OutOfBudget
