"""Whole runs of ours and of another implementation: same task, sizes, updates and rendering.

A run's speed is what a longer one takes beyond a shorter one, so that start, first steps and
compilation count for neither.
"""

import sys
import tempfile
import time
from collections.abc import Iterable

from benchmarks import agents, processes

TASK = ("walker", "walk")
PREFILL, SHORT, LONG = 1000, 1200, 1800
"""Environment steps: with random actions, and of the two runs."""
OURS = (
    *("--train.prefill", str(PREFILL), "--train.pretrain", "1", "--evaluate.videos", "0"),
    *("--evaluate.every", "1000000", "--evaluate.episodes", "1", "--env.render", "paper"),
    *("--precision", "float32", "--behavior.entropy_scale", "0"),
)


def compare(name: str, python: str, sizes: Iterable[str]) -> list[dict[str, str | float]]:
    """Returns a row for each size and implementation; ratios to the peer."""
    rows = []
    for size in sizes:
        found = {}
        for steps in (SHORT, LONG):
            found.setdefault(name, []).append(_timed(PEERS[name], python, size, steps))
            found.setdefault("dreamer_tf", []).append(_timed(_ours, sys.executable, size, steps))
        speeds = {who: (LONG - SHORT) / (long - short) for who, (short, long) in found.items()}
        for who, speed in speeds.items():
            row = {"task": "_".join(TASK), "size": size, "of": who, "steps/s": speed}
            rows.append(row | {"whole": found[who][1], "ratio": speed / speeds[name]})
    return rows


def _timed(run, python, size, steps):
    """Returns the seconds of a whole command."""
    with tempfile.TemporaryDirectory() as folder:
        words, variables = run(python, size, steps, folder)
        begin = time.perf_counter()
        processes.output(words, **variables)
        return time.perf_counter() - begin


def _ours(python, size, steps, folder):
    presets = agents.PRESETS[size] or ["dreamer"]
    words = [python, "-m", "dreamer_tf.train", "--logdir", folder, "--configs", *presets]
    words += ["--task", "_".join(["dmc", *TASK]), "--steps", str(steps), *OURS]
    return [*words, "--train.every", "100", "--train.updates", "10"], {}


def _sheeprl(python, size, steps, folder):
    """Its steps are the agent's, of two environment steps; one update in five of them."""
    config = agents.config_of(size)
    domain, task = TASK
    keys = {
        **{"exp": "dreamer_v1", "env": "dmc", "env.num_envs": 1, "env.action_repeat": 2},
        **{"env.wrapper.domain_name": domain, "env.wrapper.task_name": task},
        **{"env.wrapper.from_vectors": False, "env.capture_video": False, "env.sync_env": True},
        **{"algo.cnn_keys.encoder": "[rgb]", "algo.mlp_keys.encoder": "[]"},
        **{"algo.total_steps": steps // 2, "algo.learning_starts": PREFILL // 2},
        **{"algo.replay_ratio": 0.2, "algo.per_rank_pretrain_steps": 1, "algo.run_test": False},
        **{"checkpoint.every": 10**6, "checkpoint.save_last": False, "metric.log_every": 10**6},
        **{"buffer.size": 10**4, "buffer.memmap": False, "root_dir": folder},
        "hydra.run.dir": f"{folder}/hydra",
        **{"fabric.precision": "32-true"},
        "algo.per_rank_batch_size": config.train.batch_size,
        "algo.per_rank_sequence_length": config.train.batch_length,
        "algo.dense_units": config.model.units,
        "algo.world_model.encoder.cnn_channels_multiplier": config.model.cnn_depth,
        "algo.world_model.recurrent_model.recurrent_state_size": config.model.deter,
        "algo.world_model.recurrent_model.dense_units": config.model.hidden,
        "algo.world_model.transition_model.hidden_size": config.model.hidden,
        "algo.world_model.representation_model.hidden_size": config.model.hidden,
        **{"algo.world_model.reward_model.mlp_layers": 2, "algo.critic.mlp_layers": 3},
    }
    words = [python, "-m", "sheeprl", *(f"{key}={value}" for key, value in keys.items())]
    return words, {"PYTHONPATH": ""}


PEERS = {"sheeprl": _sheeprl}
