"""
The evaluation's plots as SVG, made of its numbers alone: the same bytes on every machine, in both languages.

Things are told apart by place, shape and text before shade, so that a page printed in grey says the same.
Nothing here rounds to hide or knows of children; what may be shown was decided before.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

Words = Mapping[str, str]
Span = Mapping[str, float]
LEFT, WIDTH, ROW = 190, 190, 18
# A Japanese letter is about as wide as the type is high, another half of that.
WIDE, NARROW = 11.0, 5.8


def picture(width: float, height: float, parts: Iterable[str]) -> str:
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img">{"".join(parts)}</svg>'


def text(words: Words, x: float, y: float, *, anchor: str = "start", room: float = 0, kind: str = "") -> str:
    """The words in either language, drawn closer where they would not fit into `room`."""
    return "".join(
        f'<text class="{language} {kind}" lang="{language}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        f"{closer(words[language], room, each)}>{escape(words[language])}</text>"
        for language, each in (("ja", WIDE), ("en", NARROW))
    )


def closer(written: str, room: float, each: float) -> str:
    if not room or sum(each if ord(letter) > 255 else NARROW for letter in written) <= room:
        return ""
    return f' textLength="{room:g}" lengthAdjust="spacingAndGlyphs"'


def plain(written: str, x: float, y: float, *, anchor: str = "start") -> str:
    return f'<text class="figure" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(written)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def same(written: str) -> Words:
    return {"ja": written, "en": written}


def bars(rows: Sequence[tuple[Words, float, Words]], *, spans: Sequence[Span | None] = ()) -> str:
    """A bar for each label, in shares of the longest; `spans` are whiskers on the same scale."""
    top = max([value for _, value, _ in rows] + [span["high"] for span in spans if span] + [1e-9])
    parts = []
    for place, (label, value, shown) in enumerate(rows):
        y = ROW * place
        parts.append(text(label, LEFT - 6, y + 12, anchor="end", room=LEFT - 8))
        parts.append(
            f'<rect class="bar" x="{LEFT}" y="{y + 3}" width="{WIDTH * value / top:.1f}" height="11"/>'
        )
        span = spans[place] if place < len(spans) else None
        if span:
            low, high = (LEFT + WIDTH * span[end] / top for end in ("low", "high"))
            parts.append(line(low, y + 8.5, high, y + 8.5, "whisker"))
        parts.append(text(shown, LEFT + WIDTH + 8, y + 12, kind="figure"))
    return picture(520, ROW * len(rows) + 4, parts)


Dots = Sequence[tuple[Words, Sequence[Span | None], Words]]


def whiskers(rows: Dots, *, most: float = 1.0) -> str:
    """
    For each label one or two estimates with their intervals, the first a filled disc, the second a hollow square.

    `most` is the end of the axis, which begins at 0.
    """
    parts = [axis(most, ROW * len(rows) + 14)]
    for place, (label, spans, shown) in enumerate(rows):
        y = 14.0 + ROW * place + 9
        parts.append(text(label, LEFT - 6, y + 4, anchor="end", room=LEFT - 8))
        for number, span in enumerate(spans):
            if span:
                parts.append(estimate(span, y + (number - (len(spans) - 1) / 2) * 6, number, most))
        parts.append(text(shown, LEFT + WIDTH + 8, y + 4, kind="figure"))
    return picture(520, ROW * len(rows) + 18, parts)


def axis(most: float, bottom: float) -> str:
    steps = [most * step / 4 for step in range(5)]
    return "".join(
        line(LEFT + WIDTH * step / most, 12, LEFT + WIDTH * step / most, bottom, "grid")
        + plain(f"{step:.2g}", LEFT + WIDTH * step / most, 9, anchor="middle")
        for step in steps
    )


def estimate(span: Span, y: float, number: int, most: float) -> str:
    low, value, high = (LEFT + WIDTH * min(span[end], most) / most for end in ("low", "value", "high"))
    mark = (
        f'<circle class="dot" cx="{value:.1f}" cy="{y:.1f}" r="3.2"/>'
        if number == 0
        else f'<rect class="box" x="{value - 3:.1f}" y="{y - 3:.1f}" width="6" height="6"/>'
    )
    return line(low, y, high, y, "whisker") + mark


def curve(
    points: Sequence[tuple[float, Span]], *, mark: float | None, across: Words, up: Words, chance: bool = True
) -> str:
    """Estimates with their band over shares from 0 to 1; `mark` is where the choice was made."""
    left, width, height = 44.0, 420.0, 170.0

    def at(x: float, y: float) -> tuple[float, float]:
        return left + width * x, 20 + height * (1 - y)

    band = [at(x, span["high"]) for x, span in points] + [at(x, span["low"]) for x, span in reversed(points)]
    parts = [
        line(*at(0, step / 4), *at(1, step / 4), "grid")
        + plain(f"{25 * step} %", left - 5, at(0, step / 4)[1] + 4, anchor="end")
        for step in range(5)
    ]
    parts += [plain(f"{25 * step} %", at(step / 4, 0)[0], height + 34, anchor="middle") for step in range(5)]
    parts += [line(*at(0, 0), *at(1, 1), "chance")] if chance else []
    parts.append(f'<polygon class="band" points="{joined(band)}"/>')
    parts.append(f'<polyline points="{joined([at(x, span["value"]) for x, span in points])}"/>')
    parts += [
        f'<circle class="dot" cx="{at(x, span["value"])[0]:.1f}" cy="{at(x, span["value"])[1]:.1f}" r="2.4"/>'
        for x, span in points
    ]
    if mark is not None:
        parts.append(line(*at(mark, 0), *at(mark, 1), "limit"))
    parts.append(text(across, left + width / 2, height + 50, anchor="middle", kind="figure"))
    parts.append(text(up, left + 4, 9, kind="figure"))
    return picture(500, height + 56, parts)


def joined(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def reliability(points: Sequence[tuple[float, Span, float]], *, across: Words, up: Words) -> str:
    """Observed over expected rates with intervals, the line where they agree, and beneath how many children."""
    left, size, foot = 44.0, 190.0, 34.0
    top = max([x for x, _, _ in points] + [span["high"] for _, span, _ in points] + [1e-9])
    most = max(share for _, _, share in points)

    def at(x: float, y: float) -> tuple[float, float]:
        return left + 2 * size * x / top, 20 + size * (1 - y / top)

    parts = [line(*at(0, 0), *at(top, top), "chance")]
    for step in range(5):
        value = top * step / 4
        parts.append(plain(f"{100 * value:.1f} %", left - 4, at(0, value)[1] + 4, anchor="end"))
        parts.append(plain(f"{100 * value:.1f} %", at(value, 0)[0], 20 + size + foot + 14, anchor="middle"))
        parts.append(line(*at(0, value), *at(top, value), "grid"))
    for x, span, share in points:
        parts.append(line(*at(x, span["low"]), *at(x, span["high"]), "whisker"))
        middle, y = at(x, span["value"])
        parts.append(f'<circle class="dot" cx="{middle:.1f}" cy="{y:.1f}" r="3"/>')
        tall = (foot - 6) * share / most
        parts.append(
            f'<rect class="bar" x="{middle - 2:.1f}" y="{20 + size + foot - tall:.1f}" width="4" height="{tall:.1f}"/>'
        )
    parts.append(text(across, left + size, 20 + size + foot + 30, anchor="middle", kind="figure"))
    parts.append(text(up, left + 4, 9, kind="figure"))
    return picture(500, size + foot + 56, parts)


def strip(shares: Sequence[float]) -> str:
    """A row of cells, darker where the share is higher, with the share in each."""
    width = 480 / len(shares)
    parts = []
    for place, share in enumerate(shares):
        x = 10 + width * place
        parts.append(
            f'<rect class="cell" x="{x:.1f}" y="4" width="{width - 1:.1f}" height="26" fill-opacity="{0.04 + 0.36 * share:.2f}"/>'
        )
        if width > 20:
            parts.append(plain(f"{100 * share:.0f}", x + width / 2, 21, anchor="middle"))
    return picture(500, 34, parts)
