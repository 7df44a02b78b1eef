"""Pages of the benchmarks' results, from their JSON files, and of the course's systems run again."""

import ast
import json
from collections.abc import Mapping

from benchmarks.discovery import FOLDER, summaries
from benchmarks.report import RESULTS
from benchmarks.tables import Table, environment_notes, grid_heading, payload_tables
from extension.pages import DOCS, table, write
from practicezoo.recipes import list_recipes

REPRODUCED = DOCS / "reproduced.json"


def write_benchmarks() -> None:
    """Write the index and a page for each script with results."""
    rows = []
    for name, question in summaries().items():
        found = {path.stem.rpartition("-")[2]: path for path in sorted(RESULTS.glob(f"{name}-*.json"))}
        if not found:
            rows.append((f"`{name}`", question, ""))
            continue
        payloads = {device: json.loads(path.read_text(encoding="utf-8")) for device, path in found.items()}
        rows.append((f"[{name}](/generated/benchmarks/{name}.md)", question, ", ".join(payloads)))
        write(f"benchmarks/{name}.md", _page(name, payloads))
    write("benchmarks.inc", table(["script", "what it answers", "measured on"], rows, "lll"))


def write_reproduced() -> None:
    """Write the page on the course's systems."""
    found = json.loads(REPRODUCED.read_text(encoding="utf-8"))
    rows = [
        (
            f"`{row['system']}`",
            row["verdict"],
            row["reason"] or ", ".join(f"{name} {_short(value)}" for name, value in row["measured"].items()),
            row["reference"],
        )
        for row in found["rows"]
    ]
    left = [name for name in list_recipes() if name not in {row["system"] for row in found["rows"]}]
    missing = f" Not part of that run: {', '.join(f'`{name}`' for name in left)}.\n" if left else "\n"
    head = ["system", "verdict", "measured", "the course"]
    write("reproduced.inc", f"{table(head, rows, 'llll')}\nRun on {machine(found['environment'])}.{missing}")


def machine(environment: Mapping) -> str:
    """A sentence's end on where something was measured."""
    device = "" if environment["device"] == "cpu" else f"{environment['device']}, "
    threads = environment["num_threads"]
    versions = ", ".join(f"{name} {number}" for name, number in environment["versions"].items() if number)
    return (
        f"{device}{threads} thread{'s' * (threads > 1)} of an {environment['processor']}, "
        f"{environment['platform']}; {versions}"
    )


def _page(name: str, payloads: Mapping[str, Mapping]) -> str:
    docstring = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or ""
    question, _, text = docstring.partition("\n")
    parts = [f"# Benchmark {name}\n", f"**{question}**\n", f"{text.strip()}\n"]
    for device, payload in payloads.items():
        shown = f" --device {device}" if device != "cpu" else ""
        parts += [
            f"## Measured on {'a CPU' if device == 'cpu' else device}\n",
            f"{machine(payload['environment'])}; {payload['environment']['precision']}.\n",
            f"```console\n$ python -m benchmarks run {name}{shown}\n```\n",
        ]
        parts += [f"{note[:1].upper()}{note[1:]}.\n" for note in environment_notes(payload["environment"])]
        if "grid" in payload:
            parts += [
                f"{line[:1].upper()}{line[1:]}.\n" for line in grid_heading(payload["grid"]).splitlines()
            ]
        parts += [_table(each) for each in payload_tables(payload)]
    if "cuda" not in payloads:
        parts.append("Not measured on a CUDA device yet; the same command with `--device cuda` does that.\n")
    return "\n".join(parts)


def _table(found: Table) -> str:
    head, *rows = found.rows
    title = f"### {found.title}\n\n" if found.title else ""
    heading = f"{found.heading.replace('cpu', 'CPU', 1)}.\n\n" if found.heading else ""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    notes = "".join(f"\n{note[:1].upper()}{note[1:]}.\n" for note in found.notes)
    shown = table([head[0] or "way", *head[1:]], cells, "l" + "r" * (len(head) - 1))
    return f"{title}{heading}{shown}{notes}"


def _short(value: object) -> str:
    return f"{value:.8g}" if isinstance(value, float) else str(value)
