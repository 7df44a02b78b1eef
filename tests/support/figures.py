"""What to look for in a picture of boxes."""

from itertools import combinations

from matplotlib.patches import FancyBboxPatch


def overlapping(ax):
    """Pairs of texts, or of a text and a box that is not its own, that share some of the paper."""
    ax.figure.canvas.draw()
    texts = [(text.get_text(), text.get_window_extent()) for text in ax.texts]
    boxes = [("box", p.get_window_extent()) for p in ax.patches if isinstance(p, FancyBboxPatch)]

    def overlap(one, other):
        return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1

    def is_in(one, other):
        return other.x0 < one.x0 and one.x1 < other.x1 and other.y0 < one.y0 and one.y1 < other.y1

    pairs = [(a, b) for (a, one), (b, other) in combinations(texts, 2) if overlap(one, other)]
    return pairs + [
        (a, b) for a, one in texts for b, other in boxes if overlap(one, other) and not is_in(one, other)
    ]


def outside(ax):
    paper = ax.figure.bbox
    extents = [artist.get_window_extent() for artist in (*ax.texts, *ax.patches)]
    return [e for e in extents if e.x0 < paper.x0 or e.y0 < paper.y0 or e.x1 > paper.x1 or e.y1 > paper.y1]
