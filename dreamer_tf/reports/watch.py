"""Says when something that the metrics show will keep an agent from learning."""

from collections.abc import Callable, Mapping

# A symptom that has lasted for so many updates is told.
PATIENCE = 300
# This may be over, and what was learned lost, before so many updates have passed.
AT_ONCE = ("value",)


class Watch:
    """Counts how long each symptom lasts and tells of it once.

    Args:
        warn: function that takes one line of text.
    """

    def __init__(self, warn: Callable[[str], None]):
        self._warn = warn
        self._since = {}
        self._told = set()

    def notice(self, symptoms: Mapping[str, str], update: int) -> None:
        """Takes the symptoms of a block of updates.

        Args:
            symptoms: {name: what is wrong and what to try}.
            update: gradient updates so far.
        """
        self._since = {name: self._since.get(name, update) for name in symptoms}
        for name, since in self._since.items():
            lasted = update - since
            if (lasted >= PATIENCE or name in AT_ONCE) and name not in self._told:
                self._told.add(name)
                how_long = f"for {lasted} updates " if lasted else ""
                self._warn(f"{how_long}{symptoms[name]} (docs/metrics.md)")
