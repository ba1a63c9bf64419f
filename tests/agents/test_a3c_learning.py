"""A3C learns a real task within seconds: a pole that falls is kept up."""

import numpy as np

from dreamer_tf import agents
from dreamer_tf.basics import seeding
from dreamer_tf.config import files
from dreamer_tf.envs import make_env
from dreamer_tf.envs.recording import RecordingEnv
from dreamer_tf.envs.spec import EnvSpec

ENVIRONMENTS, ROLLOUT = 16, 10
SETTINGS = {
    "agent": "a3c",
    "task": "gym_CartPole-v1",
    "envs": ENVIRONMENTS,
    "steps": 60000,
    "a3c.units": "64,64",
    "a3c.rollout": ROLLOUT,
    "a3c.learning_rate": 5e-4,
}


def learn(seed):
    """Returns the returns of all episodes, in the order of their ends."""
    config = files.load_config([], [(k, str(v)) for k, v in (SETTINGS | {"seed": seed}).items()])
    made = [make_env(config.task) for _ in range(ENVIRONMENTS)]
    spec = EnvSpec.from_env(made[0])
    environments = [RecordingEnv(each, spec) for each in made]
    agent = agents.make(config, spec, "float32")
    seeds = iter(range(seed * 10**6, (seed + 1) * 10**6))
    rows = [[each.reset(next(seeds))] for each in environments]
    totals, finished = np.zeros(ENVIRONMENTS), []
    for step in range(config.steps // ENVIRONMENTS):
        newest = np.stack([row[-1] for row in rows])
        observation = {name: np.ascontiguousarray(newest[name]) for name in spec.observations}
        noise = seeding.pair(seed, "policy", step)
        actions, _ = agent.policy(observation, newest["is_first"], {}, noise, "explore")
        for i, action in enumerate(actions):
            record = environments[i].step(action)
            rows[i].append(record)
            totals[i] += record["reward"]
            if record["is_last"]:
                finished.append(totals[i])
                totals[i] = 0
                rows[i].append(environments[i].reset(next(seeds)))
        if (step + 1) % ROLLOUT == 0:
            rows = [row[-ROLLOUT - 1 :] for row in rows]
            stacked = np.stack([np.stack(row) for row in rows])
            batch = {name: np.ascontiguousarray(stacked[name]) for name in stacked.dtype.names}
            agent.update(batch, noise)
    agent.check()
    return finished


def test_it_keeps_the_pole_up(capsys):
    returns = learn(seed=0)
    first, last = np.mean(returns[:50]), np.mean(returns[-50:])
    with capsys.disabled():
        print(f" [first 50 episodes {first:.0f}, last 50 {last:.0f}]", end="")
    assert last > 4 * first
