"""Imports go one way, files stay small, and a few calls are made in one place only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "unchaff"
LONGEST_FILE = 300

# Each line may import the lines above it and its own folder; neighbours on a line know nothing of each other.
LAYERS = (
    ("errors",),
    ("copies", "filled", "listed", "streams", "progress", "references"),
    ("limits", "whole"),
    ("shards",),
    ("journal",),
    ("extras", "packing", "bounded", "features", "formulas", "importing"),
    ("samples", "tasks", "hub"),
    ("records",),
    ("interfaces",),
    ("data",),
    ("noise",),
    ("nets",),
    ("train", "recording"),
    ("attribute",),
    ("partition",),
    ("prune",),
    ("methods",),
    ("evaluate", "documents"),
    ("runs",),
    ("engine",),
    ("report",),
    ("review",),
    ("bench", "repaired"),
    ("api", "estimator"),
    ("exports",),
    ("cli",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
KNOWS_TRUTH = ("records.py", "noise/", "evaluate/", "runs/", "bench/", "data/write.py")


def violations(source: Path) -> list[str]:
    """Return one line per broken rule in a package folder."""
    found = []
    for file in sorted(source.rglob("*.py")):
        path = file.relative_to(source).as_posix()
        text = file.read_text()
        if (length := len(text.splitlines())) > LONGEST_FILE:
            found.append(f"{path}: {length} lines, at most {LONGEST_FILE} are allowed")
        for node in ast.walk(ast.parse(text)):
            found += [f"{path}:{node.lineno}: {what}" for what in broken_by(node, path)]
    return found


def broken_by(node: ast.AST, path: str) -> Iterator[str]:
    """Yield what one piece of a file does against the rules."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from broken_by_import(node, path)
    if isinstance(node, ast.Call):
        yield from broken_by_call(node, path)
    if isinstance(node, ast.Attribute) and ast.unparse(node) == "records.Truth" and not knows_truth(path):
        yield "the truth is not for this layer"


def broken_by_import(node: ast.Import | ast.ImportFrom, path: str) -> Iterator[str]:
    names = [alias.name for alias in node.names]
    modules = names if isinstance(node, ast.Import) else [node.module or ""]
    if modules == ["unchaff"] and isinstance(node, ast.ImportFrom):
        modules = [f"unchaff.{name}" for name in names]
    for module in modules:
        top, _, rest = module.partition(".")
        if top in {"pickle", "dill", "cloudpickle", "joblib", "shelve"}:
            yield f"{top} is never used"
        if top == "unchaff" and (layer := rest.partition(".")[0]):
            yield from broken_by_layer(layer, path)
    if "Truth" in names and not knows_truth(path):
        yield "the truth is not for this layer"


def broken_by_layer(imported: str, path: str) -> Iterator[str]:
    own = path.partition("/")[0].removesuffix(".py")
    if own in {"__init__", "__main__"}:  # the public names, and the program
        return
    if own not in LEVEL or imported not in LEVEL:
        yield f"{own} -> {imported}: one of them has no place in LAYERS"
    elif own != imported and LEVEL[imported] >= LEVEL[own]:
        yield f"{own} must not import {imported}"


def broken_by_call(node: ast.Call, path: str) -> Iterator[str]:
    called = ast.unparse(node.func)
    if called == "print" and not path.startswith("cli/"):
        yield "only the command line prints"
    makers = (
        "torch.Generator",
        "Generator",
        "torch.manual_seed",
        "torch.seed",
        "np.random.seed",
        "random.Random",
    )
    without_seed = called == "np.random.default_rng" and not (node.args or node.keywords)
    if path != "streams.py" and (called in makers or without_seed):
        yield f"{called}: generators are made by Streams only"
    safe = any(
        word.arg == "weights_only" and isinstance(word.value, ast.Constant) and word.value.value is True
        for word in node.keywords
    )
    if called == "copy.deepcopy" and len(node.args) == 1 and path != "copies.py":
        yield "networks are copied by copies.copied"
    if called == "torch.load" and not safe:
        yield "torch.load without weights_only=True"
    if called in {"np.load", "numpy.load"} and any(
        word.arg == "allow_pickle"
        and not (isinstance(word.value, ast.Constant) and word.value.value is False)
        for word in node.keywords
    ):
        yield "np.load with allow_pickle"


def knows_truth(path: str) -> bool:
    return path.startswith(KNOWS_TRUTH)


def test_the_package_keeps_its_rules():
    assert violations(SOURCE) == []


def test_every_folder_has_its_place():
    folders = {file.relative_to(SOURCE).parts[0].removesuffix(".py") for file in SOURCE.rglob("*.py")}
    assert folders - {"__init__", "__main__"} <= set(LEVEL)


PLANTED = {
    "upward import": (
        "methods/x.py",
        "from unchaff.evaluate import accuracy",
        "methods must not import evaluate",
    ),
    "upward import of a module": ("data/x.py", "import unchaff.noise.labels", "data must not import noise"),
    "upward import from the package": ("train/x.py", "from unchaff import cli", "train must not import cli"),
    "import inside a function": (
        "nets/x.py",
        "def f():\n    from unchaff.bench.cell import run",
        "nets must not import bench",
    ),
    "neighbours": ("streams.py", "from unchaff.copies import copied", "streams must not import copies"),
    "unknown folder": ("magic/x.py", "from unchaff.errors import DataError", "has no place in LAYERS"),
    "truth in a method": ("methods/x.py", "from unchaff.records import Truth", "truth is not for this layer"),
    "truth by attribute": (
        "methods/x.py",
        "from unchaff import records\nT = records.Truth",
        "truth is not for this layer",
    ),
    "print": ("train/x.py", "print(1)", "only the command line prints"),
    "generator": ("train/x.py", "import torch\ntorch.Generator()", "made by Streams only"),
    "generator without a seed": (
        "train/x.py",
        "import numpy as np\nnp.random.default_rng()",
        "made by Streams only",
    ),
    "global seed": ("train/x.py", "import torch\ntorch.manual_seed(0)", "made by Streams only"),
    "pickle": ("runs/x.py", "import pickle", "pickle is never used"),
    "from pickle": ("runs/x.py", "from pickle import loads", "pickle is never used"),
    "copy of its own": ("nets/x.py", "import copy\ncopy.deepcopy(net)", "copied by copies.copied"),
    "unsafe load": ("nets/x.py", "import torch\ntorch.load('x')", "without weights_only=True"),
    "unsafe load said aloud": (
        "nets/x.py",
        "import torch\ntorch.load('x', weights_only=False)",
        "without weights_only=True",
    ),
    "array of objects": ("data/x.py", "import numpy as np\nnp.load('x', allow_pickle=True)", "allow_pickle"),
    "long file": ("nets/x.py", "\n" * 301, "301 lines"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_broken_rule_is_found(tmp_path, name):
    path, text, message = PLANTED[name]
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    found = violations(tmp_path)
    assert len(found) == 1, found
    assert message in found[0]


def test_what_is_allowed_is_not_found(tmp_path):
    (tmp_path / "evaluate").mkdir()
    (tmp_path / "cli").mkdir()
    (tmp_path / "evaluate" / "x.py").write_text(
        "import torch\nfrom unchaff.records import Truth\nfrom unchaff.evaluate import y\n"
        "torch.load('x', weights_only=True)\n"
    )
    (tmp_path / "cli" / "x.py").write_text("from unchaff.bench import cell\nprint(1)\n")
    assert violations(tmp_path) == []
