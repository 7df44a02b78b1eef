"""Pages of the benchmarks' results, from their JSON files, and of the course's systems run again."""

import ast
import json
from collections.abc import Mapping, Sequence

from benchmarks.discovery import FOLDER, summaries
from benchmarks.report import results_of
from benchmarks.tables import Table, environment_notes, format_threads, grid_heading, payload_tables
from extension.pages import DOCS, table, write
from practicezoo.recipes import list_recipes

REPRODUCED = DOCS / "reproduced.json"


def write_benchmarks() -> None:
    """Write the index and a page for each script with results."""
    rows = []
    for name, question in summaries().items():
        payloads = list(results_of(name).values())
        if not payloads:
            rows.append((f"`{name}`", question, ""))
            continue
        where = ", ".join(_place(payload["environment"]) for payload in payloads)
        rows.append((f"[{name}](/generated/benchmarks/{name}.md)", question, where))
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
    versions = ", ".join(f"{name} {number}" for name, number in environment["versions"].items() if number)
    return (
        f"{device}{format_threads(environment['num_threads'])} of an {environment['processor']}, "
        f"{environment['platform']}; {versions}"
    )


def _place(environment: Mapping) -> str:
    """What tells results of one benchmark apart."""
    is_cpu = environment["device"] == "cpu"
    return format_threads(environment["num_threads"]) if is_cpu else environment["device"]


def _page(name: str, payloads: Sequence[Mapping]) -> str:
    docstring = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or ""
    question, _, text = docstring.partition("\n")
    parts = [f"# Benchmark {name}\n", f"**{question}**\n", f"{text.strip()}\n"]
    for payload in payloads:
        environment = payload["environment"]
        is_cpu = environment["device"] == "cpu"
        setting = f"--threads {environment['num_threads']}" if is_cpu else "--device cuda"
        parts += [
            f"## {'CPU, ' if is_cpu else ''}{_place(environment)}\n",
            f"{machine(environment)}; {environment['precision']}.\n",
            f"```console\n$ python -m benchmarks run {name} {setting}\n```\n",
        ]
        parts += [f"{note[:1].upper()}{note[1:]}.\n" for note in environment_notes(environment)]
        if "grid" in payload:
            parts += [
                f"{line[:1].upper()}{line[1:]}.\n" for line in grid_heading(payload["grid"]).splitlines()
            ]
        parts += [_table(each) for each in payload_tables(payload)]
    if all(payload["environment"]["device"] == "cpu" for payload in payloads):
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
