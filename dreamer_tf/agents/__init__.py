"""Agents, one file each, behind the protocol of `protocol.py`; `config/catalog.py` names them."""

import importlib

from dreamer_tf.agents.protocol import Agent
from dreamer_tf.config import catalog
from dreamer_tf.config.schema import Config
from dreamer_tf.envs.spec import EnvSpec


def make(config: Config, spec: EnvSpec, precision: str) -> Agent:
    """Returns the agent that a configuration names.

    Its module is imported here and not before, and TensorFlow with it.

    Args:
        config: `Config`; `config.agent` is a name in `catalog.AGENTS`.
        spec: `EnvSpec` of the environments.
        precision: `"float32"`, `"bfloat16"` or `"float16"`.
    """
    module, _, name = catalog.AGENTS[config.agent].place.partition(":")
    return getattr(importlib.import_module(module), name)(config, spec, precision)
