"""Everything around a drawn product: backdrop, wearer, marks of usage and gender, swing tag, light and shadow.

The conventions a picture speaks, each drawn large enough to survive 64 x 64 pixels:

- usage: casual pictures are undressed; formal ones have a moulded panel as backdrop and pressed creases; sports ones
  stand on a running track and carry side stripes; ethnic ones have a mandala, a woven runner and embroidered borders;
  party ones have confetti, sequins and a satin sheen;
- gender: the cut of the piece (drawn-in waists, smaller scale and motifs for children), the wearer where there is one,
  and a swing tag: a slate ticket for men, a raspberry disc for women, a sky-blue star for boys, a rose heart for girls
  and a ticket of two halves for unisex.
"""

import math
import random
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from .drawing import (
    COLOURS,
    CREAM,
    GOLD,
    INK,
    RGB,
    Board,
    Palette,
    Points,
    Pose,
    heart,
    luminance,
    mix,
    star,
)
from .footwear import FOOTWEAR
from .garments import GARMENTS, Anchors, Cut
from .goods import GOODS
from .wearers import COVERS, SKINS, WORN, draw_wearer


ARTICLES = {**GARMENTS, **FOOTWEAR, **GOODS}

CUTS = {
    "Men": Cut(),
    "Unisex": Cut(waist=1.0),
    "Women": Cut(waist=5.5, feminine=True),
    "Boys": Cut(child=True),
    "Girls": Cut(waist=3.5, feminine=True, child=True),
}

BACKDROPS: tuple[RGB, ...] = (
    (242, 239, 232), (226, 228, 232), (206, 218, 230), (240, 218, 214), (212, 230, 216), (232, 220, 196),
    (222, 214, 236), (176, 196, 212), (210, 178, 156), (168, 194, 170), (228, 206, 150), (190, 172, 204),
    (120, 128, 140), (92, 96, 110), (150, 128, 120), (214, 186, 178), (112, 140, 160),
)  # fmt: skip
CONFETTI: tuple[RGB, ...] = ((236, 72, 120), (250, 200, 60), (70, 170, 220), (120, 200, 110), (180, 110, 220))

LIES_WIDE = {
    "Casual Shoes",
    "Sports Shoes",
    "Formal Shoes",
    "Heels",
    "Sandals",
    "Sunglasses",
    "Belts",
    "Caps",
    "Wallets",
}


def stage_product(row: Mapping[str, object], size: int, rng: random.Random) -> Image.Image:
    """Draw a catalogue picture; see `draw_product` of the demo catalogue, which checks the row and seeds `rng`."""
    article, gender, usage = str(row["articleType"]), str(row["gender"]), str(row["usage"])
    cut = CUTS[gender]
    base = tuple(min(255, max(0, c + rng.randint(-5, 5))) for c in COLOURS[str(row["baseColour"])])
    palette = Palette.of(base, rng)
    ground = rng.choice([colour for colour in BACKDROPS if math.dist(colour, base) > 100])
    toward = rng.uniform(-0.9, 0.9)  # where the light comes from, left to right
    style = rng.choice(("plain", "gradient", "floor", "planks", "wall", "texture"))
    scene = _backdrop(style, ground, usage, size, rng)

    worn = article in WORN and rng.random() < 0.35
    kind, scale, drop = WORN[article] if worn else ("", rng.uniform(0.84, 0.96), 0.0)
    if cut.child:
        scale *= 0.83
        drop += 4.0 if worn else rng.uniform(-3, 5)
    angle = rng.uniform(-3, 3) if worn else rng.uniform(-9, 9)
    pose = Pose(scale, angle, rng.random() < 0.5, rng.uniform(-4, 4), drop + rng.uniform(-3, 3))
    board = Board(size, palette, pose, str(row["pattern"]), rng)
    if worn:
        tones = [[c for c in shades if math.dist(c, base) > 70] for shades in (SKINS, COVERS)]
        draw_wearer(board, kind, article, cut, gender, rng.choice(tones[0]), rng.choice(tones[1]))
    anchors = ARTICLES[article](board, cut)
    _mark_usage(board, anchors, usage, rng)
    if anchors.spot is not None:
        _print_on(board, anchors.spot, cut, row.get("printed_text"))

    lit = _light_product(board.finish(), scene, toward, floor=style == "floor" and not worn)
    lit = _hang_tag(lit, gender, article, size, rng)
    return _light_room(lit, toward, rng)


def _backdrop(style: str, ground: RGB, usage: str, size: int, rng: random.Random) -> Image.Image:
    board = Board(size, Palette.of(ground, rng), ground=ground)
    deeper, paler = mix(ground, (0, 0, 0), 0.12), mix(ground, (255, 255, 255), 0.25)
    if style == "gradient":
        for step in range(20):
            board.shape(
                [(-1, 5 * step), (101, 5 * step), (101, 101), (-1, 101)], mix(paler, deeper, step / 19), rounded=False
            )
    elif style == "floor":
        line = rng.uniform(64, 76)
        board.shape([(-1, line), (101, line), (101, 101), (-1, 101)], deeper, rounded=False)
        board.line([(-1, line), (101, line)], mix(deeper, (0, 0, 0), 0.1), 0.8)
    elif style == "planks":
        step = rng.uniform(13, 19)
        upright = rng.random() < 0.5
        for index in range(9):
            tone = mix(ground, deeper, rng.uniform(0, 0.9))
            strip = [(-1, index * step), (101, index * step), (101, (index + 1) * step), (-1, (index + 1) * step)]
            grain = [(-1, (index + rng.uniform(0.3, 0.7)) * step), (101, (index + rng.uniform(0.3, 0.7)) * step)]
            turned = [[(y, x) if upright else (x, y) for x, y in path] for path in (strip, grain)]
            board.shape(turned[0], tone, mix(ground, (0, 0, 0), 0.22), rounded=False, width=0.5)
            board.line(turned[1], mix(tone, (0, 0, 0), 0.06), 0.6)
    elif style == "wall":
        step = rng.uniform(11, 15)
        for course in range(10):
            board.line([(-1, course * step), (101, course * step)], paler, 0.8)
            for column in range(-1, 6):
                x = (column + 0.5 * (course % 2)) * step * 2
                board.line([(x, course * step), (x, (course + 1) * step)], paler, 0.8)
    elif style == "texture":
        for _ in range(70):
            x, y = rng.uniform(-5, 100), rng.uniform(-5, 105)
            board.line([(x, y), (x + rng.uniform(5, 16), y + rng.uniform(-1, 1))], rng.choice((deeper, paler)), 0.5)
    # Casual pictures are left undressed.
    dress = {"Sports": _track, "Formal": _panel, "Ethnic": _runner_cloth, "Party": _confetti}.get(usage)
    if dress is not None:
        dress(board, ground, rng)
    return board.finish()


def _track(board: Board, ground: RGB, rng: random.Random) -> None:
    line = rng.uniform(70, 75)
    tartan = rng.choice(((190, 92, 70), (88, 132, 112), (96, 122, 160)))
    board.shape([(-1, line), (101, line), (101, 101), (-1, 101)], tartan, rounded=False)
    board.line([(-1, line), (101, line)], CREAM, 1.8)
    lean = rng.uniform(-8, 8)
    for lane in range(-4, 9):
        x = 10 + 20 * lane
        board.line([(50 + (x - 50) * 0.75 + lean * 0.3, line), (50 + (x - 50) * 1.5 - lean, 102)], CREAM, 1.9)


def _panel(board: Board, ground: RGB, rng: random.Random) -> None:
    inset = rng.uniform(3.5, 5.5)
    shade, gleam = mix(ground, (0, 0, 0), 0.5), mix(ground, (255, 255, 255), 0.65)
    for reach, fill, width in ((inset, shade, 1.9), (inset + 1.6, gleam, 1.2), (inset + 5.2, shade, 1.2)):
        far = 100 - reach
        frame = [(reach, reach), (far, reach), (far, far), (reach, far), (reach, reach)]
        board.line(frame, fill, width, rounded=False)


def _runner_cloth(board: Board, ground: RGB, rng: random.Random) -> None:
    x, y = rng.uniform(44, 56), rng.uniform(40, 48)
    ring = mix(ground, (170, 60, 40) if luminance(ground) > 130 else (250, 200, 120), 0.4)
    turn = rng.uniform(0, 0.5)
    for petals, reach, leaf in ((16, 40, 6.5), (12, 30, 5.5)):
        for petal in range(petals):
            angle = turn + 2 * math.pi * petal / petals
            board.disc(
                x + reach * math.cos(angle), y + reach * math.sin(angle), leaf, mix(ground, ring, 0.55), edge=ring
            )
    edge = rng.uniform(85, 88)
    board.shape([(-1, edge), (101, edge), (101, 101), (-1, 101)], (138, 28, 52), rounded=False)
    for low, high in ((edge, edge + 1.4), (98.4, 101)):
        board.shape([(-1, low), (101, low), (101, high), (-1, high)], GOLD, rounded=False)
    start = rng.uniform(-8, 0)
    for step in range(13):
        left = start + step * 9
        board.shape([(left, 97), (left + 4.5, edge + 3), (left + 9, 97)], GOLD, rounded=False)
        board.disc(left + 4.5, 95, 1.3, (40, 120, 110))


def _confetti(board: Board, ground: RGB, rng: random.Random) -> None:
    for _ in range(7):
        glow = mix(ground, (255, 246, 220), rng.uniform(0.35, 0.6))
        board.disc(rng.uniform(0, 100), rng.uniform(0, 100), rng.uniform(6, 12), glow)
    for index in range(44):
        x, y, turn = rng.uniform(0, 100), rng.uniform(0, 100), rng.uniform(0, math.pi)
        fill = CONFETTI[index % len(CONFETTI)]
        if index % 3 == 0:
            board.disc(x, y, 1.9, fill)
        else:
            dx, dy = 2.9 * math.cos(turn), 2.9 * math.sin(turn)
            board.line([(x - dx, y - dy), (x + dx, y + dy)], fill, 2.2)


def _walk(path: Points, step: float) -> list[tuple[float, float, float, float]]:
    """Points every `step` units along a path, each with the direction to its left."""
    result = []
    for (ax, ay), (bx, by) in pairwise(path):
        length = math.hypot(bx - ax, by - ay) or 1.0
        count = max(1, round(length / step))
        for index in range(count):
            share = (index + 0.5) / count
            result.append((ax + (bx - ax) * share, ay + (by - ay) * share, (ay - by) / length, (bx - ax) / length))
    return result


def _mark_usage(board: Board, anchors: Anchors, usage: str, rng: random.Random) -> None:
    base = board.palette.base
    marks = board.overlay()
    marks.shift, marks.grow = board.shift, board.grow
    if usage == "Sports":
        trim = (252, 252, 250) if luminance(base) < 170 else (52, 56, 72)
        for path in anchors.sides:
            for width, fill in ((7.4, board.palette.deep), (6.4, trim), (2.0, base)):
                marks.line(path, fill, width)
    elif usage == "Ethnic":
        golden = base[0] > 190 and base[1] > 110 and base[2] < 190
        band, stitch = ((138, 28, 52), (236, 196, 96)) if golden else ((228, 182, 76), (150, 30, 50))
        for path in anchors.border:
            marks.line(path, board.palette.deep, 8.6, rounded=False)
            marks.line(path, band, 7.6, rounded=False)
            for index, (x, y, nx, ny) in enumerate(_walk([p[:2] for p in path], 3.4)):
                reach = 1.9 if index % 2 else -1.9
                marks.disc(x + nx * reach, y + ny * reach, 1.5, stitch if index % 2 else (30, 110, 100))
    elif usage == "Formal":
        for path in anchors.crease:
            marks.line(path, board.palette.seam, 1.3)
            marks.line([(p[0] + 1.3, p[1]) for p in path], board.palette.light, 0.9)
    elif usage == "Party":
        gloss = Board(board.size, board.palette, board.pose)
        start = rng.uniform(10, 30)
        for left, width in ((start, 9), (start + 16, 4), (start + 44, 7)):
            gloss.line([(left, 104), (left + 40, -4)], (255, 255, 255), width)
        sheen = ImageChops.multiply(gloss.image.getchannel("A"), board.cover).point(lambda value: value * 22 // 100)
        board.image.paste((255, 255, 255), mask=sheen)
        sparkle = (255, 250, 226) if luminance(base) < 185 else (206, 150, 40)
        marks.shift, marks.grow = (0.0, 0.0), 1.0
        for index in range(54):
            x, y = 12 + 11 * (index % 8) + rng.uniform(-4, 4), 10 + 12.5 * (index // 8) + rng.uniform(-4, 4)
            marks.shape(star(x, y, rng.uniform(1.8, 3.4), tips=4, inner=0.34), sparkle, rounded=False)
    else:
        return
    board.lay(marks)


def _print_on(board: Board, spot: tuple[float, float, float], cut: Cut, words: object) -> None:
    x, y, radius = spot
    fill = CREAM if luminance(board.palette.base) < 150 else (58, 54, 70)
    if words:
        board.text(str(words), x, y, radius * 3.6, fill)
    elif cut.child:
        outline = heart(x, y, radius) if cut.feminine else star(x, y, radius * 1.15)
        board.shape(outline, fill, board.palette.deep, rounded=False, width=1.2)


def _figure(board: Board, x: float, y: float, size: float, skirted: bool, fill: RGB) -> None:
    board.disc(x, y - 1.15 * size, 0.62 * size, fill)
    if skirted:
        body = [(x - 0.2 * size, y - 0.4 * size), (x + 0.2 * size, y - 0.4 * size), (x + size, y + 1.4 * size),
                (x - size, y + 1.4 * size)]  # fmt: skip
    else:
        body = [(x - 0.75 * size, y - 0.4 * size), (x + 0.75 * size, y - 0.4 * size), (x + 0.5 * size, y + 1.6 * size),
                (x - 0.5 * size, y + 1.6 * size)]  # fmt: skip
    board.shape(body, fill, rounded=False)


def _hang_tag(picture: Image.Image, gender: str, article: str, size: int, rng: random.Random) -> Image.Image:
    side = rng.choice((-1, 1))
    high = article in LIES_WIDE
    x = 50 + side * rng.uniform(34, 38)
    y = rng.uniform(16, 21) if high else rng.uniform(78, 83)
    board = Board(size, Palette.of(CREAM, rng), Pose(0.96, rng.uniform(-10, 10), False, x - 50, y - 50))
    tilt = -side * rng.uniform(10, 14)
    top = 33 if high else 30
    board.line(
        [(50, 42), (50 + tilt * 0.1, 36), (50 + tilt, top), (50 + tilt * 0.8, top + 6), (50, 42)], (116, 98, 78), 0.9
    )
    if gender == "Men":
        board.shape(
            [(45, 39), (55, 39), (58.5, 43), (58.5, 62), (41.5, 62), (41.5, 43)], (56, 74, 102), CREAM, rounded=False
        )
        _figure(board, 50, 51.5, 4.2, False, CREAM)
    elif gender == "Women":
        board.disc(50, 50, 11.2, (204, 48, 112), edge=CREAM)
        _figure(board, 50, 50, 4.2, True, CREAM)
    elif gender == "Unisex":
        board.shape([(38, 41), (50, 41), (50, 60), (38, 60)], (250, 196, 60), rounded=False)
        board.shape([(50, 41), (62, 41), (62, 60), (50, 60)], (40, 150, 130), rounded=False)
        board.line([(38, 41), (62, 41), (62, 60), (38, 60), (38, 41)], CREAM, 0.9, rounded=False)
        _figure(board, 44, 50.5, 3.3, False, INK)
        _figure(board, 56, 50.5, 3.3, True, CREAM)
    elif gender == "Boys":
        board.shape(star(50, 51, 13.5, inner=0.52), (60, 160, 232), CREAM, rounded=False)
        board.disc(50, 50.5, 3.0, (252, 214, 70))
    else:
        board.shape(heart(50, 51, 11.5), (246, 122, 164), CREAM, rounded=False)
        board.disc(50, 49, 3.0, CREAM)
    tag = board.finish()
    shadow = tag.getchannel("A").filter(ImageFilter.GaussianBlur(size * 0.012))
    shadow = _moved(shadow, 0, max(1, round(size * 0.014))).point(lambda value: value * 45 // 100)
    picture.paste((20, 18, 24), mask=shadow)
    picture.paste(tag.convert("RGB"), mask=tag.getchannel("A"))
    return picture


def _moved(mask: Image.Image, dx: int, dy: int) -> Image.Image:
    moved = Image.new("L", mask.size)
    moved.paste(mask, (dx, dy))
    return moved


def _light_product(product: Image.Image, scene: Image.Image, toward: float, floor: bool) -> Image.Image:
    size = product.width
    alpha = product.getchannel("A")
    # The slope of the blurred outline stands in for the surface: sides turned to the light brighten, others darken.
    mound = np.asarray(alpha.filter(ImageFilter.GaussianBlur(size * 0.045)), dtype=np.float32) / 255
    step = max(1, round(size * 0.02))
    wide = np.pad(mound, step, mode="edge")
    across = wide[step:-step, : -2 * step] - wide[step:-step, 2 * step :]
    down = wide[: -2 * step, step:-step] - wide[2 * step :, step:-step]
    shade = 1.0 + np.clip(0.62 * (across * -toward - 0.55 * down), -0.24, 0.14)
    shade *= 0.86 + 0.14 * np.clip(mound * 1.25, 0, 1)
    opacity = np.asarray(alpha, dtype=np.float32)[..., None] / 255
    ground = np.asarray(scene, dtype=np.float32)
    cast = _moved(alpha, round(-toward * size * 0.03), round(size * 0.03))
    cast = np.asarray(cast.filter(ImageFilter.GaussianBlur(size * 0.026)), dtype=np.float32)[..., None] / 255
    ground = ground * (1 - 0.36 * cast)
    box = alpha.getbbox()
    if floor and box is not None:
        pool = Board(size, Palette.of(INK, random.Random(0)))
        middle, low = (box[0] + box[2]) * 50 / size, min(96.0, box[3] * 100 / size)
        pool.disc(middle, low, (box[2] - box[0]) * 46 / size, INK, ry=3.4)
        dark = pool.finish().getchannel("A").filter(ImageFilter.GaussianBlur(size * 0.02))
        ground = ground * (1 - 0.4 * np.asarray(dark, dtype=np.float32)[..., None] / 255)
    colour = np.asarray(product.convert("RGB"), dtype=np.float32)
    lit = ground * (1 - opacity) + colour * shade[..., None] * opacity
    return Image.fromarray(np.clip(lit + 0.5, 0, 255).astype(np.uint8))


def _light_room(picture: Image.Image, toward: float, rng: random.Random) -> Image.Image:
    size = picture.width
    warmth, brightness = rng.uniform(-0.03, 0.03), rng.uniform(0.93, 1.05)
    tint = np.array([1 + warmth, 1.0, 1 - warmth], dtype=np.float32) * np.float32(brightness)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    fall = 1 + 0.06 * np.float32(toward) * ramp[None, :] - 0.035 * ramp[:, None]
    vignette = 1 - 0.05 * (ramp[None, :] ** 2 + ramp[:, None] ** 2) / 2
    lit = np.asarray(picture, dtype=np.float32) * (fall * vignette)[..., None] * tint
    return Image.fromarray(np.clip(lit + 0.5, 0, 255).astype(np.uint8))
