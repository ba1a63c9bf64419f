"""Drawing numbers by priority, against a plain dictionary."""

import numpy as np

from dreamer_tf.experience.priorities import Priorities


def test_priorities_are_those_of_a_plain_array_whatever_comes_and_goes():
    random = np.random.default_rng(0)
    priorities, plain, start = Priorities(), {}, 5000
    history = []
    for round_number in range(300):
        action = random.integers(4)
        if action == 0:
            numbers = range(start, start + int(random.integers(1, 700)) * 3, 3)
            start = numbers[-1] + int(random.integers(1, 900))
            priorities.enter(numbers, round_number)
            plain |= dict.fromkeys(numbers)
            history.append(numbers)
        elif action == 1 and len(history) > 3:
            numbers = history.pop(int(random.integers(2)))
            priorities.leave(numbers)
            for number in numbers:
                del plain[number]
        elif action > 1 and plain:
            numbers, probabilities = priorities.draw(random, 50)
            rest = priorities.largest or 1.0
            values = {n: rest if v is None else v for n, v in plain.items()}
            total = sum(values.values())
            own = [values[number] / total for number in numbers.tolist()]
            np.testing.assert_allclose(probabilities, own, rtol=1e-6)
            before = priorities.values()
            given = random.exponential(size=50).astype(np.float32)
            token = priorities.put(numbers, given)
            if action == 3:
                priorities.undo(token)
                np.testing.assert_array_equal(priorities.values()[1], before[1])
            else:
                plain |= dict(zip(numbers.tolist(), given.tolist(), strict=True))
    assert len(priorities) == len(plain) > 1000
