"""Judges runs: bin by bin beside the author's runs, and against policies that learned nothing.

The rules, all on bins of 100 000 environment steps that the run has completed:

* **Tolerance.** `TOLERANCES` times the standard error of the difference of the two means,
  deviation * sqrt(1 / our seeds + 1 / their seeds), where the deviation is that of their seeds (as
  a sample) and at least `LEAST_DEVIATION`. Ours is not estimated from few seeds but taken to be
  theirs. `within` says no more than that: one seed beside five that differ a lot is within
  nearly always, and the limit is printed for that reason.
* **At a floor.** A seed is at a floor if its mean is not `TOLERANCES` standard errors above the
  mean of a policy that has learned nothing, both errors counted. Of a single evaluation the error
  is that of its episodes, as the log has it. Several seeds are at it if more than half of them are
  and their common mean is, with the error that their differences give it: seeds that are all above
  it, and far apart, are not.
* **Below.** Less than their mean minus the tolerance; or at a floor that the author's runs have
  clearly left at that bin or at an earlier one, so that a run that forgets everything is found
  between the bins that are known, too. Where every seed is above the limits that is not below,
  wherever the floors are. Or not a finite number.
* **Not comparable.** Another method, one that observes vectors, or with another horizon or repeat
  than the paper's is not expected to be where Dreamer from pixels is at as many steps: only the
  floors count. It is below if it is at one of them in the bin in which one of its seeds ends; it
  may take longer than the author's runs to leave them.
"""

import dataclasses
import math
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from dreamer_tf.results import binning, item_runs, references, scores

TOLERANCES = 2.0
LEAST_DEVIATION = 25.0
# Where their deviation is not known, they have left the floors for certain if this far above.
CLEAR = 100.0
BELOW, WITHIN, ABOVE, NOT_FINITE, UNKNOWN = "below", "within", "above", "not finite", "not judged"
LEARNED = "above the floors"
# Windows before the points of `references.early`, in steps.
EARLY_WINDOW = 20_000


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One bin of the runs of one name on one task.

    Attributes:
        ours: mean over `seeds` of their bins' means.
        evaluations: in the bin, of all seeds together.
        theirs: the author's `references.Bin`, None if it is not known.
        limits: returns between which ours is within; NaN if nothing is known.
        distance: (ours - theirs) / standard error of the difference; NaN if nothing is known.
        rank: our place among us and their seeds, 1 the best, and how many we are; or None.
        floor: the highest `references.Floor` that ours is not clearly above, or None.
        at_floors: how many of the seeds are at one.
        word: BELOW, WITHIN, ABOVE, NOT_FINITE, UNKNOWN, or of other runs than the author's LEARNED.
        other: what the runs are, if not Dreamer from pixels as the author's; else "".
    """

    task: str
    name: str
    low: int
    high: int
    seeds: int
    evaluations: int
    ours: float
    theirs: references.Bin | None
    limits: tuple
    distance: float
    rank: tuple | None
    floor: references.Floor | None
    word: str
    at_floors: int = 0
    other: str = ""

    @property
    def failed(self) -> bool:
        return self.word in (BELOW, NOT_FINITE)


def judge(
    runs: Sequence[scores.Run], peers: dict[str, list[dict[int, float]]] | None = None
) -> tuple[list[Verdict], list[str]]:
    """Judges every bin that is known of the author's runs, and each run's last complete one.

    Args:
        runs: list of `scores.Run`.
        peers: {task: [{right edge: return} of a seed]} or None, see `references.read_peers`.

    Returns:
        The list of `Verdict` and a list of lines that say what could not be judged and why.
    """
    found, remarks = item_runs.apart(runs)
    verdicts, known = [], references.tf2_bins()
    for (task, name), group in found.items():
        theirs = {(each.low, each.high): each for each in known if each.task == task}
        floors = references.floors(task)
        if not theirs and not floors:
            remarks.append(f"{task}, {name}: nothing to compare with")
            continue
        bins, last = complete_bins(group, theirs), last_bins(group)
        if not bins:
            furthest = max(run.reached for run in group)
            remarks.append(
                f"{task}, {name}: no complete bin, at {furthest} of "
                f"{binning.OFFSET + binning.WIDTH} steps"
            )
        other = next(filter(None, map(other_than_theirs, group)), "")
        for edges, means in sorted(bins.items()):
            seeds = (peers or {}).get(task, ())
            ranked = [curve[edges[1]] for curve in seeds if edges[1] in curve]
            verdict = _judge_bin(task, name, edges, means, theirs, floors, ranked)
            if other:
                verdict = _by_floors(verdict, floors, other, edges in last)
            verdicts.append(verdict)
            if len(means) < len(group):
                remarks.append(
                    f"{task}, {name}: in the bin up to {edges[1]} steps are {len(means)} of "
                    f"{len(group)} seeds; the others have ended before or not come so far"
                )
    return verdicts, remarks


def groups(runs: Sequence[scores.Run]) -> dict[tuple[str, str], list[scores.Run]]:
    """Returns {(task, label): [run, ...]}: the seeds of each set-up, see `item_runs.apart`."""
    return item_runs.apart(runs)[0]


def other_than_theirs(run: scores.Run) -> str:
    """Returns what a run is in words, if not Dreamer from pixels as the author's runs, else "".

    A log that says nothing of its method is taken for the same: those of the author's code do not.
    """
    method = item_runs.method_of(run)
    if method is None and run.setting("agent") is None:
        method = "Dreamer"
    seen, varied = item_runs.other_input(run), item_runs.varied_by(run)
    if method == "Dreamer" and not seen and varied is None:
        return ""
    other = varied and f"with another {item_runs.SETTINGS[varied]}"
    return " ".join(filter(None, [method or "another method", seen, other]))


def complete_bins(
    group: Sequence[scores.Run], wanted: Collection[tuple[int, int]]
) -> dict[tuple[int, int], list[binning.BinMean]]:
    """Returns {(low, high): [BinMean of a seed, ...]} of complete bins.

    The error of a single evaluation is the one that the log has, NaN if it has none.

    Args:
        group: runs of one set-up.
        wanted: (low, high) of the bins that are known of others. Those in which one of the runs has
            its last are added, for all of them.
    """
    bins = {}
    for run in group:
        curve = run.curve(scores.EVALUATION)
        for low, high in sorted({*wanted, *last_bins(group)}):
            extent = low, high, run.reached, run.ended
            found = binning.mean_within(curve.steps, curve.values, *extent)
            if found is not None and found.complete:
                if found.count == 1:
                    (error,) = curve.errors[(curve.steps > low) & (curve.steps <= high)]
                    found = dataclasses.replace(found, error=float(error))
                bins.setdefault((low, high), []).append(found)
    return bins


def last_bins(group: Sequence[scores.Run]) -> set[tuple[int, int]]:
    """Returns the (low, high) of the last complete bin of each of some runs, as a set."""
    found = set()
    for run in group:
        curve = run.curve(scores.EVALUATION)
        own = binning.binned(curve.steps, curve.values, run.reached, ended=run.ended)
        found |= {(each.low, each.high) for each in [one for one in own if one.complete][-1:]}
    return found


def standard_error(means: Sequence[binning.BinMean]) -> float:
    """Returns the error of the mean over seeds; of one seed that of its bin, which may be NaN."""
    if len(means) == 1:
        return means[0].error
    return float(np.std([each.mean for each in means], ddof=1) / math.sqrt(len(means)))


def floor_below(
    floors: Iterable[references.Floor], mean: float, error: float
) -> references.Floor | None:
    """Returns the highest floor that a mean is not clearly above, or None.

    Args:
        error: standard error of the mean. NaN is that of a single episode of the floor's policy,
            the least that was averaged.
    """
    close = []
    for floor in floors:
        own = floor.deviation if math.isnan(error) else error
        if not mean - floor.mean > TOLERANCES * math.hypot(own, floor.error):
            close.append(floor)
    return max(close, key=lambda floor: floor.mean, default=None)


def difference_error(theirs: references.Bin, seeds: int) -> float:
    """Returns the standard error of a difference to the author's mean, NaN if it is not known."""
    sample = theirs.deviation * math.sqrt(theirs.seeds / (theirs.seeds - 1))
    return max(sample, LEAST_DEVIATION) * math.sqrt(1 / seeds + 1 / theirs.seeds)


def _judge_bin(task, name, edges, means, known, floors, ranked):
    """Returns the `Verdict` on one bin.

    Args:
        means: [BinMean] of our seeds.
        known: {(low, high): Bin} of the author's runs on the task.
        floors: of the task.
        ranked: returns of their seeds in the bin.
    """
    ours = float(np.mean([each.mean for each in means]))
    theirs, seeds = known.get(edges), len(means)
    distance, limits, word = math.nan, (math.nan, math.nan), UNKNOWN
    if theirs is not None and not math.isnan(theirs.deviation):
        error = difference_error(theirs, seeds)
        distance = (ours - theirs.mean) / error
        limits = theirs.mean - TOLERANCES * error, theirs.mean + TOLERANCES * error
        word = BELOW if ours < limits[0] else ABOVE if ours > limits[1] else WITHIN
    rank = None
    if ranked and math.isfinite(ours):
        rank = 1 + sum(value > ours for value in ranked), 1 + len(ranked)
    floor, at_floors = _at_floors(floors, means)
    left = any(_has_left(floors, each) for each in known.values() if each.high <= edges[1])
    if floor and left and not all(each.mean > limits[1] for each in means):
        word = BELOW
    if not math.isfinite(ours):
        floor, at_floors, word = None, 0, NOT_FINITE
    evaluations = sum(each.count for each in means)
    beside = theirs, limits, distance, rank
    return Verdict(task, name, *edges, seeds, evaluations, ours, *beside, floor, word, at_floors)


def _at_floors(floors, means):
    """Returns the `Floor` that seeds with some `BinMean`s are at, or None, and how many are at one.

    By the mean and its error alone, one seed far above the others would have all of them at it.
    """
    count = sum(floor_below(floors, each.mean, each.error) is not None for each in means)
    if 2 * count <= len(means):
        return None, count
    mean = float(np.mean([each.mean for each in means]))
    return floor_below(floors, mean, standard_error(means)), count


def _by_floors(verdict, floors, other, last):
    """Returns the `Verdict` on a bin of runs that are not comparable with the author's.

    Args:
        verdict: as if they were.
        floors: of the task.
        other: what they are.
        last: whether it is the last bin of one of them.
    """
    word = verdict.word
    if word != NOT_FINITE:
        word = LEARNED if floors else UNKNOWN
        if verdict.floor is not None:
            word = BELOW if last else UNKNOWN
    unknown = (math.nan, math.nan)
    return dataclasses.replace(verdict, limits=unknown, distance=math.nan, word=word, other=other)


def _has_left(floors, theirs):
    """Tells whether the author's runs are clearly above all floors in a bin."""
    if math.isnan(theirs.deviation):
        return theirs.mean - max(floor.mean for floor in floors) > CLEAR
    error = theirs.deviation / math.sqrt(theirs.seeds - 1)
    return floor_below(floors, theirs.mean, error) is None


def beside_early(runs: Sequence[scores.Run]) -> list[str]:
    """Returns lines that show early points of other methods beside our evaluations; no verdict."""
    lines = []
    for (task, name), group in groups(runs).items():
        for point in references.early():
            if point.task != task:
                continue
            window = point.x - EARLY_WINDOW, point.x
            means = complete_bins(group, [window]).get(window)
            if means:
                ours = np.mean([each.mean for each in means])
                lines.append(
                    f"{task}, {name}, {point.x} steps: ours {ours:.0f} ({len(means)} seeds), "
                    f"{point.method} {point.value:.0f}"
                )
    return lines


HEADINGS = (
    "task name steps seeds evaluations ours theirs limits distance rank floors verdict"
).split()


def table(verdicts: Iterable[Verdict]) -> list[str]:
    """Returns the verdicts as lines of text, a heading first."""
    rows = cells(verdicts)
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def cells(verdicts: Iterable[Verdict]) -> list[list[str]]:
    """Returns the verdicts as lists of strings, headings first."""
    return [HEADINGS, *(_cells(each) for each in verdicts)]


def _cells(verdict):
    theirs, floors = verdict.theirs, references.floors(verdict.task)
    beside = "-"
    if theirs is not None:
        deviation = "?" if math.isnan(theirs.deviation) else f"{theirs.deviation:.0f}"
        beside = f"{theirs.mean:.0f} +- {deviation} ({theirs.seeds})"
    limits = "-" if math.isnan(verdict.limits[0]) else "{:.0f} to {:.0f}".format(*verdict.limits)
    distance = "-" if math.isnan(verdict.distance) else f"{verdict.distance:+.1f}"
    rank = "{} of {}".format(*verdict.rank) if verdict.rank else "seeds unknown"
    highest = max((floor.mean for floor in floors), default=math.nan)
    word = verdict.word
    if verdict.floor is not None:
        word += f", at a floor ({verdict.floor.label}: {verdict.floor.mean:.0f})"
    if verdict.at_floors and (verdict.floor is None or verdict.at_floors < verdict.seeds):
        word += f", {verdict.at_floors} of {verdict.seeds} seeds by themselves at a floor"
    if verdict.other:
        word += f"; not comparable: {verdict.other}"
    return [
        verdict.task,
        verdict.name,
        f"{verdict.low / 1000:g}k-{verdict.high / 1000:g}k",
        str(verdict.seeds),
        str(verdict.evaluations),
        f"{verdict.ours:.0f}",
        beside,
        limits,
        distance,
        rank,
        "-" if math.isnan(highest) else f"<= {highest:.0f}",
        word,
    ]
