"""Lines of truth and prediction, for what is no image."""

import numpy as np

# So many numbers of the vectors, and so many sequences, are drawn.
MOST_ROWS, MOST_COLUMNS = 10, 3
TRUTH, SEEN, PREDICTED = "#444444", "#3cbe5a", "#e66e1e"


def prediction_lines(
    truth: dict[str, np.ndarray], model: dict[str, np.ndarray], context: int
) -> np.ndarray:
    """Returns a picture uint8 [H, W, 3]: a row for each number of the vectors, a column a sequence.

    Grey the truth, green the model while it sees the truth, orange what it predicts.

    Args:
        truth, model: {name: [N, T, V]}.
        context: number of steps that the model has seen.
    """
    # Loaded here: only who looks at pictures waits for it. Without pyplot, which keeps figures.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    numbers = [(name, i) for name in model for i in range(model[name].shape[-1])]
    rows, columns = numbers[:MOST_ROWS], min(len(next(iter(model.values()))), MOST_COLUMNS)
    figure = Figure((1.4 + 2.8 * columns, 0.7 + 0.95 * len(rows)), dpi=100, layout="constrained")
    axes = figure.subplots(len(rows), columns, sharex=True, sharey="row", squeeze=False)
    for line, (name, i) in zip(axes, rows, strict=True):
        line[0].set_ylabel(
            _short(name, i, model[name].shape[-1]), rotation=0, ha="right", va="center"
        )
        for column, ax in enumerate(line):
            _draw(ax, truth[name][column, :, i], model[name][column, :, i], context)
    for ax in axes[-1]:
        ax.set_xlabel("step")
    left_out = len(numbers) - len(rows)
    more = f" (the first {len(rows)} of {len(numbers)} numbers)" if left_out else ""
    figure.suptitle(f"grey truth, green seen, orange predicted{more}", fontsize=9)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw(ax, truth, model, context):
    steps = np.arange(len(truth))
    ax.plot(steps, truth, color=TRUTH, linewidth=1.2)
    ax.plot(steps[:context], model[:context], color=SEEN, linewidth=1.6)
    begin = max(context - 1, 0)  # The lines meet.
    ax.plot(steps[begin:], model[begin:], color=PREDICTED, linewidth=1.2)
    ax.tick_params(labelsize=7)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _short(name, index, size):
    text = name if len(name) <= 14 else f"{name[:13]}…"
    return text if size == 1 else f"{text} {index + 1}"
