"""What the site adds to Sphinx: pages made from the library's own records, and links between them."""

from sphinx.application import Sphinx

from extension import benchmarks, blocks, commands, errors, gallery, models, references, speed, uses


def write_pages(app: Sphinx) -> None:
    """Write what is made at build time, before Sphinx looks for pages."""
    del app
    blocks.write_blocks()
    models.write_models()
    errors.write_errors()
    commands.write_commands()
    speed.write_speed()
    benchmarks.write_benchmarks()
    benchmarks.write_reproduced()


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", write_pages, priority=100)  # before autosummary reads what there is
    app.connect("missing-reference", references.resolve)
    app.connect("doctree-read", gallery.name_thumbnails)
    app.add_directive("uses", uses.Uses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
