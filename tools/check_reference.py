"""Compares an update and a stretch of acting with recorded reference cases.

    python tools/check_reference.py CASE.npz [CASE.npz ...]

A case holds weights, a batch, the noise of every draw, and what the author's implementation
computed from them. The case's weights are put into this project's own agent, its own update runs
twice and its own policy acts on the case's noise; every array is compared. This program only
loads, calls and compares. Exit status 0 only if every array of every case passed.

Processors round differently, and some cases turn the last place of an input into a difference that
can be seen. So all is computed again a few times with every input moved by one unit in the last
place: how far that moves an array is its sensitivity, shown beside the difference. An array may
differ by 1e-4 of its largest entry, or by three times its sensitivity, but never by 2e-3.
"""

import argparse
import dataclasses
import json
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

# Where the package is not installed, it is beside this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dreamer_tf.config import files
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.reports import terminal

with terminal.quiet_start():
    import keras
    import tensorflow as tf

    from dreamer_tf.agents.dreamer import Dreamer
    from dreamer_tf.agents.model_based import Learned
    from dreamer_tf.agents.noise import Noise, PolicyNoise

RELATIVE_LIMIT = 1e-4
# Of an array's sensitivity, and what the limit never exceeds.
SENSITIVE_MULTIPLE = 3.0
LARGEST_LIMIT = 2e-3
MOVES = 3
ABSOLUTE_LIMIT = 1e-8
FLIPPED_FRACTION = 0.01
FLIPPED_RATES = {"updated": 2.5, "updated_twice": 5.0}

# Reference layer -> this project's layers; several where one dense layer on a concatenation is
# split by rows.
LAYERS = {
    "rssm/img1": ("rssm/recurrent_input",),
    "rssm/img2": ("rssm/prior_hidden",),
    "rssm/img3": ("rssm/prior_parameters",),
    "rssm/obs1": ("rssm/posterior_deter", "rssm/posterior_embed"),
    "rssm/obs2": ("rssm/posterior_parameters",),
}


def build_agent(case: dict[str, np.ndarray]) -> tuple[Dreamer, dict]:
    """Returns the project's agent in the sizes and with the weights of a case, and those sizes."""
    sizes = json.loads(str(case["config"]))
    depth = {
        head: sum(name.startswith(f"weights/{head}/h") for name in case) // 2 - 1
        for head in ("reward", "value", "actor", "discount")
    }
    base = files.load_config([], [])
    config = dataclasses.replace(
        base,
        model=dataclasses.replace(
            base.model,
            **{name: sizes[name] for name in ("deter", "stoch", "hidden", "cnn_depth", "units")},
            **{name: sizes[name] for name in ("kl_scale", "free_nats", "discount_scale")},
            discount_head="on" if sizes["discount_head"] else "off",
            reward_layers=depth["reward"],
            discount_layers=max(depth["discount"], 1),
            learning_rate=sizes["model_lr"],
        ),
        behavior=dataclasses.replace(
            base.behavior,
            **{name: sizes[name] for name in ("horizon", "discount", "lambda_", "units")},
            actor_layers=depth["actor"],
            value_layers=depth["value"],
            actor_learning_rate=sizes["actor_lr"],
            value_learning_rate=sizes["value_lr"],
        ),
        optimizer=dataclasses.replace(
            base.optimizer, clip=sizes["grad_clip"], epsilon=sizes["adam_epsilon"]
        ),
    )
    spec = EnvSpec(
        observations={"image": ((64, 64, 3), "uint8")},
        action_size=sizes["action_dim"],
        discrete=sizes["action_dist"] == "onehot",
        action_repeat=1,
        time_limit=1000,
        terminates=sizes["discount_head"],
    )
    agent = Dreamer(config, spec, "float32")
    put_weights(agent, case)
    return agent, sizes


def project_paths(name: str) -> list[str]:
    """Returns the paths of the project's variables that make up a reference weight."""
    layer, _, variable = name.rpartition("/")
    parts = LAYERS.get(layer, (layer,))
    if variable == "bias":
        parts = parts[-1:]
    return [f"{part}/{variable}" for part in parts]


def put_weights(agent: Dreamer, case: dict[str, np.ndarray]) -> None:
    """Assigns the case's weights to the agent's variables, every one of them."""
    missing = set(trainable(agent))
    for name in case:
        if not name.startswith("weights/"):
            continue
        paths, start = project_paths(name.removeprefix("weights/")), 0
        for path in paths:
            variable = agent.variables[path]
            stop = start + variable.shape[0]
            rows = case[name][start:stop] if len(paths) > 1 else case[name]
            variable.assign(rows)
            start = stop
            missing.remove(path)
    if missing:
        raise SystemExit(f"error: the case holds no weights for {', '.join(sorted(missing))}")


def trainable(agent: Dreamer) -> dict[str, keras.Variable]:
    """Returns {path: variable} of the agent's weights."""
    return {
        path: variable
        for path, variable in agent.variables.items()
        if "/" in path and not path.startswith("optimizer/")
    }


def gather(values: dict, case: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Returns {prefix/reference name: array} from {project path: array}."""
    found = {}
    for name in case:
        if name.startswith("weights/"):
            name = name.removeprefix("weights/")
            parts = [np.asarray(values[path]) for path in project_paths(name)]
            found[f"{prefix}/{name}"] = np.concatenate(parts) if len(parts) > 1 else parts[0]
    return found


class Runs:
    """Runs of one agent on a case and on cases near it; each compiled function serves all.

    Args:
        agent: from `build_agent`.
    """

    def __init__(self, agent: Dreamer):
        self.agent = agent
        # The policy explores without its epsilon, with the case's noise.
        exploration = dataclasses.replace(
            agent.config.exploration, epsilon=0.0, epsilon_final=0.0, noise=0.3
        )
        agent.config = dataclasses.replace(agent.config, exploration=exploration)
        self.start = {path: variable.numpy() for path, variable in agent.variables.items()}
        self.learn = tf.function(agent.learn, autograph=False)
        self.act = tf.function(agent.act, autograph=False)

    def __call__(self, case: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns all arrays that the project computes from a case's inputs."""
        for path, variable in self.agent.variables.items():
            variable.assign(self.start[path])
        put_weights(self.agent, case)
        return run_policy(self.agent, self.act, case) | run_updates(self.agent, self.learn, case)


def moved(case: dict[str, np.ndarray], generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Returns a case whose floating point inputs are each one unit in the last place away."""
    inputs = ("weights/", "noise/", "data/", "policy/noise")
    found = dict(case)
    for name, value in case.items():
        if name.startswith(inputs) and np.issubdtype(value.dtype, np.floating):
            ends = np.where(generator.random(value.shape) < 0.5, -np.inf, np.inf)
            found[name] = np.nextafter(value, ends.astype(value.dtype))
    # It says where episodes end, by being exactly 0.
    found["data/discount"] = case["data/discount"]
    return found


def sensitivities(
    runs: Runs, case: dict[str, np.ndarray], found: dict[str, np.ndarray]
) -> dict[str, float]:
    """Returns {name: largest relative difference that moving the inputs makes}."""
    generator = np.random.default_rng(0)
    largest = dict.fromkeys(found, 0.0)
    for _ in range(MOVES):
        for name, value in runs(moved(case, generator)).items():
            scale = np.abs(found[name]).max()
            if value.shape == found[name].shape and scale > 0:
                change = np.abs(value.astype(np.float64) - found[name]).max() / scale
                largest[name] = max(largest[name], float(change))
    return largest


def run_updates(
    agent: Dreamer, learn: Callable[..., Learned], case: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns {name: array} of `out/`, `grads/`, `updated/` and `updated_twice/`."""
    is_terminal = case["data/discount"] == 0
    batch = {
        "image": case["data/image_u8"],
        "action": case["data/action"],
        "reward": case["data/reward"],
        "is_first": np.zeros_like(is_terminal),
        "is_terminal": is_terminal,
    }
    batch = {name: tf.constant(value) for name, value in batch.items()}
    noise = Noise(*(tf.constant(case[f"noise/{name}"]) for name in Noise._fields))
    learned = learn(batch, noise)
    found = collect_outputs(learned)
    paths = {id(variable): path for path, variable in agent.variables.items()}
    gradients = {
        paths[id(variable)]: gradient
        for name, optimizer in agent.optimizers.items()
        for variable, gradient in zip(optimizer.trained, learned.gradients[name], strict=True)
    }
    found |= gather(gradients, case, "grads")
    found |= gather(trainable(agent), case, "updated")
    learn(batch, noise)
    return found | gather(trainable(agent), case, "updated_twice")


def collect_outputs(learned: Learned) -> dict[str, np.ndarray]:
    """Returns {out/name: array} of an update's intermediate results."""
    reconstruction, imagined = learned.reconstruction, learned.imagined
    observed = reconstruction.observed
    outputs = {
        "embed": reconstruction.embed,
        "posterior_mean": observed.posterior.mean,
        "posterior_std": observed.posterior.std,
        "posterior_stoch": observed.states.stoch,
        "posterior_deter": observed.states.deter,
        "prior_mean": observed.prior.mean,
        "prior_std": observed.prior.std,
        "decoded_image": reconstruction.image_mean[:, :2],
        "reward_mean": reconstruction.reward_mean,
        "kl": reconstruction.kl,
        "imagined_features": imagined.features,
        "imagined_reward": imagined.reward,
        "imagined_value": imagined.value,
        "imagined_discount": imagined.discount,
        "bootstrap_value": imagined.bootstrap,
        "lambda_returns": imagined.lambda_returns,
    }
    if reconstruction.discount_mean is not None:
        outputs["discount_mean"] = reconstruction.discount_mean
    outputs |= {f"{name}_log_prob": value for name, value in reconstruction.log_probs.items()}
    outputs |= {f"{name}_loss": value for name, value in learned.losses.items()}
    outputs |= {f"{name}_grad_norm": value for name, value in learned.gradient_norms.items()}
    return {f"out/{name}": np.asarray(value) for name, value in outputs.items()}


def run_policy(agent: Dreamer, act: Callable, case: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns {policy/name: array} of acting on the case's images and noise."""
    steps, count = case["policy/reset"].shape
    state = agent.initial_state(count)
    found = {"action": [], "stoch": [], "deter": []}
    nothing = np.zeros([count, agent.spec.action_size], np.float32)
    for step in range(steps):
        noise = PolicyNoise(
            state=case["policy/noise_state"][step],
            action=case["policy/noise_action"][step],
            explore=case["policy/noise_explore"][step]
            if "policy/noise_explore" in case
            else nothing,
            coin=np.zeros([count], np.float32),
            candidates=None,
        )
        observation = {"image": tf.constant(case["policy/image_u8"][step])}
        reset = tf.constant(case["policy/reset"][step])
        _, state = act(observation, reset, state, noise, "explore")
        for name, values in found.items():
            values.append(np.asarray(state[name]))
    return {f"policy/{name}": np.stack(values) for name, values in found.items()}


def compare(
    name: str, found: np.ndarray | None, expected: np.ndarray, sizes: dict, sensitivity: float = 0.0
) -> tuple[float, float, bool]:
    """Returns (largest absolute difference, largest relative difference, passed)."""
    if found is None or found.shape != expected.shape or not np.all(np.isfinite(found)):
        return np.nan, np.nan, False
    difference = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    largest = np.abs(expected).max()
    share = min(max(RELATIVE_LIMIT, SENSITIVE_MULTIPLE * sensitivity), LARGEST_LIMIT)
    limit = share * largest if largest > 0 else ABSOLUTE_LIMIT
    absolute = difference.max()
    relative = absolute / largest if largest > 0 else absolute
    kind, _, rest = name.partition("/")
    if kind not in FLIPPED_RATES:
        return absolute, relative, bool(absolute <= limit)
    part = rest.partition("/")[0]
    rate = sizes[f"{part}_lr" if part in ("actor", "value") else "model_lr"]
    far = int((difference > limit).sum())
    allowed = max(1, FLIPPED_FRACTION * difference.size)
    passed = far <= allowed and absolute <= FLIPPED_RATES[kind] * rate
    return absolute, relative, bool(passed)


def check(path: str | Path) -> tuple[int, int]:
    """Prints a row per array of one case; returns (passed, total)."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            case = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise SystemExit(f"error: {path} is not a readable case: {error}") from None
    if "config" not in case:
        raise SystemExit(f"error: {path} is not a case: it holds no config")
    agent, sizes = build_agent(case)
    runs = Runs(agent)
    found = runs(case)
    sensitive = sensitivities(runs, case, found)
    kinds = ("out/", "grads/", "updated/", "updated_twice/", "policy/")
    inputs = ("policy/image_u8", "policy/reset", "policy/noise")
    names = [name for name in case if name.startswith(kinds) and not name.startswith(inputs)]
    print(f"{path}\n{'array':44s} {'absolute':>10s} {'relative':>10s} {'sensitivity':>12s}")
    passed = 0
    for name in names:
        own = sensitive.get(name, 0.0)
        absolute, relative, good = compare(name, found.get(name), case[name], sizes, own)
        passed += good
        word = "pass" if good else "FAIL"
        print(f"{name:44s} {absolute:10.2e} {relative:10.2e} {own:12.2e} {word}")
    return passed, len(names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks the cases named on the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="+", metavar="CASE.npz")
    counts = [check(path) for path in parser.parse_args(arguments).cases]
    passed, total = (sum(column) for column in zip(*counts, strict=True))
    print(f"{passed} of {total} arrays passed")
    return 0 if total and passed == total else 1


if __name__ == "__main__":
    sys.exit(main())
