"""What may import what, what an import costs, and what every public name owes its reader."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import practicezoo

ROOT = Path(practicezoo.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
HEAVY = {
    "safetensors",
    "torchvision",
    "matplotlib",
    "torchmetrics",
    "networkx",
    "tensorboard",
    "onnx",
    "onnxscript",
}

# What each room may import, lazily or not; CONTRIBUTING shows the same table.
BASE = {"arguments", "batches", "sequences"}
MAY_IMPORT = {
    "arguments": set(),
    "batches": set(),
    "sequences": set(),
    "graph": set(),
    "blocks": {"arguments", "sequences"},
    "weights": {"arguments"},
    "models": BASE | {"blocks", "weights"},
    "data": {"arguments", "sequences"},
    "export": BASE | {"runtime"},
    "runtime": BASE,
    "metrics": BASE | {"runtime"},
    "plotting": {"arguments", "blocks", "graph", "metrics"},
    "training": BASE | {"metrics", "plotting", "runtime"},
    "diagnostics": BASE | {"metrics", "runtime", "training"},
    "predictors": BASE | {"data", "models", "runtime", "training", "weights"},
    "recipes": BASE
    | {"blocks", "data", "diagnostics", "graph", "metrics", "models", "plotting", "predictors", "runtime"}
    | {"training", "weights"},
    "command_line": {"arguments", "diagnostics", "export", "predictors", "recipes", "runtime", "weights"},
    "cli": {"command_line", "runtime"},
    "__main__": {"cli"},
}
LAZY_ONLY = {("training", "plotting")}  # a History draws itself, when it is asked to


def part_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(tree, *, lazy):
    """Full names of what a file imports: at module level, and inside functions if ``lazy``."""
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending += node.body if lazy and not isinstance(node, ast.Lambda) else []
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            pending += node.orelse  # what only type checkers read is never imported
        else:
            pending += ast.iter_child_nodes(node)


def parts_imported(path, *, lazy):
    """The parts of the library that a file imports."""
    names = imports(ast.parse(path.read_text(encoding="utf-8")), lazy=lazy)
    ours = {name.split(".")[1] for name in names if name.startswith("practicezoo.")}
    homes = {practicezoo._HOMES.get(name, name) for name in ours}
    return homes - {part_of(path), "__version__"}


def test_contributing_shows_the_same_table():
    text = (ROOT.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/.]+)` \|[^|]*\|([^|]*)\|$", text, re.MULTILINE)
    shown = {room.rstrip("/").removesuffix(".py"): set(re.findall(r"\w+", needs)) for room, needs in rows}
    assert shown == {room: needs for room, needs in MAY_IMPORT.items() if room != "__main__"}


def test_the_reader_of_imports_sees_what_it_should():
    source = """
import os
from a.b import c
class Body:
    import d
    def method(self):
        import e
if TYPE_CHECKING:
    import f
try:
    import g
except ImportError:
    import h
"""
    tree = ast.parse(source)
    assert set(imports(tree, lazy=False)) == {"os", "a.b.c", "d", "g", "h"}
    assert set(imports(tree, lazy=True)) == {"os", "a.b.c", "d", "e", "g", "h"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_one_way(path):
    part = part_of(path)
    if part == "__init__":
        assert parts_imported(path, lazy=False) == set()  # everything in it is imported on first use
        return
    assert part in MAY_IMPORT, "a new part of the library states here what it may import"
    assert parts_imported(path, lazy=True) <= MAY_IMPORT[part]
    assert not {(part, other) for other in parts_imported(path, lazy=False)} & LAZY_ONLY


MODULES = {
    ".".join(("practicezoo", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in FILES
}


def files_imported(path):
    """The modules of the library that a file names in its imports, lazily or not."""
    for name in imports(ast.parse(path.read_text(encoding="utf-8")), lazy=True):
        for module in (name, name.rpartition(".")[0]):
            if module in MODULES:
                yield module
                break


def test_no_file_imports_itself_through_others():
    remaining = {module: set(files_imported(path)) for module, path in MODULES.items()}
    while free := {module for module, needed in remaining.items() if not needed & remaining.keys()}:
        for module in free:
            del remaining[module]
    # what draws itself names the figures' package, which names what it draws for type checkers only
    assert not remaining, f"these files import each other in a circle: {sorted(remaining)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_name_that_other_files_import_is_one_that_its_file_gives(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in MODULES and node.module != "practicezoo":
            giver = importlib.import_module(node.module)
            for alias in node.names:
                is_module = f"{node.module}.{alias.name}" in MODULES
                assert is_module or alias.name in giver.__all__, f"{node.module} does not list {alias.name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_heavy_packages_are_imported_where_they_are_needed(path):
    names = imports(ast.parse(path.read_text(encoding="utf-8")), lazy=False)
    assert not {name.split(".")[0] for name in names} & HEAVY


FRESH = """
import json, logging, os, pathlib, random, signal, sys, threading, warnings
import torch

def state():
    return {
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads(), threading.active_count()],
        "seeds": [torch.initial_seed(), torch.get_rng_state().tolist(), repr(random.getstate())],
        "defaults": [str(torch.get_default_dtype()), torch.get_float32_matmul_precision(),
                     torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled()],
        "environment": dict(os.environ),
        "logging": [len(logging.getLogger().handlers), logging.getLogger().level],
        "warnings": repr(warnings.filters),
        "hooks": [repr(sys.excepthook), repr(signal.getsignal(signal.SIGINT))],
        "files": sorted(map(str, pathlib.Path().iterdir())),
    }

before, torch_modules = state(), set(sys.modules)
import practicezoo
own_modules = set(sys.modules) - torch_modules
unchanged = [key for key, value in state().items() if value == before[key]]
everything = {name: getattr(practicezoo, name) for name in practicezoo.__all__}
all_modules = set(sys.modules) - torch_modules
unchanged_by_all = [key for key, value in state().items() if value == before[key]]
print(json.dumps([sorted(own_modules), sorted(all_modules), unchanged, unchanged_by_all, sorted(before)]))
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """What a fresh interpreter in an empty folder saw of the import."""
    command = [sys.executable, "-W", "error::DeprecationWarning:practicezoo", "-c", FRESH]
    path = {"PYTHONPATH": str(ROOT.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    folder = tmp_path_factory.mktemp("empty")
    done = subprocess.run(command, cwd=folder, env=path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    names = ("own_modules", "all_modules", "unchanged", "unchanged_by_all", "observed")
    return dict(zip(names, json.loads(done.stdout), strict=True))


def test_import_loads_one_module_beyond_torch(fresh):
    assert fresh["own_modules"] == ["practicezoo"]


def test_the_headline_names_load_no_heavy_package(fresh):
    roots = {name.split(".")[0] for name in fresh["all_modules"]}
    assert not roots & (HEAVY | {"tqdm", "pandas", "scipy", "sklearn"})
    assert len(fresh["all_modules"]) < 140


def test_import_has_no_side_effect(fresh):
    assert sorted(fresh["unchanged"]) == fresh["observed"]
    assert sorted(fresh["unchanged_by_all"]) == fresh["observed"]


INTERNAL = {"__init__", "__main__", "arguments", "batches", "runtime"}  # for the library's own use
PARTS = sorted({part_of(path) for path in FILES} - INTERNAL)
PUBLIC_MODULES = ["practicezoo", *(f"practicezoo.{part}" for part in PARTS)]


def public_names():
    for module_name in PUBLIC_MODULES:
        for name in getattr(importlib.import_module(module_name), "__all__", ()):
            yield f"{module_name}.{name}"


PUBLIC = sorted(public_names())


def in_ruffs_order(name):
    """Ruff (RUF022) sorts CONSTANTS, then Classes, then functions."""
    return not name.isupper(), not name[0].isupper(), name


def resolve(path):
    module_name, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(module_name), name)


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_a_module_lists_its_names_once_in_order_and_has_them(module_name):
    module = importlib.import_module(module_name)
    assert module.__doc__
    names = getattr(module, "__all__", [])
    assert list(names) == sorted(set(names), key=in_ruffs_order)
    assert set(names) <= set(dir(module))
    assert all(getattr(module, name) is not None for name in names)


def test_headline_names_are_the_ones_with_a_home():
    assert set(practicezoo.__all__) == set(practicezoo._HOMES)
    for name, home in practicezoo._HOMES.items():
        assert getattr(practicezoo, name) is resolve(f"practicezoo.{home}.{name}")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(
        AttributeError, match="module 'practicezoo' has no attribute 'CharGruClassifier'"
    ) as raised:
        practicezoo.CharGruClassifier  # noqa: B018
    assert (raised.value.name, raised.value.obj) == (
        "CharGruClassifier",
        practicezoo,
    )  # for Python's own hint
    assert not hasattr(practicezoo, "Datasets")


def test_version():
    assert practicezoo.__version__.count(".") == 2


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_name_is_documented(path):
    value = resolve(path)
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        pytest.skip("a constant is documented where it stands")
    assert value.__doc__, "a public name has a docstring"
    summary, *rest = inspect.getdoc(value).splitlines()
    assert summary.endswith((".", ":", "?"))
    is_protocol = getattr(value, "_is_protocol", False)  # its methods say the rest
    if inspect.isclass(value) and not is_protocol:
        assert rest, "a class says more than one line"
    assert not undocumented_arguments(value)


# their keywords are another signature's, which they look up and check
CHECKED_KEYWORDS = {practicezoo.create_model}


def undocumented_arguments(value):
    """Arguments of the constructor or function that its docstring never names."""
    if getattr(value, "_is_protocol", False) or (inspect.isclass(value) and issubclass(value, Exception)):
        return []
    text = inspect.getdoc(value)
    if "As :func:" in text:  # documented there
        return []
    return [name for name in inspect.signature(value).parameters if name not in text]


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_signature_is_the_manual(path):
    value = resolve(path)
    functions = [value]
    if inspect.isclass(value):
        own = [item for name, item in vars(value).items() if not name.startswith("_")]
        functions += [getattr(item, "__func__", item) for item in own]
    for function in functions:
        if inspect.isclass(function) and getattr(function, "_is_protocol", False):
            continue
        if inspect.isclass(function) or inspect.isroutine(function):
            kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
            assert inspect.Parameter.VAR_KEYWORD not in kinds or function in CHECKED_KEYWORDS, function
            assert inspect.isclass(function) or function.__doc__, function


def test_parts_are_there_after_importing_the_library():
    program = "import practicezoo; print(practicezoo.training.fit.__name__, practicezoo.recipes.__name__)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["fit", "practicezoo.recipes"]
