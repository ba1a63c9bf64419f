"""What is due, decided from counters alone, so that a resumed run decides the same."""

from dreamer_tf.config.schema import Config
from dreamer_tf.runs.counters import Counters


class Schedule:
    """The order of things in the author's TF2 code.

    `prefill` random steps, `pretrain` updates, an evaluation; then a block of updates every so
    many steps and an evaluation every so many steps.

    An agent that learns from rollouts is the exception: it learns from each as soon as it is there,
    from the first step on. An evaluation comes first, and `updates` are logged together.

    Args:
        config: `Config`; steps, train and evaluate are used.
        at_once: whether the agent learns from rollouts.

    Attributes:
        prefill: environment steps with random actions at the beginning.
    """

    def __init__(self, config: Config, at_once: bool = False):
        self.config = config
        self.at_once = at_once
        self.prefill = 0 if at_once else config.train.prefill
        self._pretrain = 0 if at_once else config.train.pretrain

    def prefilling(self, counters: Counters) -> bool:
        """Returns whether actions are still random."""
        return counters.step < self.prefill

    def updates_due(self, counters: Counters) -> int:
        """Returns how many updates a run should have made by now, where batches are there."""
        if self.at_once:
            return counters.update + 1
        train = self.config.train
        if self.prefilling(counters):
            return 0
        return self._pretrain + train.updates * ((counters.step - self.prefill) // train.every)

    def pretrained(self, counters: Counters) -> bool:
        """Returns whether the updates right after the prefill have been made."""
        return counters.update >= self._pretrain

    def block_end(self, update: int) -> int:
        """Returns the update count at which the block that comes next ends."""
        updates = self.config.train.updates
        if update < self._pretrain:
            return self._pretrain
        return self._pretrain + updates * (1 + (update - self._pretrain) // updates)

    def evaluations_due(self, counters: Counters) -> int:
        """Returns how many evaluations a run should have made by now."""
        return self._evaluations(counters.step)

    def _evaluations(self, step):
        """Returns how many are due by a step; -1 is before the first."""
        if step < self.prefill:
            return 0
        return 1 + (step - self.prefill) // self.config.evaluate.every

    def evaluation_due(self, counters: Counters) -> bool:
        """Returns whether an evaluation is due: on the schedule, or because the run ends."""
        if self.prefilling(counters):
            return False
        # Counted on the present grid: `evaluate.every` may have been another before.
        due = self._evaluations(counters.evaluated_at) < self._evaluations(counters.step)
        return due or (self.collected(counters) and counters.evaluated_at < counters.step)

    def filmed(self, counters: Counters) -> bool:
        """Returns whether the evaluation that comes next, for all that are due, has videos."""
        every, made = self.config.evaluate.videos, counters.evaluations
        due = max(made + 1, self.evaluations_due(counters))
        return bool(every) and any(number % every == 0 for number in range(made, due))

    def collected(self, counters: Counters) -> bool:
        """Returns whether all environment steps have been made."""
        return counters.step >= self.config.steps

    def finished(self, counters: Counters) -> bool:
        """Returns whether nothing at all is left to do."""
        learned = self.at_once or counters.update >= self.updates_due(counters)
        return self.collected(counters) and learned and not self.evaluation_due(counters)
