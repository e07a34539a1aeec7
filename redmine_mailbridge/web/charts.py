"""Small charts as SVG without a style of their own: classes of the one style sheet colour them. Pure."""

from collections.abc import Callable, Sequence

from markupsafe import Markup

WIDTH, HEIGHT, GAP = 560, 120, 4


def columns(bars: Sequence[tuple[str, Sequence[tuple[str, int]]]], label: str, words: Callable[[str], str]) -> Markup:
    """Given columns (what they stand for, and their parts as class and count), return the picture.

    Each column is one group with its numbers as title; a table beside it must say the same for those who do not see.
    """
    most = max((sum(count for _, count in parts) for _, parts in bars), default=0) or 1
    step = WIDTH / max(len(bars), 1)
    drawn = Markup("")
    for index, (name, parts) in enumerate(bars):
        at, y = index * step + GAP / 2, float(HEIGHT)
        title = f"{name}: " + ", ".join(f"{count} {words(kind)}" for kind, count in parts)
        inside = Markup("<title>{}</title>").format(title)
        inside += Markup('<rect class="bar-ground" x="{:.1f}" y="0" width="{:.1f}" height="{}"/>').format(
            at, step - GAP, HEIGHT
        )
        for kind, count in parts:
            height = HEIGHT * count / most
            y -= height
            if count:
                inside += Markup('<rect class="bar-{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                    kind, at, y, step - GAP, max(height, 1.5)
                )
        drawn += Markup("<g>{}</g>").format(inside)
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="none">{}</svg>'
    ).format(WIDTH, HEIGHT, label, drawn)


def meter(value: float, most: float, label: str) -> Markup:
    """Given a value and its limit, return a bar that fills; the words beside it say the numbers."""
    share = min(max(value / most, 0.0), 1.0) if most else 0.0
    tone = "bad" if share >= 1 else "warn" if share >= 0.8 else "good"
    return Markup(
        '<svg class="meter" viewBox="0 0 100 6" role="img" aria-label="{}" preserveAspectRatio="none">'
        '<rect class="bar-ground" width="100" height="6" rx="3"/>'
        '<rect class="bar-{}" width="{:.1f}" height="6" rx="3"/></svg>'
    ).format(label, tone, share * 100)
