"""What is due, decided from counters alone, so that a resumed run decides the same."""


class Schedule:
    """The order of things in the author's TF2 code.

    `prefill` random steps, `pretrain` updates, an evaluation; then a block of updates every so
    many steps and an evaluation every so many steps.

    Args:
        config: `Config`; steps, train and evaluate are used.
    """

    def __init__(self, config):
        self.config = config

    def prefilling(self, counters):
        """Returns whether actions are still random."""
        return counters.step < self.config.train.prefill

    def updates_due(self, counters):
        """Returns how many updates a run should have made by now."""
        train = self.config.train
        if self.prefilling(counters):
            return 0
        return train.pretrain + train.updates * ((counters.step - train.prefill) // train.every)

    def block_end(self, update):
        """Returns the update count at which the block that comes next ends."""
        train = self.config.train
        if update < train.pretrain:
            return train.pretrain
        return train.pretrain + train.updates * (1 + (update - train.pretrain) // train.updates)

    def evaluation_due(self, counters):
        """Returns whether an evaluation is due: on the schedule, or because the run ends."""
        if self.prefilling(counters):
            return False
        past = counters.step - self.config.train.prefill
        due = counters.evaluations < 1 + past // self.config.evaluate.every
        return due or (self.collected(counters) and counters.evaluated_at < counters.step)

    def collected(self, counters):
        """Returns whether all environment steps have been made."""
        return counters.step >= self.config.steps

    def finished(self, counters):
        """Returns whether nothing at all is left to do."""
        return (
            self.collected(counters)
            and counters.update >= self.updates_due(counters)
            and not self.evaluation_due(counters)
        )
