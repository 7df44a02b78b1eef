"""Model cards, written from a record and one run over the test data."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from practicezoo.predictors import ImageInput, Predictor, TextInput
from practicezoo.recipes.recipe import Recipe
from practicezoo.recipes.sources import Source

__all__ = ["HEADINGS", "write_card"]

HEADINGS = (
    "What it is for",
    "Data",
    "Training",
    "Figures",
    "Each class",
    "Calibration",
    "Known limits",
    "Reproduce",
    "Cite",
)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SURE = 0.9
FOREIGN = "Иванов"


def write_card(
    recipe: Recipe, predictor: Predictor, source: Source, facts: Mapping[str, Any], cost: Mapping[str, int]
) -> str:
    """The card of a trained network, as Markdown.

    Args:
        recipe: what trained it.
        predictor: the network as it is shipped.
        source: where its data comes from.
        facts: the record: see :class:`~practicezoo.weights.Weights`.
        cost: parameters, multiply-adds of a sample, bytes.
    """
    name = f"{recipe.name}/{facts['tag']}"
    sections = (
        _purpose(recipe, predictor, name),
        _data(source, facts["data"]),
        _training(facts, cost),
        _figures(facts["metrics"], facts["seeds"]),
        _each_class(facts["metrics"]["per_class"]),
        _calibration(facts["calibration"], facts["metrics"]),
        _limits(predictor, facts["metrics"]),
        _reproduce(recipe, facts),
        _cite(name, source, facts["training"]["versions"]),
    )
    parts = [f"# {name}"]
    for heading, lines in zip(HEADINGS, sections, strict=True):
        parts += [f"## {heading}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _purpose(recipe: Recipe, predictor: Predictor, name: str) -> list[str]:
    known = ", ".join(predictor.classes)
    return [
        (
            f"{recipe.summary[0].upper()}{recipe.summary[1:]}. It takes {recipe.sample} and knows "
            f"{len(predictor.classes)} classes: {known}."
        ),
        "",
        "For learning, teaching and as a start for fine-tuning; decide nothing about people with it.",
        "",
        "```python",
        "from practicezoo import load",
        f'predictor = load("{name}")',
        "```",
    ]


def _data(source: Source, data: Mapping[str, Any]) -> list[str]:
    lines = [f"{source.title[0].upper()}{source.title[1:]}. Licence: {source.license}."]
    if data["files"]:
        lines += ["", *_table(("file", "SHA-256"), data["files"].items())]
    return [*lines, "", f"Fingerprint of the training data as the network saw it: `{data['digest']}`."]


def _training(facts: Mapping[str, Any], cost: Mapping[str, int]) -> list[str]:
    training = facts["training"]
    versions = ", ".join(f"{name} {version}" for name, version in training["versions"].items())
    rows = {
        "command": f"`{facts['command']}`",
        "seed": training["seed"],
        "versions": versions,
        "machine": training["machine"],
        "training": f"{training['seconds']:.0f} seconds",
        "parameters": f"{cost['parameters']:,}",
        "multiply-adds of a sample": f"{cost['multiply_adds']:,}",
        "file": f"{cost['bytes']:,} bytes in {facts['dtype']}",
    }
    return _table(("", ""), rows.items())


def _figures(metrics: Mapping[str, Any], seeds: Mapping[str, Mapping[str, float]]) -> list[str]:
    rows = [
        (
            "accuracy on the test data",
            f"{metrics['num_right'] / metrics['num_samples']:.2%}",
            f"{metrics['num_samples']:,}",
            _interval(metrics["interval"]),
        )
    ]
    if "num_unseen" in metrics:
        rows.append(
            (
                "accuracy on those that do not stand in the training data",
                f"{metrics['test_accuracy_unseen']:.2%}",
                f"{metrics['num_unseen']:,}",
                _interval(metrics["interval_unseen"]),
            )
        )
    for key, words in (
        ("test_macro_recall", "mean recall of the classes"),
        ("test_majority", "always the larger class"),
    ):
        if key in metrics:
            rows.append((words, f"{metrics[key]:.2%}", f"{metrics['num_samples']:,}", ""))
    lines = _table(("figure", "value", "samples", "95 % interval (Wilson)"), rows)
    for name, values in seeds.items():
        if len(values) > 1:
            words = name.removeprefix("test_").replace("_", " ")
            mean, spread = statistics.mean(values.values()), statistics.stdev(values.values())
            lines += [
                "",
                (
                    f"The command with the seeds {', '.join(values)}: {words} {mean:.2%} on average, "
                    f"standard deviation {100 * spread:.2f} points."
                ),
            ]
    return lines


def _each_class(per_class: Mapping[str, Mapping[str, int]]) -> list[str]:
    rows = [
        (
            label,
            counts["count"],
            _fraction(counts["right"], counts["count"]),
            _fraction(counts["right"], counts["predicted"]),
        )
        for label, counts in per_class.items()
    ]
    return _table(("class", "samples", "recall", "precision"), rows)


def _calibration(calibration: Mapping[str, Any] | None, metrics: Mapping[str, Any]) -> list[str]:
    error, without = metrics["calibration_error"], metrics["calibration_error_without"]
    told = f"The expected calibration error on all test data is {error:.4f} (15 bins of equal width)"
    if calibration is None:
        return [
            f"{told}.",
            (
                "No temperature is applied: the network was trained on all of the training data, none of "
                "which is left to choose one on, and the test data chooses nothing."
            ),
        ]
    count, commands = calibration["num_samples"], calibration["commands"]
    runs = "a run" if len(commands) == 1 else f"{len(commands)} runs"
    return [
        f"{told}, {without:.4f} without the temperature.",
        (
            f"Logits are divided by a temperature of {calibration['temperature']:.3f}, which changes no "
            f"label. It was chosen on {count:,} rows of the training data that {runs} of the same setting "
            "did not see, and on no test sample:"
        ),
        "",
        "```console",
        *(f"$ {command}" for command in commands),
        "```",
    ]


def _limits(predictor: Predictor, metrics: Mapping[str, Any]) -> list[str]:
    lines = ["It always answers with one of its classes, whatever it is asked about."]
    if "num_unseen" in metrics:
        seen = 1 - metrics["num_unseen"] / metrics["num_samples"]
        lines.append(
            f"{seen:.1%} of the test samples stand in the training data too: expect the figure for the "
            "others."
        )
    if isinstance(predictor.preprocess, TextInput):
        lines.append(f"Other scripts than its data's: {FOREIGN!r} gives {_answer_to(predictor, FOREIGN)}.")
    if isinstance(predictor.preprocess, ImageInput) and all(map(str.isdigit, predictor.classes)):
        sure = _sure_letters(predictor)
        lines.append(
            f"A letter is taken for a digit: of the {len(LETTERS)} capital letters in a printed type, "
            f"{len(sure)} get a probability above {SURE:.0%} ({', '.join(sure) or 'none'})."
        )
    if isinstance(predictor.preprocess, ImageInput):
        lines.append(
            "A picture is resized as a whole: where the object fills much more or less of it than in the "
            "training images, expect worse."
        )
    low, high = metrics["interval"]
    lines.append(
        f"The test data is of the same collection as the training data; its {high - low:.1%} wide interval "
        "says nothing of other sources."
    )
    return [f"- {line}" for line in lines]


def _reproduce(recipe: Recipe, facts: Mapping[str, Any]) -> list[str]:
    return [
        "```console",
        f"$ python -m practicezoo verify {recipe.name}/{facts['tag']}",
        f"$ {facts['command']}",
        "```",
        "",
        (
            "The first compares the file's SHA-256 and, where the data is, the number of right answers: "
            "processors round differently, so up to 3 in 10,000 may differ. The second trains again."
        ),
    ]


def _cite(name: str, source: Source, versions: Mapping[str, str]) -> list[str]:
    return [
        f"The practicezoo developers, practicezoo {versions['practicezoo']}, weights {name} (MIT).",
        f"Data: {source.cite}.",
    ]


def _answer_to(predictor: Predictor, sample: str) -> str:
    try:
        return f"the answer {predictor(sample, top=1).answer}"
    except ValueError as error:
        return f"an error ({error})"


def _sure_letters(predictor: Predictor) -> list[str]:
    """The letters that the network calls a digit with much confidence."""
    from PIL import Image, ImageDraw, ImageFont  # comes with torchvision

    size = predictor.preprocess.size if isinstance(predictor.preprocess, ImageInput) else 28
    pictures = []
    for letter in LETTERS:
        picture = Image.new("L", (size, size))
        ImageDraw.Draw(picture).text(
            (size / 2, size / 2), letter, fill=255, font=ImageFont.load_default(0.8 * size), anchor="mm"
        )
        pictures.append(picture)
    answers = predictor(pictures, top=1)
    return [letter for letter, answer in zip(LETTERS, answers, strict=True) if answer.probability > SURE]


def _interval(bounds: Sequence[float]) -> str:
    return f"{bounds[0]:.2%} to {bounds[1]:.2%}"


def _fraction(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(str, line))} |" for line in lines]
