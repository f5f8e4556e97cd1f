"""A small vector drawing board on top of Pillow: posed, anti-aliased shapes filled with patterned cloth.

Everything is drawn in a square of 100 x 100 units, whatever the size in pixels, on a canvas three times as wide as the
final picture; averaging that down afterwards gives the smooth edges.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageChops, ImageDraw, ImageFont


SUPERSAMPLING = 3

RGB = tuple[int, int, int]
Points = Sequence[tuple[float, ...]]

COLOURS: dict[str, RGB] = {
    "Black": (30, 30, 33),
    "White": (247, 247, 245),
    "Grey": (140, 142, 146),
    "Navy Blue": (24, 38, 98),
    "Blue": (40, 108, 222),
    "Red": (216, 30, 38),
    "Maroon": (112, 12, 40),
    "Pink": (246, 146, 184),
    "Purple": (124, 56, 168),
    "Green": (36, 148, 66),
    "Olive": (116, 116, 38),
    "Yellow": (250, 212, 36),
    "Orange": (244, 122, 22),
    "Brown": (112, 66, 34),
    "Beige": (216, 199, 162),
    "Teal": (14, 140, 142),
}
GOLD: RGB = (214, 170, 74)
SILVER: RGB = (186, 190, 198)
CREAM: RGB = (248, 244, 234)
INK: RGB = (46, 44, 52)


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """Blend two colours; `share` is the part of the second, 0 to 1."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))


def luminance(colour: RGB) -> float:
    """Perceived brightness of a colour, 0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


@dataclass(frozen=True)
class Palette:
    """The tones one product is drawn with, all derived from its base colour."""

    base: RGB
    dark: RGB
    deep: RGB
    light: RGB
    seam: RGB
    accent: RGB

    @classmethod
    def of(cls, base: RGB, rng: random.Random) -> "Palette":
        """Derive the tones; `rng` only chooses between equally good accents."""
        bright = luminance(base)
        # On a very dark cloth a darker seam cannot be seen, so seams there are lighter than the cloth.
        seam = mix(base, (0, 0, 0), 0.38) if bright > 62 else mix(base, (255, 255, 255), 0.34)
        if bright > 150:
            accent = rng.choice((mix(base, (40, 30, 60), 0.62), mix(base, (20, 30, 50), 0.72)))
        else:
            accent = rng.choice((CREAM, mix(base, (255, 255, 255), 0.78)))
        return cls(
            base=base,
            dark=mix(base, (0, 0, 0), 0.2) if bright > 62 else mix(base, (255, 255, 255), 0.1),
            deep=mix(base, (0, 0, 0), 0.45),
            light=mix(base, (255, 255, 255), 0.3),
            seam=seam,
            accent=accent,
        )


@dataclass(frozen=True)
class Pose:
    """Where the drawing lands: scale, rotation in degrees, mirroring and shift in units of the 100-unit square."""

    scale: float = 1.0
    angle: float = 0.0
    flip: bool = False
    dx: float = 0.0
    dy: float = 0.0


@lru_cache(maxsize=64)
def font(size: int) -> ImageFont.FreeTypeFont:
    """The typeface built into Pillow, so that no system font is needed; `size` in pixels."""
    return ImageFont.load_default(size=size)


def mirror(half: Points, axis: float = 50.0) -> list[tuple[float, ...]]:
    """Complete the right half of an outline, given from top to bottom, by its reflection in the line x = `axis`."""
    back = [(2 * axis - x, *rest) for x, *rest in reversed(half) if abs(x - axis) > 1e-6]
    return [*half, *back]


def smooth(points: Points, closed: bool, steps: int = 5) -> list[tuple[float, float]]:
    """Run a Catmull-Rom curve through the points; a third value of 1 in a point makes it a sharp corner."""
    count = len(points)
    result: list[tuple[float, float]] = []
    for index in range(count if closed else count - 1):
        one, two = points[index], points[(index + 1) % count]
        sharp_one, sharp_two = len(one) > 2, len(two) > 2
        if sharp_one and sharp_two:
            result.append(one[:2])
            continue
        before = points[index - 1] if (closed or index > 0) and not sharp_one else one
        after = points[(index + 2) % count] if (closed or index + 2 < count) and not sharp_two else two
        for step in range(steps):
            t = step / steps
            a, b = -0.5 * t + t * t - 0.5 * t**3, 1 - 2.5 * t * t + 1.5 * t**3
            c, d = 0.5 * t + 2 * t * t - 1.5 * t**3, -0.5 * t * t + 0.5 * t**3
            result.append(
                (
                    a * before[0] + b * one[0] + c * two[0] + d * after[0],
                    a * before[1] + b * one[1] + c * two[1] + d * after[1],
                )
            )
    if not closed:
        result.append(points[-1][:2])
    return result


def oval(x: float, y: float, rx: float, ry: float | None = None, sides: int = 28) -> list[tuple[float, float]]:
    """The outline of an ellipse (a circle if `ry` is left out)."""
    ry = rx if ry is None else ry
    return [(x + rx * cos, y + ry * sin) for cos, sin in _circle(sides)]


@lru_cache(maxsize=16)
def _circle(sides: int) -> tuple[tuple[float, float], ...]:
    turn = 2 * math.pi / sides
    return tuple((math.cos(turn * step), math.sin(turn * step)) for step in range(sides))


def star(x: float, y: float, radius: float, tips: int = 5, inner: float = 0.45) -> list[tuple[float, float]]:
    """The outline of a star with one tip upwards; `inner` is the depth of the notches as a share of the radius."""
    result = []
    for step in range(2 * tips):
        length = radius * (inner if step % 2 else 1.0)
        angle = math.pi * step / tips
        result.append((x + length * math.sin(angle), y - length * math.cos(angle)))
    return result


def heart(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    """The outline of a heart about as wide and high as a circle of that radius."""
    half = [(0, -0.45, 1), (0.45, -0.92), (0.98, -0.6), (0.9, 0.0), (0.5, 0.5), (0, 1.0, 1)]
    outline = mirror([(x + radius * p[0], y + radius * p[1], *p[2:]) for p in half], axis=x)
    return smooth(outline, closed=True, steps=4)


class Board:
    """A transparent canvas that shapes are drawn on, in posed units of a 100 x 100 square.

    Args:
        size (`int`): Side of the final picture in pixels.
        palette (`Palette`): Tones of the product.
        pose (`Pose`): Where the product lands.
        pattern (`str`, defaults to `"Solid"`): Pattern of the cloth that [`Board.cloth`] fills shapes with.
        rng (`random.Random`, *optional*): Places the pattern; needed unless the pattern is `"Solid"`.
        ground (`RGB`, *optional*): Start from a canvas of this colour instead of a transparent one.
    """

    def __init__(
        self,
        size: int,
        palette: Palette,
        pose: Pose | None = None,
        pattern: str = "Solid",
        rng: random.Random | None = None,
        ground: RGB | None = None,
    ) -> None:
        self.size = size
        self.palette = palette
        self.pose = pose or Pose()
        self.unit = size * SUPERSAMPLING / 100
        side = size * SUPERSAMPLING
        self.image = (
            Image.new("RGBA", (side, side), (*palette.base, 0))
            if ground is None
            else Image.new("RGB", (side, side), ground)
        )
        self.pen = ImageDraw.Draw(self.image)
        self.cover = Image.new("L", (side, side))
        self.cover_pen = ImageDraw.Draw(self.cover)
        # Shapes can be moved as a group, e.g. the second shoe of a pair.
        self.shift = (0.0, 0.0)
        self.grow = 1.0
        angle = math.radians(self.pose.angle)
        self._cos, self._sin = math.cos(angle) * self.pose.scale, math.sin(angle) * self.pose.scale
        self.weave = None if pattern == "Solid" else self._draw_weave(pattern, rng or random.Random(0))

    def place(self, points: Points) -> list[tuple[float, float]]:
        """Units to pixels of the canvas."""
        cos, sin, unit = self._cos, self._sin, self.unit
        turn = -1.0 if self.pose.flip else 1.0
        ox, oy = 50 + self.pose.dx, 50 + self.pose.dy
        sx, sy = self.shift
        grow = self.grow
        result = []
        for point in points:
            x = turn * ((point[0] - 50) * grow + sx)
            y = (point[1] - 50) * grow + sy
            result.append(((ox + x * cos - y * sin) * unit, (oy + x * sin + y * cos) * unit))
        return result

    def width(self, units: float) -> int:
        """A line width in units, as whole pixels of the canvas."""
        return max(1, round(units * self.unit * self.pose.scale * self.grow))

    def cloth(self, points: Points, tone: float = 1.0, edge: bool = True, rounded: bool = True) -> None:
        """Fill an outline with the product's cloth; `tone` below 1 darkens it (and leaves the pattern out)."""
        outline = self.place(smooth(points, closed=True) if rounded else points)
        if self.weave is not None and tone == 1.0:
            mask = Image.new("L", self.image.size)
            ImageDraw.Draw(mask).polygon(outline, fill=255)
            self.image.paste(self.weave, mask=mask)
        else:
            colour = self.palette.base if tone == 1.0 else mix(self.palette.base, (0, 0, 0), 1 - tone)
            self.pen.polygon(outline, fill=colour)
        self.cover_pen.polygon(outline, fill=255)
        if edge:
            self.pen.line([*outline, outline[0]], fill=self.palette.seam, width=self.width(0.9))

    def shape(
        self, points: Points, fill: RGB, edge: RGB | None = None, rounded: bool = True, width: float = 0.8
    ) -> None:
        """Fill an outline with one colour, for parts that are not cloth."""
        outline = self.place(smooth(points, closed=True) if rounded else points)
        self.pen.polygon(outline, fill=fill)
        if edge is not None:
            self.pen.line([*outline, outline[0]], fill=edge, width=self.width(width))

    def disc(self, x: float, y: float, rx: float, fill: RGB, ry: float | None = None, edge: RGB | None = None) -> None:
        """Fill an ellipse."""
        self.shape(oval(x, y, rx, ry, sides=14 if rx < 3 else 28), fill, edge, rounded=False)

    def line(self, points: Points, fill: RGB | None = None, width: float = 0.8, rounded: bool = True) -> None:
        """Draw a stroke through the points, in the seam colour unless told otherwise."""
        path = self.place(smooth(points, closed=False) if rounded and len(points) > 2 else points)
        self.pen.line(path, fill=fill or self.palette.seam, width=self.width(width), joint="curve")

    def fold(self, *points: tuple[float, float], width: float = 0.8) -> None:
        """Draw a faint crease in the cloth."""
        self.line(points, fill=mix(self.palette.base, self.palette.seam, 0.5), width=width)

    def text(self, words: str, x: float, y: float, width: float, fill: RGB) -> None:
        """Print words centred on a point, at most `width` units wide, turned with the product but never mirrored."""
        face = font(40)
        left, top, right, bottom = face.getbbox(words)
        stamp = Image.new("L", (right - left + 4, bottom - top + 4))
        ImageDraw.Draw(stamp).text((2 - left, 2 - top), words, fill=255, font=face, stroke_width=1, stroke_fill=255)
        target = min(width, 5.0 * len(words) + 3) * self.unit * self.pose.scale * self.grow
        ratio = target / stamp.width
        stamp = stamp.resize((max(1, round(target)), max(1, round(stamp.height * ratio))), Image.Resampling.BILINEAR)
        stamp = stamp.rotate(-self.pose.angle, resample=Image.Resampling.BILINEAR, expand=True)
        ((cx, cy),) = self.place([(x, y)])
        corner = (round(cx - stamp.width / 2), round(cy - stamp.height / 2))
        self.image.paste(fill, (*corner, corner[0] + stamp.width, corner[1] + stamp.height), mask=stamp)

    def overlay(self) -> "Board":
        """A fresh board with the same pose, to be laid over this one by [`Board.lay`]."""
        return Board(self.size, self.palette, self.pose)

    def lay(self, other: "Board") -> None:
        """Lay another board's drawing over this one, only where there is cloth."""
        mask = ImageChops.multiply(other.image.getchannel("A"), self.cover)
        self.image.paste(other.image, mask=mask)

    def finish(self) -> Image.Image:
        """Average down to `size` x `size` pixels; the result is RGBA, or RGB if the board has a ground."""
        return self.image.reduce(SUPERSAMPLING)

    def _draw_weave(self, pattern: str, rng: random.Random) -> Image.Image:
        weave = Image.new("RGB", self.image.size, self.palette.base)
        pen = ImageDraw.Draw(weave)
        accent = self.palette.accent
        if pattern == "Striped":
            self._stripes(pen, rng.choice((True, False)), rng.uniform(8.5, 10.5), 3.0, accent)
        elif pattern == "Checked":
            step = rng.uniform(12.0, 14.0)
            faint = mix(self.palette.base, accent, 0.5)
            self._stripes(pen, True, step, 4.2, faint)
            self._stripes(pen, False, step, 4.2, faint)
            self._stripes(pen, True, step, 1.3, accent)
            self._stripes(pen, False, step, 1.3, accent)
        elif pattern == "Polka Dots":
            step = rng.uniform(9.0, 10.5)
            for row in range(-4, int(110 / step) + 3):
                for column in range(-4, int(110 / step) + 3):
                    x = (column + 0.5 * (row % 2)) * step
                    pen.polygon(self.place(oval(x, row * step * 0.87, 2.2, sides=12)), fill=accent)
        elif pattern == "Floral":
            step = 15.0
            heart_colour = GOLD if luminance(self.palette.base) < 150 else (200, 60, 90)
            for row in range(-2, 9):
                for column in range(-2, 9):
                    x = (column + 0.5 * (row % 2)) * step + rng.uniform(-1.2, 1.2)
                    y = row * step * 0.87 + rng.uniform(-1.2, 1.2)
                    turn = rng.uniform(0, 1.2)
                    for petal in range(5):
                        angle = turn + petal * 2 * math.pi / 5
                        leaf = oval(x + 2.7 * math.cos(angle), y + 2.7 * math.sin(angle), 2.0, sides=8)
                        pen.polygon(self.place(leaf), fill=accent)
                    pen.polygon(self.place(oval(x, y, 1.6, sides=8)), fill=heart_colour)
        else:
            raise ValueError(f"pattern {pattern!r} cannot be drawn; see PATTERN_WORDS for the ones that can.")
        return weave

    def _stripes(self, pen: ImageDraw.ImageDraw, upright: bool, step: float, width: float, fill: RGB) -> None:
        for index in range(-3, int(110 / step) + 3):
            at = index * step + 50 % step
            path = [(at, -30), (at, 130)] if upright else [(-30, at), (130, at)]
            pen.line(self.place(path), fill=fill, width=self.width(width))
