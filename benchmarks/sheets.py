"""Saved results as files: a Markdown page and a CSV table for each device and version of torch."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields

from benchmarks.rows import Row, rows_of
from benchmarks.tables import Table, environment_notes, grid_heading, payload_tables

__all__ = ["csv_text", "group_by_machine", "markdown_text"]

MACHINE_COLUMNS = ("device", "processor", "num_threads", "torch", "commit", "crowded")


def group_by_machine(results: Mapping[str, Mapping]) -> dict[str, dict[str, Mapping]]:
    """Group payloads by device and version of torch, under names such as "cpu-torch-2.15.0"."""
    groups: dict[str, dict[str, Mapping]] = {}
    for name, payload in results.items():
        environment = payload["environment"]
        version = environment["versions"]["torch"].partition("+")[0]
        device = re.sub(r"[^a-z0-9]+", "-", environment["device"].lower())
        groups.setdefault(f"{device}-torch-{version}", {})[name] = payload
    return groups


def markdown_text(title: str, results: Mapping[str, Mapping]) -> str:
    """Render payloads as one page, a section for each."""
    sections = [f"## {name}\n\n" + "\n\n".join(_section(payload)) for name, payload in results.items()]
    return "\n\n".join([f"# {title}", *sections]) + "\n"


def csv_text(results: Mapping[str, Mapping]) -> str:
    """Render payloads as one table with a row for each arm."""
    text = io.StringIO(newline="")
    columns = ["benchmark", *(field.name for field in fields(Row)), *MACHINE_COLUMNS]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for name, payload in results.items():
        environment = payload["environment"]
        machine = {column: environment.get(column) for column in MACHINE_COLUMNS}
        machine["torch"] = environment["versions"]["torch"]
        writer.writerows({"benchmark": name} | asdict(row) | machine for row in rows_of(payload))
    return text.getvalue()


def _section(payload: Mapping) -> Iterator[str]:
    environment = payload["environment"]
    commit = (environment.get("commit") or "unknown")[:12]
    changed = " with changes" if environment.get("dirty") else ""
    yield (
        f"{environment['processor']}, {environment['num_threads']} threads, torch "
        f"{environment['versions']['torch']}, commit {commit}{changed}"
    )
    yield from environment_notes(environment)
    if "grid" in payload:
        yield grid_heading(payload["grid"]).replace("\n", "\n\n")
    for table in payload_tables(payload):
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield f"### {table.title}"
    if table.heading:
        yield table.heading
    header, *body = table.rows
    rule = ["---", *["---:"] * (len(header) - 1)]
    yield "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *body))
    yield from table.notes
