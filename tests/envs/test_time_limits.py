"""Terminations end returns, time limits do not: learned end to end from an environment."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from agents_for_tests import tiny_config
from gymnasium.spaces import Box

from dreamer_tf.agents.dreamer import Dreamer
from dreamer_tf.agents.random import RandomPolicy
from dreamer_tf.basics import seeding
from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.observing import Observing
from dreamer_tf.envs.recording import RecordingEnv
from dreamer_tf.envs.repeat import RepeatAndLimit
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.sequences import SequenceSource
from dreamer_tf.experience.sources import Sequences

STEPS = 8
DISCOUNT = 0.9
LABELS = "model.discount_labels"
SETTINGS = {
    "model.deter": 24,
    "model.stoch": 4,
    "model.hidden": 24,
    "model.units": 32,
    "model.free_nats": 0,
    "model.learning_rate": 3e-3,
    "behavior.units": 32,
    "behavior.horizon": 4,
    "behavior.discount": DISCOUNT,
    "behavior.value_learning_rate": 3e-3,
}


class Gym(gymnasium.Env):
    """Returns what the days before Gymnasium did, or nothing."""

    observation_space = action_space = Box(-1, 1, (2,), np.float32)

    def __init__(self, result, transition):
        self.result, self.transition = result, transition

    def reset(self, *, seed=None, options=None):
        return self.result

    def step(self, action):
        return self.transition


@pytest.mark.parametrize(
    ("result", "transition", "message"),
    [
        (np.zeros(2), None, r"reset\(\) of .* must return observation, info, not ndarray"),
        (None, None, r"reset\(\) of .* must return observation, info, not NoneType"),
        (
            (np.zeros(2), {}),
            (np.zeros(2), 0.0, False, {}),
            r"step\(\) .* observation, reward, terminated, truncated, info, not 4 values",
        ),
    ],
)
def test_an_interface_of_old_is_told_what_is_wanted(result, transition, message):
    env = Observing(RepeatAndLimit(Gym(result, transition), 1, 10), "vector")
    with pytest.raises(UserError, match=message):
        env.reset(seed=0)
        env.step(np.zeros(2, np.float32))


class Candle(gymnasium.Env):
    """Every step is worth 1. A candle burns down and ends the task; a lamp shines for ever.

    Observed are [lamp or candle, how much has burnt]; the seed says which of them it is.
    """

    observation_space = Box(-1, 1, (2,), np.float32)
    action_space = Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.is_lamp = seed % 2
        self.burnt = 0
        return self._look(), {}

    def step(self, action):
        self.burnt += 1
        return self._look(), 1.0, not self.is_lamp and self.burnt == STEPS, False, {}

    def _look(self):
        burnt = 0 if self.is_lamp else self.burnt / STEPS
        return np.array([2 * self.is_lamp - 1, burnt], np.float32)


@pytest.fixture(scope="module", params=["discount", "continuation"])
def trained(tmp_path_factory, request):
    """An agent after 1000 updates on 30 episodes, and the filtered states of all of them."""
    env = Observing(RepeatAndLimit(Candle(), 1, STEPS), "auto")
    spec = EnvSpec.from_env(env)
    recording, policy = RecordingEnv(env, spec), RandomPolicy(spec, 0)
    episodes = Episodes(tmp_path_factory.mktemp("episodes"), spec.record_dtype, pytest.fail)
    for episode in range(30):
        records = [recording.reset(episode)]
        while not records[-1]["is_last"]:
            records.append(recording.step(policy(1, 100 * episode + len(records))[0]))
        episodes.add(episode, np.stack(records))
    agent = Dreamer(tiny_config(**SETTINGS, **{LABELS: request.param}), spec, "float32")
    source = SequenceSource(Sequences(16, STEPS + 1), episodes, seed=0)
    with source.batches(0, 1000) as batches:
        for update, batch in enumerate(batches):
            agent.update(batch, seeding.pair(0, "update", update))
    agent.check()
    records = np.stack([episodes.read(index) for index, _ in episodes.known])
    batch = {name: records[name] for name in records.dtype.names}
    noise = tf.random.stateless_normal([STEPS + 1, len(records), 4], [1, 2])
    return agent, batch, agent.world_model.reconstruct(batch, noise)


def test_the_data_tell_them_apart(trained):
    _, batch, _ = trained
    lamps = batch["vector"][:, 0, 0] > 0
    assert batch["is_last"][:, -1].all()
    np.testing.assert_array_equal(batch["is_terminal"][:, -1], ~lamps)
    assert 0 < lamps.sum() < len(lamps) and not batch["is_terminal"][:, :-1].any()


def test_the_discount_head_learns_terminations_and_ignores_time_limits(trained):
    agent, batch, found = trained
    discount = agent.world_model.discounts(found.observed.states.features).numpy()
    terminal = batch["is_terminal"]
    assert discount[terminal].max() < 0.1
    np.testing.assert_allclose(discount[~terminal], DISCOUNT, atol=0.1)


def test_values_stop_at_terminations_and_go_on_through_time_limits(trained):
    agent, batch, found = trained
    value = agent.value(found.observed.states.features).mean().numpy()
    lamps = batch["vector"][:, 0, 0] > 0
    left = np.arange(STEPS, -1, -1)
    # A state's value counts its own reward: 1 in the candle's last state.
    candle = (1 - DISCOUNT ** (left + 1)) / (1 - DISCOUNT)
    np.testing.assert_allclose(value[~lamps].mean(0)[1:], candle[1:], atol=0.7)
    lamp = 1 / (1 - DISCOUNT)
    np.testing.assert_allclose(value[lamps].mean(0)[1:], lamp, atol=1.5)
    assert value[lamps][:, -2].min() > 2 * value[~lamps][:, -2].max()
