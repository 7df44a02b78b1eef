"""What the site adds to Sphinx: pages made from the library's own records, and links between them."""

from sphinx.application import Sphinx

from extension import references, uses


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("missing-reference", references.resolve)
    app.add_directive("uses", uses.Uses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
