"""The gallery of examples: how sphinx-gallery runs them, and finds the figures that the library makes."""

import re
from typing import Any

from docutils import nodes
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sphinx.application import Sphinx
from sphinx_gallery.scrapers import figure_rst

from extension.pages import DOCS

ORDER = (
    "compose_network",
    "residual_shortcuts",
    "trained_digits",
    "few_samples",
    "activations",
    "learning_rate_finder",
    "training_history",
    "augmentation",
    "padding_and_packing",
    "computational_graph",
)
SETTINGS = {
    "examples_dirs": "gallery",
    "gallery_dirs": "generated/gallery",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("practicezoo",),
    "filename_pattern": r"\.py$",
    "within_subsection_order": "extension.gallery.Place",
    "image_scrapers": ("extension.gallery.scrape",),
    "capture_repr": (),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1e6,  # seconds: the time that a build took says nothing to a reader
    "thumbnail_size": (400, 280),
}


class Place:
    """The place of an example in the gallery; sphinx-gallery makes one for each folder."""

    def __init__(self, folder: object) -> None:
        del folder

    def __call__(self, name: str) -> int:
        """An example that ``ORDER`` lacks is an error."""
        return ORDER.index(name.removesuffix(".py"))


def scrape(block: Any, variables: dict[str, Any], settings: dict[str, Any]) -> str:
    """Save the figure that is the value of a block's last line, as a notebook shows it."""
    del block
    value = variables["example_globals"].get("___")
    variables["example_globals"]["___"] = None  # once only
    made = value.figure if isinstance(value, Axes) else value
    if not isinstance(made, Figure):
        return ""
    path = next(variables["image_path_iterator"])
    made.savefig(path, dpi=120, bbox_inches="tight")
    title = variables["example_globals"]["__doc__"].strip().partition("\n")[0]
    return figure_rst([path], settings["src_dir"], f"{title}, figure {len(variables['image_path_iterator'])}")


def examples_with(name: str) -> list[str]:
    """A section with the examples that use a public name of the package; none where there is none."""
    programs = (path.read_text(encoding="utf-8") for path in (DOCS / "gallery").glob("*.py"))
    if not any(re.search(rf"\b{name}\b", program) for program in programs):
        return []
    return [f"## Examples that use it\n\n```{{eval-rst}}\n.. minigallery:: practicezoo.{name}\n```\n"]


def name_thumbnails(app: Sphinx, doctree: nodes.document) -> None:
    """Give each thumbnail the text that readers hear instead of it."""
    del app
    for image in doctree.findall(nodes.image):
        found = re.search(r"sphx_glr_(\w+)_thumb", image["uri"])
        if found and not image.get("alt"):
            image["alt"] = f"Figure of the example {found[1].replace('_', ' ')}"
