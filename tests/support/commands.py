"""What the tests of the command line share."""


def error_line(capsys) -> str:
    """The one line that bad input is answered with."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def write_table(path, header, rows):
    lines = [header, *(",".join(row) for row in rows)]
    path.write_text("\n".join(line for line in lines if line) + "\n", encoding="utf-8")
    return str(path)
