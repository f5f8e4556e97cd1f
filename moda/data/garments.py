"""Clothes of the demo catalogue: one drawing function per article type.

Every function draws on a [`~moda.data.drawing.Board`] in units of a 100 x 100 square and returns [`Anchors`]: the
places where marks of usage and gender (borders, side stripes, creases, motifs) belong on that piece.
"""

from dataclasses import dataclass, field

from .drawing import CREAM, GOLD, INK, SILVER, Board, Points, luminance, mirror, mix, oval


@dataclass(frozen=True)
class Cut:
    """How a gender shapes a piece: `waist` in units drawn in at the waist, `feminine` and `child` for details."""

    waist: float = 0.0
    feminine: bool = False
    child: bool = False


@dataclass
class Anchors:
    """Places on a piece, in units: hems for borders, lines for side stripes and creases, a spot for prints."""

    border: list[Points] = field(default_factory=list)
    sides: list[Points] = field(default_factory=list)
    crease: list[Points] = field(default_factory=list)
    spot: tuple[float, float, float] | None = None


def both(path: Points) -> list[Points]:
    """A path of the right half and its reflection in the middle line."""
    return [list(path), [(100 - p[0], *p[1:]) for p in path]]


def _neck(board: Board, depth: float, spread: float = 7.0, rib: float = 2.2) -> None:
    board.shape(mirror([(50, 17.5), (50 + spread, 19.5, 1), (50 + spread * 0.6, 19 + depth * 0.8), (50, 19 + depth)]),
                mix(board.palette.base, (0, 0, 0), 0.42))  # fmt: skip
    rim = [(50 - spread, 19.5), (50 - spread * 0.6, 19 + depth * 0.8), (50, 19 + depth),
           (50 + spread * 0.6, 19 + depth * 0.8), (50 + spread, 19.5)]  # fmt: skip
    board.line(rim, board.palette.dark, rib + 1.2)
    board.line(rim, board.palette.seam, 0.8)


def tshirt(board: Board, cut: Cut) -> Anchors:
    w = cut.waist
    half = [(57, 19.5, 1), (66, 21), (73, 25), (89, 42, 1), (79, 51, 1), (71.5, 43, 1), (71 - w, 60), (71, 85, 1)]
    if cut.feminine:  # shorter, rounder cap sleeves
        half[3:5] = [(85, 38, 1), (76.5, 47, 1)]
    board.cloth(mirror(half))
    _neck(board, 11 if cut.feminine else 7.5, 9 if cut.feminine else 7)
    for side in both([(70.5, 26), (70, 34), (71.5, 43)]):
        board.line(side)
    for side in both([(half[3][0] - 2, half[3][1] - 1.6), (half[4][0] - 1.6, half[4][1] - 2)]):
        board.line(side)
    board.line([(29, 82), (71, 82)])
    for side in both([(68 - w, 64), (64 - w, 67)]):
        board.fold(*side)
    return Anchors([[(29, 80), (71, 80)]], both([(69, 44), (68 - w, 60), (68, 84)]), [], (50, 48, 8.5))


def shirt(board: Board, cut: Cut) -> Anchors:
    w = cut.waist
    for side in both([(69, 23, 1), (77, 28), (82, 45), (86, 73, 1), (76.5, 75, 1), (72.5, 52), (70, 42, 1)]):
        board.cloth(side)
    for side in both([(85.2, 67), (75.3, 69)]):
        board.line(side, width=1.2)
    hem = [(70, 85, 1), (60, 89), (50, 84)] if cut.feminine else [(70, 83, 1), (66, 88), (50, 88)]
    board.cloth(mirror([(56, 20, 1), (69, 23, 1), (70, 42), (69.5 - w, 60), *hem]))
    # The placket and its buttons, then the two points of the collar.
    board.shape(
        [(47.2, 26), (52.8, 26), (52.8, 84.5), (47.2, 84.5)], board.palette.light, board.palette.seam, rounded=False
    )
    for y in (33, 42, 51, 60, 69, 78):
        board.disc(50, y, 1.4, CREAM if luminance(board.palette.base) < 120 else INK)
    board.shape([(43, 20), (50, 18), (57, 20), (50, 28)], mix(board.palette.base, (0, 0, 0), 0.45), rounded=False)
    for side in both([(50, 28.5), (57.5, 17), (63.5, 23.5), (57, 35)]):
        board.shape(side, board.palette.light, board.palette.seam, rounded=False)
    if not cut.feminine:
        board.line([(56, 41), (65, 41), (65, 50), (60.5, 53), (56, 50), (56, 41)], rounded=False)
    return Anchors([[(30, 80), (70, 80)]], both([(81, 30), (84, 50), (86, 66)]), both([(60, 34), (60 - w / 2, 86)]),
                   (39, 45, 5.5))  # fmt: skip


def top(board: Board, cut: Cut) -> Anchors:
    for side in both([(58, 33), (61, 17), (64, 17), (63, 33)]):
        board.cloth(side, rounded=False)
    body = mirror([(50, 35), (58, 30, 1), (66, 33), (70, 42, 1), (64, 57, 1)])
    board.cloth(body)
    # A flared, wavy peplum below the waist.
    skirt = [(64, 57, 1), (70, 68), (77, 81, 1), (71, 84), (65, 81), (58, 84), (50, 81)]
    board.cloth(mirror([(50, 57), *skirt]))
    board.line([(36, 57), (64, 57)], width=2.2)
    for side in both([(56, 58), (58.5, 80)]):
        board.fold(*side, width=1.2)
    for side in both([(61, 58), (68, 78)]):
        board.fold(*side, width=1.2)
    board.line([(42, 31), (46, 34), (50, 35.5), (54, 34), (58, 31)], width=1.4)
    return Anchors([[(27, 78), (50, 77), (73, 78)]], both([(67, 40), (62, 56)]), both([(56, 36), (55, 56)]),
                   (50, 46, 6.5))  # fmt: skip


def sweater(board: Board, cut: Cut) -> Anchors:
    w = cut.waist
    for side in both([(68, 23, 1), (78, 30), (86, 50), (89, 72, 1), (77.5, 75, 1), (74, 58), (69, 46, 1)]):
        board.cloth(side)
    board.cloth(mirror([(57, 20, 1), (68, 22, 1), (72, 40), (71 - w, 60), (72, 77, 1), (69, 84, 1)]))
    # Thick ribbed collar, cuffs and hem, and cables down the front tell it from a T-shirt.
    for side in both([(90.5, 69), (76.5, 72.5), (78, 82), (90, 79)]):
        board.cloth(side, tone=0.72, rounded=False)
    board.cloth([(27.5, 76), (72.5, 76), (70, 87), (30, 87)], tone=0.72, rounded=False)
    for x in range(32, 70, 4):
        board.line([(x, 78), (x, 85.5)])
    for x in (81, 85):
        for side in both([(x - 1, 73), (x - 0.5, 78)]):
            board.line(side)
    for centre in (41, 50, 59):
        for sign in (-1, 1):
            path = [(centre + sign * 2.1 * (1 if step % 2 else -1), 33 + 5.5 * step) for step in range(9)]
            board.line(path, width=1.5)
    board.cloth(mirror([(50, 13), (58, 13.5, 1), (61, 25, 1), (50, 31)]), tone=0.72)
    for x in (43, 46.5, 50, 53.5, 57):
        board.line([(x, 15), (50 + (x - 50) * 1.2, 27)])
    return Anchors(
        [[(28.5, 73), (71.5, 73)]], both([(80, 31), (84.5, 50), (86, 68)]), both([(64, 28), (64 - w / 2, 76)])
    )


def jacket(board: Board, cut: Cut) -> Anchors:
    w = cut.waist
    hem = 72 if cut.feminine else 84
    for side in both([(67, 22, 1), (78, 29), (86, 50), (89, 75, 1), (78, 78, 1), (73, 58), (69, 45, 1)]):
        board.cloth(side)
    for side in both([(88.3, 69), (77, 72)]):
        board.line(side, width=1.4)
    board.shape([(42, 20), (58, 20), (57, hem - 2), (43, hem - 2)], (232, 230, 226), rounded=False)
    board.line([(44, 21), (50, 27), (56, 21)], (190, 188, 186), 1.6)
    for half in both([(54, 22, 1), (66, 21, 1), (72, 38), (71.5 - w, 60), (73, hem, 1), (52.5, hem, 1), (56, 45)]):
        board.cloth(half)
    for side in both([(54.2, 27), (55.8, 45), (52.8, hem)]):
        board.line(side, SILVER, 1.6)
    # Stand-up lapels, slanted pockets and a belt at the hem.
    for side in both([(53.5, 17, 1), (61, 18, 1), (66, 29, 1), (62, 31, 1), (64, 34, 1), (55.5, 45, 1)]):
        board.shape(side, board.palette.dark, board.palette.seam, rounded=False)
    for side in both([(61, hem - 19), (67 - w / 2, hem - 9)]):
        board.line(side, SILVER, 1.5)
    for side in both([(53, hem - 5), (72.5, hem - 5)]):
        board.line(side, width=1.1)
    return Anchors([[(27, hem - 8), (46, hem - 8)], [(54, hem - 8), (73, hem - 8)]],
                   both([(80, 30), (84.5, 50), (86, 68)]), both([(83, 40), (85, 70)]))  # fmt: skip


def kurta(board: Board, cut: Cut) -> Anchors:
    w = cut.waist
    for side in both([(64, 18, 1), (73, 24), (78, 42), (81, 60, 1), (72.5, 62, 1), (68, 46), (65.5, 38, 1)]):
        board.cloth(side)
    half = [(55, 16, 1), (64, 18, 1), (66, 38), (64.5 - w, 55), (69, 93, 1)]
    board.cloth(mirror(half))
    board.shape([(46, 14.5), (54, 14.5), (51.6, 40), (48.4, 40)], board.palette.dark, board.palette.seam, rounded=False)
    board.shape([(45, 13), (49.4, 14), (49.4, 20), (44, 18)], board.palette.light, board.palette.seam, rounded=False)
    board.shape([(55, 13), (50.6, 14), (50.6, 20), (56, 18)], board.palette.light, board.palette.seam, rounded=False)
    for y in (24, 30, 36):
        board.disc(50, y, 1.2, GOLD)
    # Slits up from the hem on both sides.
    for side in both([(65.5, 72), (67.5, 93), (69.5, 93)]):
        board.shape(side, board.palette.deep, rounded=False)
        board.line(side[:2], width=1.2)
    for side in both([(80.6, 56), (71.3, 58.5)]):
        board.line(side, width=1.1)
    board.fold((57, 60), (60, 90), width=1.1)
    board.fold((43, 60), (40, 90), width=1.1)
    return Anchors([[(31, 89), (69, 89)]], both([(62, 46), (62 - w, 58), (65, 90)]), both([(58, 44), (60, 92)]))


def dress(board: Board, cut: Cut) -> Anchors:
    waist = 48 if cut.child else 45
    sleeve = [(60, 15, 1), (67, 18), (73, 27, 1), (66, 32, 1)] if cut.child else [(58, 14, 1), (64, 16, 1), (65, 29, 1)]
    board.cloth(mirror([*sleeve, (60, waist, 1), (50, waist)]))
    skirt = [(60, waist, 1), (67, 63), (78, 89, 1), (70, 92), (60, 90.5), (50, 92.5)]
    board.cloth(mirror([(50, waist), *skirt]))
    for x, end in ((53, 55), (57, 65)):
        for side in both([(x, waist + 2), (50 + (x - 50) * 1.5, 66), (end, 88)]):
            board.fold(*side, width=1.2)
    _neck(board, 9, 8)
    board.line([(40, waist), (60, waist)], board.palette.deep, 3.6)
    board.line([(40, waist), (60, waist)], board.palette.seam, 1.0)
    if cut.child:  # a bow at the waist
        for side in both([(50, waist), (57, waist - 4), (57, waist + 4)]):
            board.shape(side, board.palette.light, board.palette.seam, rounded=False)
    return Anchors([[(24, 85), (37, 87), (50, 87.5), (63, 87), (76, 85)]], both([(58, 50), (64, 66), (72, 86)]),
                   both([(54, 50), (58, 88)]))  # fmt: skip


def skirt(board: Board, cut: Cut) -> Anchors:
    low = 72 if cut.child else 78
    hem = [(80, low, 1), (72, low + 3.5), (61, low + 1.5), (50, low + 4)]
    board.cloth(mirror([(50, 28), (62, 28, 1), (68, 44), *hem]))
    for x, end in ((51.5, 55), (56, 66), (60, 75)):
        for side in both([(x, 30), (x + (end - x) * 0.35, 48), (end, low)]):
            board.line(side, width=1.0)
    board.cloth([(38, 21), (62, 21), (62.5, 28.5), (37.5, 28.5)], tone=0.84, rounded=False)
    board.disc(50, 24.8, 1.5, GOLD)
    return Anchors([[(22, low - 4), (36, low - 2), (50, low - 1.5), (64, low - 2), (78, low - 4)]],
                   both([(62, 31), (67, 46), (75, low)]), both([(53.5, 31), (58, low)]))  # fmt: skip


def _legs(board: Board, cut: Cut, hip: float, ankle: float, low: float, knee: float = 1.0) -> None:
    w = 1.5 if cut.feminine else 0.0
    outer = [(50 + 14 - w, 15, 1), (50 + hip, 28), (50 + (hip + ankle + 2) / 2 * knee, 55), (53 + ankle, low, 1)]
    board.cloth(mirror([(50, 15), *outer, (53, low, 1), (51.5, 55), (50, 37, 1)]))
    board.line([(50, 21), (50, 37)], width=1.0)
    board.line([(53, 21), (53, 30), (50, 34)], width=0.8)


def _waistband(board: Board, cut: Cut, tone: float = 0.84) -> None:
    w = 1.5 if cut.feminine else 0.0
    board.cloth([(36 + w, 11.5), (64 - w, 11.5), (64.3 - w, 17), (35.7 + w, 17)], tone=tone, rounded=False)


def jeans(board: Board, cut: Cut) -> Anchors:
    _legs(board, cut, 18.5, 11 if cut.feminine else 14, 86)
    thread = (236, 150, 50)
    for x in (41, 59):  # the worn, paler fronts of the thighs
        board.shape(oval(x, 46, 4.6, 15), mix(board.palette.base, (255, 255, 255), 0.32), rounded=False)
    _waistband(board, cut, 0.9)
    for x in (39.5, 46, 54, 60.5):
        board.line([(x, 11), (x, 18)], board.palette.deep, 1.6)
    board.disc(50, 14.3, 1.5, GOLD)
    for side in both([(56, 17.5), (57.5, 23), (66, 25.5)]):
        board.line(side, thread, 1.3)
    for side in both([(66.5, 29), (65.5, 55), (62.5 if cut.feminine else 65, 79)]):
        board.line(side, thread, 1.1)
    # Turn-ups show the pale inside of the denim.
    ankle = 64 if cut.feminine else 67
    for side in both([(52.5, 77), (ankle + 1.2, 77), (ankle + 0.4, 88), (52.8, 88)]):
        board.shape(side, mix(board.palette.base, (255, 255, 255), 0.6), board.palette.seam, rounded=False)
    return Anchors([], [], [])


def trousers(board: Board, cut: Cut) -> Anchors:
    _legs(board, cut, 17.5, 9.5 if cut.feminine else 11.5, 92)
    _waistband(board, cut)
    board.shape([(50, 12.5), (56.5, 12.5), (57.5, 14.3), (56.5, 16), (50, 16)], board.palette.light, rounded=False)
    for side in both([(57, 17.5), (63, 29)]):
        board.line(side, width=1.2)
    for side in both([(58.5, 19), (59.5, 55), (58.5, 91)]):  # pressed creases
        board.line(side, width=1.1)
        board.line([(x + 1.1, y) for x, y in side], board.palette.light, 0.8)
    return Anchors([both([(53.5, 87), (63.5, 87)])[0], both([(53.5, 87), (63.5, 87)])[1]],
                   both([(66, 22), (65.5, 55), (63, 90)]), both([(59.5, 19), (60.5, 55), (59.5, 91)]))  # fmt: skip


def track_pants(board: Board, cut: Cut) -> Anchors:
    _legs(board, cut, 19.5, 12.5, 84, knee=1.1)
    for side in both([(54, 83), (65, 83), (63, 92), (55.5, 92)]):
        board.cloth(side, tone=0.8, rounded=False)
    for x in (57, 59.5, 62):
        for side in both([(x, 84), (x - 0.3, 91)]):
            board.line(side, board.palette.deep, 0.8)
    _waistband(board, cut, 0.8)
    for x in range(39, 63, 3):
        board.line([(x, 12), (x, 16.8)], board.palette.deep, 0.8)
    cord = CREAM if board.palette.base[0] < 200 else INK
    for side in both([(50.8, 16), (53, 22), (52.5, 31)]):
        board.line(side, cord, 1.5)
        board.disc(side[-1][0], 31.5, 1.3, cord)
    for side in both([(58.5, 56), (64, 58)]):
        board.fold(*side, width=1.2)
    return Anchors([], both([(66.5, 20), (67.5, 50), (64, 82)]), [])


def shorts(board: Board, cut: Cut) -> Anchors:
    flare = 24 if cut.feminine else 22
    low = 60 if cut.feminine else 68
    board.shift = (0, 8)
    half = [(50, 20), (65, 20, 1), (69, 34), (52 + flare, low, 1), (53, low + 2.5, 1), (50, 44, 1)]
    board.cloth(mirror(half))
    board.line([(50, 26), (50, 44)], width=1.1)
    for side in both([(53.5, low - 2), (51 + flare, low - 4.5)]):
        board.line(side, width=1.1)
    for side in both([(59, 23), (61, 31), (68, 34)]):
        board.line(side, width=1.1)
    board.cloth([(35, 15.5), (65, 15.5), (65.5, 22), (34.5, 22)], tone=0.84, rounded=False)
    for side in both([(50.8, 20), (53.5, 26), (52, 32)]):
        board.line(side, CREAM if board.palette.base[0] < 200 else INK, 1.3)
    board.shift = (0, 0)
    return Anchors([], both([(66, 32), (68, 46), (49 + flare, low + 4)]), [])


def socks(board: Board, cut: Cut) -> Anchors:
    board.grow = 0.92
    for dx, dy in ((-12, -6), (9, 6)):
        board.shift = (dx, dy)
        leg = [(42, 12, 1), (60, 12, 1), (60, 50), (64, 60), (80, 70), (84, 79), (78, 85), (62, 83), (46, 72), (41, 58)]
        board.cloth(leg)
        board.cloth([(72, 65), (80, 70), (84, 79), (78, 85), (69, 84, 1)], tone=0.78)
        board.cloth([(41, 58, 1), (50, 60), (53, 70), (49, 74.5, 1), (43, 68)], tone=0.78)
        board.cloth([(41, 10), (61, 10), (60.5, 20), (41.5, 20)], tone=0.82, rounded=False)
        for x in range(44, 61, 4):
            board.line([(x, 10.5), (x, 19.5)])
    # Marks are placed with the same shift and growth, on the sock in front.
    return Anchors([[(42.5, 27), (60, 27)]], [[(44, 24), (59, 24)], [(44, 32), (59, 32)]], [[(51, 22), (51, 56)]])


GARMENTS = {
    "Tshirts": tshirt,
    "Shirts": shirt,
    "Tops": top,
    "Sweaters": sweater,
    "Jackets": jacket,
    "Kurtas": kurta,
    "Dresses": dress,
    "Skirts": skirt,
    "Jeans": jeans,
    "Trousers": trousers,
    "Track Pants": track_pants,
    "Shorts": shorts,
    "Socks": socks,
}
