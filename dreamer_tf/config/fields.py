"""What a key of the configuration may hold: the fields that sections are made of.

A field's metadata hold its bounds, choices or pattern for `dreamer_tf.config.values`, and under
`shapes` whether the shapes of an agent's weights follow from it.
"""

import dataclasses

LARGEST_COUNT = 10**12


@dataclasses.dataclass(frozen=True)
class Section:
    """One section of the configuration; subclasses are frozen dataclasses of this module's fields.

    A class variable would be a key, so what a section knows beyond its keys are methods.
    """

    def problem(self, config):
        """Returns one line about keys that are impossible together, or None.

        Args:
            config: the whole `Config`; sections that its agent does not use are None.
        """
        return None

    def shaped_by(self):
        """Returns the names of `EnvSpec` fields that the shapes of weights follow from.

        Those that all agents depend on, observations and actions, need not be named.
        """
        return ()


def within(minimum=None, maximum=None, above=None, shapes=False):
    """A number with minimum <= number <= maximum and number > above."""
    bounds = {"minimum": minimum, "maximum": maximum, "above": above}
    return dataclasses.field(metadata={**bounds, "shapes": shapes})


def count(minimum, maximum=LARGEST_COUNT, shapes=False):
    """A whole number."""
    return within(minimum, maximum, shapes=shapes)


def count_or(word, minimum):
    """A whole number, or a word in its place."""
    bounds = {"minimum": minimum, "maximum": LARGEST_COUNT, "above": None}
    return dataclasses.field(metadata={**bounds, "word": word})


def one_of(choices, shapes=False):
    """One of several words; `choices` is any collection of them that keeps its order."""
    return dataclasses.field(metadata={"choices": choices, "shapes": shapes})


def matching(pattern, description):
    """A text that a regular expression matches in full; `description` names it in errors."""
    return dataclasses.field(metadata={"pattern": pattern, "description": description})


def switch(shapes=False):
    """True or false."""
    return dataclasses.field(metadata={"shapes": shapes})
