"""What a key of the configuration may hold: the fields that sections are made of.

A field's metadata hold its bounds, choices or pattern for `dreamer_tf.config.values`, and under
`shapes` whether the shapes of an agent's weights follow from it.
"""

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamer_tf.config.schema import Config
    from dreamer_tf.envs.spec import EnvSpec

LARGEST_COUNT = 10**12


@dataclasses.dataclass(frozen=True)
class Section:
    """One section of the configuration; subclasses are frozen dataclasses of this module's fields.

    A class variable would be a key, so what a section knows beyond its keys are methods.
    """

    def problem(self, config: "Config") -> str | None:
        """Returns one line about keys that are impossible together, or None.

        Args:
            config: the whole `Config`; sections that its agent does not use are None.
        """
        return None

    def misfit(self, spec: "EnvSpec") -> str | None:
        """Returns one line about an environment that an agent with this section cannot act in.

        Args:
            spec: `EnvSpec` of the environment.

        Returns:
            The line, or None.
        """
        return None

    def shaped_by(self) -> tuple[str, ...]:
        """Returns the names of `EnvSpec` fields that the shapes of weights follow from.

        Those that all agents depend on, observations and actions, need not be named.
        """
        return ()


def within(
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    shapes: bool = False,
) -> dataclasses.Field:
    """A number with minimum <= number <= maximum and number > above."""
    bounds = {"minimum": minimum, "maximum": maximum, "above": above}
    return dataclasses.field(metadata={**bounds, "shapes": shapes})


def count(minimum: int, maximum: int = LARGEST_COUNT, shapes: bool = False) -> dataclasses.Field:
    """A whole number."""
    return within(minimum, maximum, shapes=shapes)


def count_or(word: str, minimum: int) -> dataclasses.Field:
    """A whole number, or a word in its place."""
    bounds = {"minimum": minimum, "maximum": LARGEST_COUNT, "above": None}
    return dataclasses.field(metadata={**bounds, "word": word})


def sizes() -> dataclasses.Field:
    """The sizes of consecutive layers as a text: `300,200`."""
    described = "whole numbers joined by commas, such as 300,200"
    pattern = {"pattern": r"[1-9][0-9]{0,4}(,[1-9][0-9]{0,4})*", "description": described}
    return dataclasses.field(metadata={**pattern, "digits": True, "shapes": True})


def numbers(text: str) -> list[int]:
    """Returns the numbers in a text of `sizes`."""
    return [int(each) for each in text.split(",")]


def one_of(choices: Collection[str], shapes: bool = False) -> dataclasses.Field:
    """One of several words; `choices` is any collection of them that keeps its order."""
    return dataclasses.field(metadata={"choices": choices, "shapes": shapes})


def matching(pattern: str, description: str) -> dataclasses.Field:
    """A text that a regular expression matches in full; `description` names it in errors."""
    return dataclasses.field(metadata={"pattern": pattern, "description": description})


def switch(shapes: bool = False) -> dataclasses.Field:
    """True or false."""
    return dataclasses.field(metadata={"shapes": shapes})
