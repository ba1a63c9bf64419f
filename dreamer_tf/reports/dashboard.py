"""What TensorBoard shows first: the curves that matter, and the run's configuration."""

from tensorboard.plugins.custom_scalar import layout_pb2, summary
from tensorboard.plugins.hparams import api as hparams

# Chart -> the tags in it, as regular expressions.
CHARTS = {
    "Return": ("sim/test/return$", "sim/train/return$"),
    "Loss of images or vectors": ("agent/(image|vector)_loss$",),
    "Loss of rewards and discounts": ("agent/(reward|discount)_loss$",),
    "KL divergence (nats)": ("agent/div$",),
    "Actor's entropy (nats)": ("agent/action_ent$",),
    "Value loss": ("agent/value_loss$",),
    "Actor loss: minus the imagined return": ("agent/actor_loss$",),
    "Steps a second": ("agent/fps$",),
}


def layout():
    """Returns the serialised summary that lays out the tab Custom Scalars."""
    charts = [
        layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags))
        for title, tags in CHARTS.items()
    ]
    category = layout_pb2.Category(title="Dreamer", chart=charts)
    return summary.pb(layout_pb2.Layout(category=[category])).SerializeToString()


def configuration(values):
    """Returns the serialised summary for the tab HParams of {key: value}."""
    return hparams.hparams_pb(values).SerializeToString()
