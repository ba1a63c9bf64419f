"""A program: updates of agents, shared by some devices; what they know afterwards as an .npz.

usage: sharing_for_tests.py DEVICES OUT.npz
"""

import sys

import numpy as np
from agents_for_tests import IMAGE, VECTORS, random_batch, tiny_config, tiny_spec, weights

from dreamer_tf import agents
from dreamer_tf.networks import devices, precision

UPDATES = 3
BATCH = 4
LENGTH = 3
CASES = {
    "dreamer": {
        "agent": "dreamer",
        "model__kl_scale": 100,
        "behavior__entropy_scale": 10,
        "behavior__start_every": 2,
    },
    "no_value": {
        "agent": "no_value",
        "train__skip_nonfinite": "true",
        "model__objective": "reward_only",
    },
    "planet": {"agent": "planet"},
    "bfloat16": {"agent": "planet", "precision": "bfloat16"},
}


def main(count, out):
    """Makes the updates of all cases and writes {"case/variable or metric": array}."""
    precision.prepare_devices(count)
    found = {}
    for case, keys in CASES.items():
        if case == "dreamer":
            keys = keys | between(keys)
        agent = make(count, keys)
        results = learn(agent, broken=case != "dreamer")
        found |= {f"{case}/{name}": value for name, value in (results | weights(agent)).items()}
    np.savez(out, **found)


def make(count, keys):
    """Returns an agent whose updates `count` devices share; that of images has ends as well."""
    if keys["agent"] != "planet":
        keys = keys | {"behavior__horizon": 2}
    config = tiny_config(devices=count, train__batch_size=BATCH, **keys)
    spec = tiny_spec(**form(keys["agent"]), terminates=keys["agent"] == "dreamer")
    with devices.scope(count):
        return agents.make(config, spec, precision.resolve(config.precision))


def form(agent):
    """Returns whether the actions of an agent's batches are discrete, and what is observed."""
    observations = IMAGE if agent == "dreamer" else VECTORS
    return {"discrete": agent == "no_value", "observations": observations}


def learn(agent, broken):
    """Makes the updates; returns {name: array} of metrics and of the fault, if there is one."""
    found = {}
    for number in range(UPDATES):
        batch = batch_of(number, agent.config.agent)
        if broken and number == 1:
            batch["reward"][-1, 0] = np.nan  # On the last device only.
        metrics = agent.update(agent.to_device(batch), np.array([7, number], np.int32))
        found |= {f"metric/{number}/{name}": np.asarray(each) for name, each in metrics.items()}
    try:
        agent.check()
    except FloatingPointError as error:
        found["fault"] = np.array(str(error))
    return found


def batch_of(number, agent):
    """Returns a batch with an end on the first device only."""
    batch = random_batch(BATCH, LENGTH, **form(agent), seed=number)
    batch["is_terminal"][0, -1] = True
    return batch


def between(keys):
    """Returns free nats and an entropy limit that one half of the first batch exceeds and all of it
    does not."""
    agent = make(1, keys)
    batch = batch_of(0, "dreamer")
    noise = agent.update_noise(*batch["reward"].shape, np.array([7, 0], np.int32))
    reconstruction = agent.world_model.reconstruct(batch, noise.posterior)
    rollout, _ = agent.imagine(reconstruction.observed, batch, noise)
    limits = []
    for values in (reconstruction.kl.numpy(), rollout.entropies[1:].numpy().T):
        most = max(half.mean() for half in np.split(values, 2))
        limits.append((most + values.mean()) / 2)
    # The limit is given for each of an action's two numbers.
    return {"model__free_nats": limits[0], "behavior__entropy_limit": limits[1] / 2}


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
