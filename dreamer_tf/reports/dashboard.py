"""What TensorBoard shows first: the curves that matter, and the run's configuration."""

from tensorboard.plugins.custom_scalar import layout_pb2, summary
from tensorboard.plugins.hparams import api as hparams

from dreamer_tf.agents.description import Description
from dreamer_tf.config.files import load_config
from dreamer_tf.config.schema import Config, flatten

# Chart -> the tags in it, as regular expressions; the agent's charts are between the two.
FIRST = {"Return": ("sim/test/return$", "sim/train/return$")}
LAST = {"Steps a second": ("agent/fps$",)}


def layout(agent: Description) -> bytes:
    """Returns the serialised summary that lays out the tab Custom Scalars.

    Args:
        agent: `Description` of the agent that is trained.
    """
    own = {
        title: tuple(f"agent/{name}$" for name in names) for title, names in agent.charts.items()
    }
    charts = [
        layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags))
        for title, tags in {**FIRST, **own, **LAST}.items()
    ]
    category = layout_pb2.Category(title=agent.name, chart=charts)
    return summary.pb(layout_pb2.Layout(category=[category])).SerializeToString()


def configuration(config: Config, name: str) -> bytes:
    """Returns the serialised summary for the tab HParams: what differs from the defaults.

    Args:
        config: `Config`.
        name: what the run is called there.
    """
    usual = flatten(load_config([], [("agent", config.agent)]))
    own = {key: value for key, value in flatten(config).items() if value != usual[key]}
    own |= {"task": config.task, "agent": config.agent, "seed": config.seed}
    return hparams.hparams_pb(own, trial_id=name).SerializeToString()
