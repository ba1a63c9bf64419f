"""Updates of sheeprl's Dreamer V1 on random data; runs in a Python that has sheeprl, not ours.

Prints one line when it is ready, then makes an update for each line it reads and prints its
seconds.
"""

import sys
import time
from collections.abc import Callable

import gymnasium
import numpy as np
import torch
from hydra import compose, initialize_config_module
from lightning.fabric import Fabric
from omegaconf import OmegaConf
from sheeprl.algos.dreamer_v1.agent import build_agent
from sheeprl.algos.dreamer_v1.dreamer_v1 import train
from sheeprl.utils.utils import dotdict

ACTIONS = 6
# Full size is what sheeprl's own configuration has; smaller presets set these.
SMALLER = [
    "algo.per_rank_batch_size={batch_size}",
    "algo.per_rank_sequence_length={batch_length}",
    "algo.dense_units={units}",
    "algo.horizon={horizon}",
    "algo.world_model.encoder.cnn_channels_multiplier={cnn_depth}",
    "algo.world_model.recurrent_model.recurrent_state_size={deter}",
    "algo.world_model.recurrent_model.dense_units={hidden}",
    "algo.world_model.transition_model.hidden_size={hidden}",
    "algo.world_model.representation_model.hidden_size={hidden}",
]


def configuration(size: str, numbers: dict[str, str]) -> dotdict:
    overrides = ["exp=dreamer_v1", "env=dummy", "algo.mlp_keys.encoder=[]"]
    overrides += ["algo.world_model.reward_model.mlp_layers=2", "algo.critic.mlp_layers=3"]
    overrides += [each.format(**numbers) for each in SMALLER if size != "full"]
    with initialize_config_module("sheeprl.configs", version_base="1.3"):
        composed = compose("config", overrides)
    return dotdict(OmegaConf.to_container(composed, resolve=True, throw_on_missing=True))


def prepare(cfg: dotdict, precision: str) -> Callable[[], None]:
    """Returns a function that makes one update."""
    fabric = Fabric(accelerator="auto", devices=1, precision=precision)
    space = gymnasium.spaces.Dict({"rgb": gymnasium.spaces.Box(0, 255, (3, 64, 64), np.uint8)})
    world_model, actor, critic, _ = build_agent(fabric, (ACTIONS,), True, cfg, space)
    optimizers = [
        torch.optim.Adam(module.parameters(), lr=settings.optimizer.lr, eps=1e-7)
        for module, settings in (
            (world_model, cfg.algo.world_model),
            (actor, cfg.algo.actor),
            (critic, cfg.algo.critic),
        )
    ]
    optimizers = fabric.setup_optimizers(*optimizers)

    data = batch(cfg, fabric)

    def update():
        train(fabric, world_model, actor, critic, *optimizers, data, None, cfg)

    return update


def batch(cfg: dotdict, fabric: Fabric) -> dict[str, torch.Tensor]:
    shape = (cfg.algo.per_rank_sequence_length, cfg.algo.per_rank_batch_size)
    data = {
        "rgb": torch.randint(0, 256, (*shape, 3, 64, 64)).float(),
        "actions": torch.rand(*shape, ACTIONS) * 2 - 1,
        "rewards": torch.rand(*shape, 1),
        "terminated": torch.zeros(*shape, 1),
        "truncated": torch.zeros(*shape, 1),
        "is_first": torch.zeros(*shape, 1),
    }
    return {name: value.to(fabric.device) for name, value in data.items()}


def main(size: str, precision: str, *numbers: str) -> None:
    numbers = dict(number.split("=") for number in numbers)
    update = prepare(configuration(size, numbers), precision)
    update()
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        update()
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
