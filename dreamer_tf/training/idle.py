"""Keys that a person has set and that mean nothing in the run's environment."""

from collections.abc import Iterable, Iterator

from dreamer_tf.config.schema import Config, flatten
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.envs.tasks import is_atari, is_suite


def notes(config: Config, spec: EnvSpec, given: Iterable[str]) -> list[str]:
    """Returns a line for each reason why some keys that were given change nothing.

    Args:
        config: `Config`.
        spec: `EnvSpec` of the environments.
        given: the keys.
    """
    used, found = flatten(config), []
    for reason, keys in _reasons(config, spec):
        idle = [key for key in given if key in keys and used.get(key) is not None]
        if idle:
            found.append(f"without effect here: {', '.join(idle)} ({reason})")
    return found


def _reasons(config: Config, spec: EnvSpec) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yields (reason, keys that have no effect for it)."""
    if spec.discrete:
        scales = ("behavior.mean_scale", "behavior.init_std")
        yield "actions are choices", ("exploration.noise", *scales)
    else:
        epsilons = (f"exploration.epsilon{end}" for end in ("", "_final", "_updates"))
        yield "actions are no choices", (*epsilons, "behavior.onehot_gradient")
    if "image" not in spec.observations:
        keys = ("env.image_size", "model.cnn_depth", "model.dither", "d4pg.stack", "d4pg.embed")
        yield "no image is observed", keys
    if not spec.vector_size:
        yield (
            "no vector is observed",
            tuple(f"model.vector_{end}" for end in ("layers", "transform", "scale")),
        )
    if spec.discrete or config.behavior is None:
        yield "there is one best action", ("evaluate.action",)
    if config.behavior is not None and config.behavior.entropy_scale == 0:
        yield "behavior.entropy_scale is 0", ("behavior.entropy_limit",)
    if config.d4pg is not None:
        yield from _of_d4pg(config)
    limit = config.env.time_limit
    if limit != "auto" and spec.time_limit < limit:
        yield f"the environment's own limit is {spec.time_limit} steps", ("env.time_limit",)
    if not is_suite(config.task):
        yield "the task is not of the control suite", ("env.render",)
    if not is_atari(config.task):
        yield "the task is no Atari game", ("env.life_loss",)
    if config.model is not None:
        yield from _of_model(config.model, spec)


def _of_model(model, spec):
    if model.objective == "reconstruction":
        yield "images are reconstructed", ("model.diagnostic_decoder",)
    if model.objective != "contrastive":
        yield f"model.objective {model.objective}", ("model.contrast", "model.contrast_layers")
    if model.discount_head == "off" or (model.discount_head == "auto" and not spec.terminates):
        ends = ("layers", "scale", "labels")
        yield "there is no discount head", tuple(f"model.discount_{end}" for end in ends)


def _of_d4pg(config):
    if config.envs > 1:
        yield "each of several environments has its own noise", ("d4pg.noise",)
    else:
        yield "there is one environment", ("d4pg.noise_min", "d4pg.noise_max")
    if config.d4pg.priority == 0:
        yield "d4pg.priority is 0", ("d4pg.importance",)
