"""What is due when, against the order of the author's TF2 code."""

import pytest

from dreamer_tf.config import files
from dreamer_tf.runs.counters import Counters
from dreamer_tf.training.schedule import Schedule


def events(steps, jump=2, **changes):
    """Plays the trainer's loop on counters alone; returns [(step, what, updates made)]."""
    overrides = [(key.replace("__", "."), str(value)) for key, value in changes.items()]
    config = files.load_config([], [("steps", str(steps)), *overrides])
    schedule, counters, found = Schedule(config), Counters(), []
    while not schedule.finished(counters):
        if counters.update < schedule.updates_due(counters):
            end = schedule.block_end(counters.update)
            found.append((counters.step, "updates", end - counters.update))
            counters.update = end
        elif schedule.evaluation_due(counters):
            found.append((counters.step, "evaluation", 0))
            past = counters.step - config.train.prefill
            counters.evaluations = 1 + past // config.evaluate.every
            counters.evaluated_at = counters.step
        else:
            counters.step += jump
    return found


def test_the_papers_order():
    found = events(16000)
    assert found[:4] == [
        (5000, "updates", 100),
        (5000, "evaluation", 0),
        (6000, "updates", 100),
        (7000, "updates", 100),
    ]
    assert [step for step, what, _ in found if what == "evaluation"] == [5000, 15000, 16000]
    assert sum(count for _, _, count in found) == 100 + 100 * 11


def test_environments_share_the_steps_between_blocks():
    four = events(16000, jump=8)
    assert [step for step, what, _ in four if what == "updates"] == list(range(5000, 16001, 1000))
    # Seven environments of two steps do not divide 1000; nothing is lost or made twice.
    seven = events(16000, jump=14)
    assert sum(count for _, _, count in seven) == sum(count for _, _, count in four)


def test_a_longer_run_goes_on_as_if_it_had_been_planned():
    config = files.load_config([], [("steps", "40000")])
    counters = Counters(step=20000, update=1600, evaluations=2, evaluated_at=20000)
    schedule = Schedule(config)
    assert not schedule.finished(counters)
    assert not schedule.evaluation_due(counters)
    counters.step = 25000
    assert schedule.evaluation_due(counters)


def test_evaluations_go_on_after_their_interval_has_changed():
    """As often as the new one says, whatever came before; the counters are of the old one."""
    for every, next_ones in ((20000, [205_000, 225_000]), (500, [200_500, 201_000])):
        schedule = Schedule(files.load_config([], [("evaluate.every", str(every))]))
        counters = Counters(step=200_000, evaluations=196, evaluated_at=200_000)
        found = []
        while len(found) < 2:
            if schedule.evaluation_due(counters):
                found.append(counters.step)
                counters.evaluations = schedule.evaluations_due(counters)
                counters.evaluated_at = counters.step
            counters.step += 2
        assert found == next_ones


def test_overdue_updates_come_in_blocks():
    schedule = Schedule(files.load_config([], []))
    counters = Counters(step=9000, update=130)
    assert schedule.updates_due(counters) == 500
    ends, update = [], counters.update
    while update < 500:
        update = schedule.block_end(update)
        ends.append(update)
    assert ends == [200, 300, 400, 500]


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 7])
@pytest.mark.parametrize("videos", [0, 1, 3, 9])
def test_every_nth_evaluation_is_filmed_also_where_several_are_due_at_once(videos, at_a_time):
    schedule = Schedule(
        files.load_config([], [("steps", "1000000"), ("evaluate.videos", str(videos))])
    )
    filmed, counters = [], Counters(step=5000)
    for made in range(0, 60, at_a_time):
        counters.step = 5000 + 10000 * (made + at_a_time - 1)
        assert (counters.evaluations, schedule.evaluations_due(counters)) == (
            made,
            made + at_a_time,
        )
        filmed.append(schedule.filmed(counters))
        counters.evaluations = made + at_a_time
    wanted = set(range(0, 60, videos)) if videos else set()
    batches = [set(range(made, made + at_a_time)) for made in range(0, 60, at_a_time)]
    assert filmed == [bool(batch & wanted) for batch in batches]
    # The one at the end of a run, which the schedule does not count.
    counters.evaluations = schedule.evaluations_due(counters)
    assert schedule.filmed(counters) == (bool(videos) and counters.evaluations % videos == 0)


def test_rollouts_are_learned_from_at_once_and_logged_in_blocks():
    config = files.load_config([], [("steps", "25000"), ("train.updates", "30")])
    schedule = Schedule(config, at_once=True)
    counters = Counters()
    assert not schedule.prefilling(counters), "no random steps, though train.prefill is 5000"
    assert schedule.evaluation_due(counters) and not schedule.finished(counters)
    counters.evaluations, counters.evaluated_at = schedule.evaluations_due(counters), 0
    assert counters.evaluations == 1 and not schedule.evaluation_due(counters)
    for update in range(70):
        counters.update = update
        assert schedule.updates_due(counters) > update
        assert schedule.block_end(update) == update // 30 * 30 + 30
    counters.step = 20000
    assert schedule.evaluations_due(counters) == 3
    counters.evaluations, counters.evaluated_at = 3, 20000
    assert not schedule.finished(counters)
    counters.step = 25000
    assert schedule.evaluation_due(counters), "the run ends"
    counters.evaluated_at = 25000
    assert schedule.finished(counters)
