"""Tables of a model card, in Markdown, from stored evaluations: nothing in a card is typed by hand.

Give one file a shape; each at 5-way 5-shot has a table of its sets, all together one of means. Example:

    python benchmarks/card_tables.py benchmarks/reference/epyc-2-cores/evaluation-default.json
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from hyperflow.evaluation.statistics import Estimate

__all__ = ["StoredEvaluation", "figure_table", "main", "markdown", "read_evaluation", "set_table", "shape_table"]

MEAN = "**mean over sets**"
_SHIPPED = ("direct", "adapted", "guarded")
_WORDS = {"subset_tuning": "theta fine-tuned", "full_tuning": "all fine-tuned", "linear_probe": "linear probe"}
_CALIBRATION = {"ece": "calibration error, %", "confidence": "mean confidence, %", "nll": "log-likelihood lost, nats"}
_DETECTION = {
    "auroc": "unknown: AUROC of the cosine, %",
    "auroc_probability": "unknown: AUROC of the probability, %",
    "known_accepted": "known images that pass, %",
    "unknown_rejected": "unknown images rejected, %",
}

Table = list[list[str]]


class _Config(msgspec.Struct, frozen=True):
    n_way: int | None
    n_shot: int | None
    episodes: int
    protocol: str = "fixed"


class _Result(msgspec.Struct, frozen=True):
    accuracy: dict[str, Estimate]
    gain: dict[str, Estimate]
    n: dict[str, int] = {}


class _Calibration(msgspec.Struct, frozen=True):
    ece: Estimate
    confidence: Estimate
    nll: Estimate


class _Detection(msgspec.Struct, frozen=True):
    auroc: Estimate
    auroc_probability: Estimate
    known_accepted: Estimate
    unknown_rejected: Estimate


class _Trust(msgspec.Struct, frozen=True):
    mean_calibration: dict[str, _Calibration] = {}
    mean_detection: dict[str, _Detection] = {}


class StoredEvaluation(msgspec.Struct, frozen=True):
    """What a card needs of `hyperflow evaluate --json`; files of older versions hold less and will do.

    Attributes:
        config: Shape of the episodes.
        sets: Result on each set.
        mean: Over sets.
        trust: Calibration and detection of unknown classes, by method; empty where they were not measured.
    """

    config: _Config
    sets: dict[str, _Result]
    mean: _Result
    trust: _Trust = _Trust()

    @property
    def shape(self) -> str:
        """Such as `5-way 5-shot`, after the protocol's name where it is not the fixed one."""
        sizes = ((self.config.n_way, "way"), (self.config.n_shot, "shot"))
        words = [f"{count}-{word}" for count, word in sizes if count is not None]
        return " ".join([*([] if self.config.protocol == "fixed" else [self.config.protocol]), *words])

    @property
    def methods(self) -> list[str]:
        """Methods that answered, in the order of the file."""
        return list(self.mean.accuracy)


def read_evaluation(path: Path) -> StoredEvaluation:
    """Read a file that `hyperflow evaluate --json` wrote.

    Args:
        path: Of this version or an older one.

    Raises:
        click.ClickException: Not readable, or no such file.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=StoredEvaluation)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} is no stored evaluation ({error}); write one with --json") from error


def signed(estimate: Estimate | None) -> str:
    """Write a gain with its sign; empty where there is none."""
    return "" if estimate is None else f"{estimate.mean:+.1f} ± {estimate.ci95:.1f}"


def _words(method: str) -> str:
    return _WORDS.get(method, method)


def _cells(result: _Result, methods: Sequence[str]) -> list[str]:
    accuracies = [str(result.accuracy[method]) if method in result.accuracy else "" for method in methods]
    return accuracies + [signed(result.gain.get(method)) for method in methods if method != "direct"]


def set_table(evaluation: StoredEvaluation) -> Table:
    """Lay out every set: accuracy of each method, then paired gain of each over direct, with 95% intervals.

    Args:
        evaluation: Of any shape.

    Returns:
        Rows of cells, headings first. A method that answered fewer episodes says how many a set.
    """
    methods, n_all = evaluation.methods, evaluation.config.episodes
    counts = {method: evaluation.mean.n.get(method, 0) // len(evaluation.sets) for method in methods}
    fewer = {method: f" ({count} ep.)" for method, count in counts.items() if 0 < count < n_all}
    headings = [f"{_words(method)}{fewer.get(method, '')}" for method in methods]
    gains = [f"gain {_words(method)}" for method in methods if method != "direct"]
    rows = [[name, *_cells(result, methods)] for name, result in evaluation.sets.items()]
    title = f"set ({evaluation.shape}, {n_all} episodes)"
    return [[title, *headings, *gains], *rows, [MEAN, *_cells(evaluation.mean, methods)]]


def shape_table(evaluations: Sequence[StoredEvaluation]) -> Table:
    """Lay out means over sets, one row a shape.

    Args:
        evaluations: One or more.

    Returns:
        Rows of cells, headings first. The last column is the least gain of any set, with the guard.
    """
    methods = [method for method in _SHIPPED if any(method in one.methods for one in evaluations)]
    gains = [f"gain {method}" for method in methods if method != "direct"]
    table = [["mean over sets", "sets", "episodes a set", *methods, *gains, "least gain of a set, guarded"]]
    for one in evaluations:
        guarded = [result.gain["guarded"] for result in one.sets.values() if "guarded" in result.gain]
        least = min(guarded, key=lambda gain: gain.mean, default=None)
        sizes = [str(len(one.sets)), str(one.config.episodes)]
        table.append([one.shape, *sizes, *_cells(one.mean, methods), signed(least)])
    return table


def figure_table(evaluations: Sequence[StoredEvaluation]) -> Table:
    """Lay out calibration and the detection of unknown classes: one row a shape and figure, one column a method.

    Args:
        evaluations: One or more.

    Returns:
        Rows of cells, headings first; nothing where no file has such figures.
    """
    columns = list(
        dict.fromkeys(m for one in evaluations for m in (*one.trust.mean_calibration, *one.trust.mean_detection))
    )
    rows = []
    for one in evaluations:
        parts = ((_CALIBRATION, one.trust.mean_calibration), (_DETECTION, one.trust.mean_detection))
        for names, by_method in parts:
            for field, words in names.items() if by_method else ():
                decimals = 2 if field == "nll" else 1
                found = [getattr(by_method[m], field) if m in by_method else None for m in columns]
                cells = ["" if e is None else f"{e.mean:.{decimals}f} ± {e.ci95:.{decimals}f}" for e in found]
                rows.append([one.shape, words, *cells])
    return [["mean over sets", "figure", *map(_words, columns)], *rows] if rows else []


def markdown(table: Table) -> list[str]:
    """Write a table as lines of Markdown.

    Args:
        table: Rows of cells, headings first; may be empty.
    """
    if not table:
        return []
    head, *rows = ["| " + " | ".join(cells) + " |" for cells in table]
    return [head, "|" + "---|" * len(table[0]), *rows]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(files: tuple[Path, ...]) -> None:
    """Print the tables of a model card from FILES, each written by hyperflow evaluate --json."""
    evaluations = [read_evaluation(path) for path in files]
    tables = [set_table(one) for one in evaluations if one.shape == "5-way 5-shot" or len(evaluations) == 1]
    tables += [shape_table(evaluations), figure_table(evaluations)]
    click.echo("\n\n".join("\n".join(markdown(table)) for table in tables if table))


if __name__ == "__main__":
    main()
