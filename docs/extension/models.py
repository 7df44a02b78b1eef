"""The table of models and a page for each one with trained weights, from the records in the wheel."""

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.report import results_of
from benchmarks.tables import format_threads
from extension.model_figures import architecture, most_wrong
from extension.pages import GENERATED, command, fenced, is_fresh, table, write
from practicezoo import create_model, list_models, list_weights, model_summary
from practicezoo.metrics.calibration import Reliability
from practicezoo.models import ModelSummary
from practicezoo.plotting import plot_confusion_matrix
from practicezoo.plotting.reliability import draw_reliability
from practicezoo.weights import Weights
from practicezoo.weights.reading import CONFIG
from practicezoo.weights.records import asset_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BATCH_SIZE = 256
SAMPLES = {
    "text": ("", '"Yamamoto"'),
    "image": ("from practicezoo import synthetic_digits\n", "synthetic_digits(1, seed=1).images[0]"),
    "signal": ("from practicezoo.data import mnist1d_signals\n", 'mnist1d_signals("test")[0][0]'),
    "row": ("", "[0.1, 0.4, 0.2, -0.3, 0.0, 0.1, -0.8, -0.1]"),
}


def write_models() -> None:
    """Write every page."""
    write("models.inc", _index())
    for name in sorted({weights.model for weights in list_weights()}):
        write(f"models/{name}.md", _page(name, list_weights(name)))


def _index() -> str:
    """One row for each record, then the models that have none."""
    speed, machine = _milliseconds()
    rows = []
    for weights in list_weights():
        accuracy, low, high = weights.metrics["test_accuracy"], *weights.metrics["interval"]
        rows.append(
            (
                f"[{weights.model}](/generated/models/{weights.model}.md)"
                + ("" if weights.default else f" {weights.tag}")
                + f"<br>{_task(weights)}",
                f"{weights.num_parameters:,}",
                _figure(weights, "multiply-adds of a sample"),
                f"{weights.num_bytes:,}",
                f"{accuracy:.2%} ({100 * low:.1f} to {100 * high:.1f})",
                speed.get(weights.model, ""),
            )
        )
    head = ["model", "parameters", "multiply-adds", "bytes", "accuracy", "ms"]
    without = [name for name in list_models() if not list_weights(name)]
    others = [(f"`{name}`", f"{_count(name):,}", _first_line(name)) for name in without]
    return (
        "{.sortable}\n"
        + table(head, rows, "lrrrrr")
        + "\nAccuracy is on the test data, with Wilson's interval of 95 %. "
        + f"Milliseconds are those of a batch of {BATCH_SIZE} in float32 on {machine}.\n\n"
        + "## Models without trained weights\n\n"
        + table(["model", "parameters", "what it is"], others, "lrl")
    )


def _page(name: str, records: list[Weights]) -> str:
    first = next(weights for weights in records if weights.default)
    program, output = _asked(first)
    parts = [
        f"# {name}\n",
        f"{_task(first)}.\n",
        "## Load it\n",
        fenced(program, "python"),
        fenced(output),
        "Its network for training of your own: [Fine-tune a trained model](/fine-tuning.md).\n",
        "## Train it again\n",
        command(first.command),
        "## Layers\n",
        architecture(first, _example(first)),
        _layers(first),
        _speed(name),
    ]
    for weights in records:
        parts += [f"## Weights {weights.tag}\n", _card(weights), most_wrong(weights)]
    return "\n".join(parts)


def _asked(weights: Weights) -> tuple[str, str]:
    """Three lines that load a network and ask it, and what they print."""
    imports, sample = SAMPLES[weights.preprocessing["kind"]]
    program = (
        f'from practicezoo import load\n{imports}\npredictor = load("{weights.model}")\n'
        f"print(predictor({sample}))\n"
    )
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(program, {})  # noqa: S102
    return program, output.getvalue()


def _layers(weights: Weights) -> str:
    summary = _summary(weights)
    rows = [
        (
            f"`{layer.name}`",
            layer.kind,
            " x ".join(str(size) for size in layer.output_shape[1:]),
            f"{layer.num_parameters:,}",
            f"{layer.multiply_adds:,}",
        )
        for layer in summary.layers
    ]
    total = ("**total**", "", "", f"**{summary.num_parameters:,}**", f"**{summary.multiply_adds:,}**")
    return table(
        ["name", "layer", "output of a sample", "parameters", "multiply-adds"], [*rows, total], "lllrr"
    )


def _example(weights: Weights) -> Any:
    """An input of the network, or the shape of one."""
    preprocessing = weights.preprocessing
    return {
        "text": lambda: torch.ones(1, 8, dtype=torch.long),
        "image": lambda: (1, preprocessing["channels"], preprocessing["size"], preprocessing["size"]),
        "row": lambda: (1, preprocessing["num_features"]),
        "signal": lambda: (1, preprocessing["num_features"], 1),
    }[preprocessing["kind"]]()


def _summary(weights: Weights) -> ModelSummary:
    model = create_model(weights.model, **weights.config)
    with contextlib.redirect_stdout(io.StringIO()):
        return model_summary(model, _example(weights))


def _speed(name: str) -> str:
    """How long a batch takes; empty where nothing was measured."""
    speed, machine = _milliseconds()
    if name not in speed:
        return ""
    link = "[Benchmark inference](/generated/benchmarks/inference.md)"
    return f"A batch of {BATCH_SIZE} takes {speed[name]} ms on {machine}: {link}.\n"


def _confusion(weights: Weights) -> str:
    """The confusion matrix that the record holds, drawn."""
    counts = torch.tensor(weights.metrics["confusion"])

    def draw() -> "Axes":
        targets, predicted = counts.nonzero().repeat_interleave(counts[counts > 0], dim=0).T
        return plot_confusion_matrix(predicted, targets, classes=weights.classes)

    count, right = weights.metrics["num_samples"], weights.metrics["num_right"]
    return _drawn(
        weights,
        "confusion",
        draw,
        width="28rem" if len(counts) <= 10 else "100%",
        alt=f"Confusion matrix of {weights}: {right:,} of {count:,} test samples on the diagonal",
        caption=f"Which classes are taken for which, on {count:,} test samples.",
    )


def _reliability(weights: Weights) -> str:
    """The reliability diagram that the record holds, drawn."""
    found = Reliability(**{name: tuple(bins) for name, bins in weights.metrics["reliability"].items()})
    return _drawn(
        weights,
        "reliability",
        lambda: draw_reliability(found),
        width="24rem",
        alt=(
            f"Reliability diagram of {weights}: accuracy over confidence in 15 bins, with an expected "
            f"calibration error of {found.error:.4f}"
        ),
        caption=(
            "How often answers are right, over the probability that they are given; the numbers of test "
            "samples stand below. On the dashed line probabilities mean what they say."
        ),
    )


def _drawn(
    weights: Weights, kind: str, draw: Callable[[], "Axes"], *, width: str, alt: str, caption: str
) -> str:
    """A figure, made anew only if the record has changed."""
    figure = f"models/{weights.model}-{weights.tag}-{kind}.svg"
    if not is_fresh(figure, [Path(str(asset_folder(weights) / CONFIG))]):
        (GENERATED / figure).parent.mkdir(parents=True, exist_ok=True)
        drawn: Any = draw().figure
        drawn.savefig(GENERATED / figure, bbox_inches="tight", metadata={"Date": None})
    return f"```{{figure}} /generated/{figure}\n:width: {width}\n:alt: {alt}\n\n{caption}\n```\n\n"


def _card(weights: Weights) -> str:
    """The card below this page's headings, its commands in lines that fit, with its figures."""
    _, _, text = weights.card.partition("\n")
    text = re.sub(r"^## ", "### ", text, flags=re.MULTILINE)
    text = re.sub(r"^```console\n(.*?)```$", _wrap_commands, text, flags=re.MULTILINE | re.DOTALL)
    for heading, figure in (("Calibration", _confusion), ("Known limits", _reliability)):
        before, found, after = text.partition(f"### {heading}\n")
        text = f"{before}{figure(weights)}{found}{after}"
    return text


def _wrap_commands(found: re.Match[str]) -> str:
    return "".join(command(line.removeprefix("$ ")) for line in found[1].splitlines())


def _task(weights: Weights) -> str:
    """The card's first sentence."""
    found = re.search(r"## What it is for\n\n(.*?)\.(?: |\n)", weights.card, re.DOTALL)
    if found is None:
        raise ValueError(f"the card of {weights} must say what it is for")
    return found[1]


def _figure(weights: Weights, name: str) -> str:
    """A row of the card's table."""
    found = re.search(rf"^\| {name} \| (.*?) \|$", weights.card, re.MULTILINE)
    return found[1] if found else ""


def _count(name: str) -> int:
    return sum(parameter.numel() for parameter in create_model(name, device="meta").parameters())


def _first_line(name: str) -> str:
    """What the class says, in Markdown."""
    line = (type(create_model(name, device="meta")).__doc__ or "").partition("\n")[0]
    return re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"`\1`", line).replace("``", "`")


def _milliseconds() -> tuple[dict[str, str], str]:
    """How long a batch takes, by model, and on what."""
    result = results_of("inference")["cpu-1"]
    found = {
        cell["model"]: f"{1000 * BATCH_SIZE / cell['measurements'][0]['throughput']:.2g}"
        for cell in result["grid"]["cells"]
        if cell["batch_size"] == BATCH_SIZE
    }
    environment = result["environment"]
    threads, processor = format_threads(environment["num_threads"]), environment["processor"]
    return found, f"{threads} of an {processor}, torch {environment['versions']['torch']}"
