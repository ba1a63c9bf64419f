"""What is known of finished episodes: views that stay as they were, and cost nothing to take."""

import numpy as np
import pytest
from episodes_for_tests import RECORD, make_episodes, make_records

from dreamer_tf.experience.episode_file import Episode
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.known import Known


def test_views_stay_while_episodes_come_and_go():
    random = np.random.default_rng(0)
    known, plain, views = Known(capacity=60, floor=-1), [], []
    index = 0
    for _ in range(400):
        index += int(random.integers(1, 4))
        late = index - int(random.integers(0, 6)) * (random.random() < 0.2)
        if late < 0 or late in [each.index for each in plain]:
            continue
        episode = Episode(late, int(random.integers(2, 9)), 80)
        floor, before = known.floor, list(plain)
        dropped = known.add(episode)
        if late <= floor:
            assert dropped == [episode]
        else:
            plain = sorted([*plain, episode])
            while sum(each.length - 1 for each in plain) > 60 and len(plain) > 1:
                before.append(plain.pop(0))
            assert known.floor >= floor
        if random.random() < 0.05 and len(plain) > 1:
            damaged = plain.pop(int(random.integers(len(plain))))
            known.remove(damaged)
        assert list(known.now()) == plain and len(known) == len(plain)
        assert known.steps == sum(each.length - 1 for each in plain)
        after = int(random.integers(index + 2))
        assert known.since(after) == [each for each in plain if each.index > after]
        views.append((known.now(), list(plain)))
    for view, expected in views:
        assert list(view) == expected and len(view) == len(expected)
    with pytest.raises(IndexError):
        view[len(view)]


def test_taking_a_view_copies_nothing(tmp_path):
    episodes = make_episodes(tmp_path, [5] * 10)
    first = episodes.sources()
    episodes.add(20, make_records(20, 5))
    second = episodes.sources()
    assert first.finished.items is second.finished.items
    assert (len(first), len(second)) == (10, 11)


def test_removing_from_one_collection_leaves_the_others(tmp_path):
    episodes = make_episodes(tmp_path, [5, 6, 7])
    mine, other = episodes.sources(), episodes.sources()
    mine.remove(mine[1])
    assert [each.length for each in mine] == [5, 7]
    assert [each.length for each in other] == [5, 6, 7] and len(episodes) == 3


def test_held_files_of_dropped_episodes_stay_as_long_as_they_are_held(tmp_path):
    episodes = Episodes(tmp_path, RECORD, pytest.fail, capacity=8)
    for index in range(4):
        episodes.add(index, make_records(index, 5))
    episodes.held = frozenset({1})
    for _ in range(4):
        episodes.delete_dropped()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{index:06d}-5.npy" for index in (1, 2, 3)
    ]
    again = Episodes(tmp_path, RECORD, pytest.fail, capacity=8, floor=episodes.floor)
    assert [each.index for each in again.present()] == [1, 2, 3]
    for _ in range(2):
        again.delete_dropped()
    assert not (tmp_path / "000001-5.npy").exists()
