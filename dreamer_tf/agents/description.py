"""What an agent says of itself before a run begins."""

from dataclasses import dataclass

from dreamer_tf.config.sections import ExplorationConfig
from dreamer_tf.envs.spec import EnvSpec


@dataclass(frozen=True)
class Description:
    """An agent in words and numbers.

    Attributes:
        name: the method's name for people.
        choices: one line, what followed from configuration and environment.
        parameters: {part: number of its weights}.
        update_flops: floating point operations of one update.
        decision_flops: those of one action, where they are worth counting.
        charts: {title: (regular expressions of metric names, ...)}, what to plot of an update's
            metrics and the report's, the most telling first.
        progress: {words: metric name} that the terminal shows, where there are such.
    """

    name: str
    choices: str
    parameters: dict
    update_flops: float
    charts: dict
    progress: dict
    decision_flops: float = 0.0


ACTOR_CHARTS = {
    "Actor's entropy (nats)": ("action_ent",),
    "Actor loss: minus the imagined return": ("actor_loss",),
}
ACTOR_CRITIC_CHARTS = {
    "Actor's entropy (nats)": ("action_ent",),
    "Value loss": ("value_loss",),
    "Actor loss: minus the imagined return": ("actor_loss",),
}
CONTRAST_CHARTS = {
    "Contrastive loss (nats)": ("contrast_loss",),
    "Observations that are told apart": ("contrast_accuracy",),
}
# What the terminal shows of a world model and of what is learned inside it, where there is such.
PROGRESS = {
    "image": "image_loss",
    "vectors": "vector_loss",
    "contrast": "contrast_loss",
    "reward": "reward_loss",
    "KL": "div",
    "value": "value_loss",
    "actor": "actor_loss",
    "entropy": "action_ent",
}


def model_charts(objective: str) -> dict[str, tuple[str, ...]]:
    """Returns the charts of a world model with an objective, `model.objective`."""
    charts = CONTRAST_CHARTS if objective == "contrastive" else {}
    return charts | {
        "Loss of images or vectors": ("(image|vector)_loss",),
        "Loss of rewards and discounts": ("(reward|discount)_loss",),
        "KL divergence (nats)": ("div",),
    }


D4PG_CHARTS = {
    "Critic loss (nats)": ("critic_loss",),
    "Value of the actor's actions": ("value",),
    "Extreme actions": ("saturated",),
}
A3C_CHARTS = {
    "Policy's entropy (nats)": ("action_ent",),
    "Squared error of the value": ("value_error",),
    "Value": ("value",),
}


def actor_words(spec: EnvSpec, exploration: ExplorationConfig) -> str:
    """Returns which actor acts and how it explores, for an `ExplorationConfig`."""
    if spec.discrete:
        final = f"{exploration.epsilon:g} to {exploration.epsilon_final:g}"
        return f"one-hot actor over {spec.action_size} choices, epsilon-greedy ({final})"
    noise = f"additive noise ({exploration.noise:g})"
    return f"tanh-normal actor over {spec.action_size} actions, {noise}"


def discount_words(switch: str, spec: EnvSpec, has_head: bool) -> str:
    """Returns whether there is a discount head and why.

    Args:
        switch: `model.discount_head`.
        spec: `EnvSpec`.
        has_head: whether there is one.
    """
    reason = f"discount_head {switch}"
    if switch == "auto":
        reason = "episodes can terminate" if spec.terminates else "episodes never terminate"
    return f"{'with' if has_head else 'without'} discount head ({reason})"
