"""Sphinx configuration."""

import practicezoo


def weights_table() -> list[str]:
    """The trained weights, as their records have them: a table that cannot be out of date."""
    rows = [("weights", "test accuracy", "95 % interval", "samples", "parameters", "bytes", "default")]
    rows.append(("---",) * len(rows[0]))
    for weights in practicezoo.list_weights():
        low, high = weights.metrics["interval"]
        rows.append(
            (
                f"`{weights}`",
                f"{weights.metrics['test_accuracy']:.2%}",
                f"{low:.2%} to {high:.2%}",
                f"{weights.metrics['num_samples']:,}",
                f"{weights.num_parameters:,}",
                f"{weights.num_bytes:,}",
                "yes" if weights.default else "",
            )
        )
    return [f"| {' | '.join(row)} |" for row in rows]


project = "practicezoo"
author = "The practicezoo developers"
copyright = "2026, The practicezoo developers"
version = release = practicezoo.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"practicezoo {version}"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": False}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # a class lists its attributes once, in its own entry
napoleon_custom_sections = [("Shape", "notes_style"), ("Source", "notes_style")]
python_display_short_literal_types = True
maximum_signature_line_length = 100
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
myst_enable_extensions = ["colon_fence", "substitution"]
myst_substitutions = {"weights_table": "\n".join(weights_table())}
myst_heading_anchors = 3
