"""Sphinx configuration."""

import sys
from pathlib import Path

import practicezoo

HERE = Path(__file__).parent
sys.path[:0] = [
    str(HERE),
    str(HERE.parent),
    str(HERE.parent / "tests"),
]  # extension, planted mistakes

from extension.gallery import SETTINGS  # noqa: E402  # found there

project = "practicezoo"
author = "The practicezoo developers"
copyright = "2026, The practicezoo developers"
version = release = practicezoo.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "extension",
]
sphinx_gallery_conf = SETTINGS
exclude_patterns = ["_build", "_templates", "extension", "examples", "gallery", "generated/backreferences"]
templates_path = ["_templates"]

html_theme = "pydata_sphinx_theme"
html_title = f"practicezoo {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["sort.js"]
html_search_scorer = str(HERE / "_static" / "scorer.js")
html_show_sourcelink = False
html_sidebars = {"index": [], "benchmarks": [], "about": []}
html_theme_options = {
    "logo": {"text": "practicezoo"},
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": False}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # a class lists its attributes once, in its own entry
napoleon_custom_sections = [("Shape", "notes_style"), ("Source", "notes_style")]
python_display_short_literal_types = True
maximum_signature_line_length = 79
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
myst_enable_extensions = ["attrs_block", "colon_fence"]
myst_heading_anchors = 3

nitpicky = True
nitpick_ignore_regex = [
    # other projects' names: their inventories cannot be read without a network
    (r"py:.*", r"(torch|torchvision|numpy|networkx|matplotlib|PIL|Axes|nx)(\..*)?"),
    (r"py:.*", r"(abc|collections|typing|types|pathlib|os|re|contextlib|functools|importlib)(\..*)?"),
    (r"py:.*", r"'.*'"),  # a choice of Literal, as a default shows it
    # what signatures name and no user writes: base classes, type variables, kinds of functions
    (
        r"py:.*",
        r"practicezoo\..*\.(Best|Branches|Builder|CheckpointFolder|Classifier|InceptionClassifier|Module|_Module)",
    ),
    (r"py:.*", r"practicezoo\..*\.(_Residual|Prepared|Preprocessing|RunningMean)"),
]
