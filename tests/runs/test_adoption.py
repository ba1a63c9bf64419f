"""What a killed process left is adopted: a table of what may lie on the disk beside a checkpoint.

Environment 1 of 2 is looked at. The checkpoint was made at tick 40. Expected steps are counted
record by record: those that are kept and were made after tick 40.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest
from episodes_for_tests import RECORD, make_records

from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.growing_file import GrowingFile
from dreamer_tf.runs.adoption import Remembered, adopt
from dreamer_tf.runs.snapshots import known

COUNT, ENVIRONMENT, TICK, NUMBER, STRETCH = 2, 1, 40, 7, 16


def index(begin, length):
    return (begin + length - 1) * COUNT + ENVIRONMENT


@dataclass
class Case:
    """What was there. Episodes are (tick of the reset, records).

    length: records of the checkpoint's unfinished episode, which ended at tick 40.
    finished: whole episodes on the disk; unfinished: {number: episode} of growing files; complete:
    numbers of those that hold their last record. The rest is what must become of it: kept are the
    episodes that are known afterwards, cut those of them that were cut.
    """

    length: int = 0
    finished: list = field(default_factory=list)
    unfinished: dict = field(default_factory=dict)
    complete: tuple = ()
    goes_on: bool = False
    kept: list = field(default_factory=list)
    cut: list = field(default_factory=list)
    number: int = NUMBER
    lost: bool = False


OWN = (30, 11)
CASES = {
    "nothing newer, between two episodes": Case(),
    "own goes on": Case(11, unfinished={NUMBER: OWN}, goes_on=True),
    "own goes on, and was visible": Case(31, unfinished={NUMBER: (10, 31)}, goes_on=True),
    "own has a few more": Case(11, unfinished={NUMBER: (30, 15)}, goes_on=True),
    "own has a stretch more": Case(
        11, unfinished={NUMBER: (30, 16)}, kept=[(30, 16)], cut=[(30, 16)], number=NUMBER + 1
    ),
    "own has two stretches more": Case(
        11, unfinished={NUMBER: (30, 39)}, kept=[(30, 39)], cut=[(30, 39)], number=NUMBER + 1
    ),
    "own has ended": Case(11, [(30, 13)], kept=[(30, 13)], number=NUMBER + 1),
    "own was killed between its last record and its name": Case(
        11, unfinished={NUMBER: (30, 13)}, complete=(NUMBER,), kept=[(30, 13)], number=NUMBER + 1
    ),
    "own ended where it was, its worker having failed": Case(
        17, [(24, 17)], kept=[(24, 17)], number=NUMBER + 1
    ),
    "own has ended, the next is visible": Case(
        11,
        [(30, 13)],
        {NUMBER + 1: (42, 20)},
        kept=[(30, 13), (42, 20)],
        cut=[(42, 20)],
        number=NUMBER + 2,
    ),
    "own has ended, the next is too short": Case(
        11, [(30, 13)], {NUMBER + 1: (42, 15)}, kept=[(30, 13)], number=NUMBER + 2
    ),
    "own and two more have ended, the next is visible": Case(
        11,
        [(30, 13), (42, 5), (46, 9)],
        {NUMBER + 3: (54, 16)},
        kept=[(30, 13), (42, 5), (46, 9), (54, 16)],
        cut=[(54, 16)],
        number=NUMBER + 4,
    ),
    "one began and ended after the checkpoint": Case(
        0, [(40, 9)], kept=[(40, 9)], number=NUMBER + 1
    ),
    "one began after the checkpoint and is visible": Case(
        0, unfinished={NUMBER: (40, 18)}, kept=[(40, 18)], cut=[(40, 18)], number=NUMBER + 1
    ),
    "one began after the checkpoint and is too short": Case(
        0, unfinished={NUMBER: (40, 3)}, number=NUMBER + 1
    ),
    "own is gone": Case(11, number=NUMBER + 1, lost=True),
    "own is gone, the next has ended": Case(
        11, [(44, 9)], kept=[(44, 9)], number=NUMBER + 2, lost=True
    ),
    "own lacks records and was not visible": Case(
        11, unfinished={NUMBER: (30, 9)}, number=NUMBER + 1, lost=True
    ),
    "own lacks records and was visible": Case(
        31, unfinished={NUMBER: (10, 29)}, kept=[(10, 29)], cut=[(10, 29)], number=NUMBER + 1
    ),
    "one before the checkpoint's is left over": Case(
        0, unfinished={NUMBER - 1: (20, 18)}, number=NUMBER
    ),
}


def records_of(episode, whole):
    records = make_records(index(*episode), episode[1])
    records["is_last"][-1] = whole
    return records


def prepare(folder, case):
    """Writes what lies on the disk; returns the `Episodes` of a new process and left over files."""
    episodes = Episodes(folder, RECORD, pytest.fail, COUNT)
    for old in [(0, 6), (5, 6)]:  # The checkpoint knows of them.
        episodes.add(index(*old), records_of(old, True))
    episodes.add(50 * COUNT, make_records(50 * COUNT, 11))  # The other environment's.
    for episode in case.finished:
        episodes.add(index(*episode), records_of(episode, True))
    for number, episode in case.unfinished.items():
        growing = GrowingFile(folder, ENVIRONMENT, number, episode[0], RECORD)
        for record in records_of(episode, number in case.complete):
            growing.add(record)
        growing.store()
    again = Episodes(folder, RECORD, pytest.fail, COUNT)
    again.stretch = STRETCH
    return again, again.take_left_over()


@pytest.mark.parametrize("name", CASES)
def test_what_is_newer_is_adopted(tmp_path, name):
    case, warnings = CASES[name], []
    episodes, left_over = prepare(tmp_path, case)
    before = set(dict(episodes.known)) - {index(*each) for each in case.finished}
    state = {"episode_numbers": [NUMBER] * COUNT, "ticks": TICK, "unfinished": {}}
    if case.length:
        state["unfinished"][str(ENVIRONMENT)] = [TICK - case.length + 1, case.length]
    told = known(state, ENVIRONMENT, COUNT)
    progress = adopt(ENVIRONMENT, told, episodes, left_over, warnings.append)

    assert progress.number == case.number
    assert set(dict(episodes.known)) == before | {index(*each) for each in case.kept}
    steps, ends = 0, []
    for start, length in case.kept:
        steps += sum(tick > TICK for tick in range(start + 1, start + length))
        ends.append(steps)
    assert progress.steps == steps
    assert [each.index for each in progress.adopted] == [index(*each) for each in case.kept]
    assert [max(each.steps, 0) for each in progress.adopted] == ends
    for adopted, episode in zip(progress.adopted, case.kept, strict=True):
        stored = episodes.read(index(*episode))
        assert stored["is_last"][-1] and adopted.length == episode[1] - 1
        assert np.array_equal(stored["action"], records_of(episode, True)["action"])
        total = float(stored["reward"].sum(dtype=np.float64))
        assert adopted.total == (None if episode in case.cut else pytest.approx(total))

    assert len(warnings) == case.lost
    if case.lost:
        lost = f"the {case.length - 1} steps of its unfinished episode are lost"
        assert warnings == [f"environment {ENVIRONMENT}: {lost}"]
    growing = episodes.growing.get(ENVIRONMENT)
    assert (growing is not None) == case.goes_on
    assert len(list(tmp_path.glob("*.part"))) == case.goes_on
    if case.goes_on:
        expected = records_of(case.unfinished[NUMBER], False)[: case.length]
        np.testing.assert_array_equal(np.concatenate(list(growing.records())), expected)
        assert growing.stored == case.length and growing.number == NUMBER
    # The next process finds the same again.
    assert Episodes(tmp_path, RECORD, pytest.fail, COUNT).known == episodes.known


def test_one_that_cannot_be_read_is_left_out_of_the_returns_with_a_warning(tmp_path):
    episodes, _ = prepare(tmp_path, Case(finished=[(40, 20)]))
    warnings = []
    episodes._warn = warnings.append
    path = tmp_path / f"{index(40, 20):06d}-20.npy"
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 2] = b"\x07" * (
        len(content) // 2 - len(content) // 3
    )
    path.write_bytes(content)
    told = Remembered(NUMBER, TICK * COUNT + ENVIRONMENT)
    progress = adopt(ENVIRONMENT, told, episodes, [], pytest.fail)
    assert progress.adopted[0].total is None and progress.steps == 19
    assert len(warnings) == 1 and path.name in warnings[0]


def test_indices_that_older_versions_gave_by_number_are_understood(tmp_path):
    """There an episode's index was number * environments + environment."""
    episodes = Episodes(tmp_path, RECORD, pytest.fail, COUNT)
    for number, length in ((6, 9), (7, 14), (8, 5)):
        own = number * COUNT + ENVIRONMENT
        episodes.add(own, make_records(own, length))
    own = NUMBER * COUNT + ENVIRONMENT
    told = Remembered(NUMBER, (NUMBER - 1) * COUNT + ENVIRONMENT, TICK - 10, 11, own)
    progress = adopt(ENVIRONMENT, told, episodes, [], pytest.fail)
    assert progress.number == 9 and progress.steps == (13 - 10) + 4
    assert [each.index for each in progress.adopted] == [own, own + COUNT]


def test_an_environment_behind_the_others_is_measured_by_its_own_file():
    """After a kill it had nothing to adopt: its unfinished episode went on later than theirs."""
    state = {"episode_numbers": [4, 3], "ticks": 53, "unfinished": {"1": [30, 14]}}
    assert known(state, 1, 2).until < (30 + 14) * 2 + 1 <= 53 * 2 + 1, "its next step counts"
    assert known(state, 0, 2).until == 53 * 2
