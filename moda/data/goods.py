"""Bags, accessories and personal care of the demo catalogue: one drawing function per article type."""

from .drawing import CREAM, GOLD, INK, SILVER, Board, luminance, mirror, mix, oval
from .garments import Anchors, Cut, both


def _metal(board: Board) -> tuple[int, int, int]:
    # Gold would vanish on yellow, beige or orange goods.
    base = board.palette.base
    return SILVER if base[0] > 200 and base[1] > 100 and base[2] < 180 else GOLD


def handbag(board: Board, cut: Cut) -> Anchors:
    metal = _metal(board)
    for lift, tone in ((-3, board.palette.deep), (0, board.palette.dark)):
        arch = [(31, 44), (33, 24 + lift), (50, 13 + lift), (67, 24 + lift), (69, 44)]
        board.line(arch, board.palette.seam, 5.4)
        board.line(arch, tone, 4.0)
    if cut.child:
        body = mirror([(50, 42), (70, 42), (78, 54), (78, 74), (68, 84), (50, 85)])
    else:
        body = mirror([(50, 40), (73, 40, 1), (77, 60), (82, 83, 1), (50, 86)])
    board.cloth(body)
    flap = mirror([(50, 40), (73, 40, 1), (74, 52), (62, 60), (50, 63)])
    board.cloth(flap)
    board.shape([(45, 57), (55, 57), (55, 67), (45, 67)], metal, board.palette.deep, rounded=False)
    board.disc(50, 62, 1.6, board.palette.deep)
    for x in (31, 69):
        board.disc(x, 44, 2.6, metal, edge=board.palette.deep)
    return Anchors([[(22, 78), (50, 79.5), (78, 78)]], both([(69, 56), (72, 82)]), [])


def backpack(board: Board, cut: Cut) -> Anchors:
    board.line([(43, 18), (44, 9), (50, 7), (56, 9), (57, 18)], board.palette.deep, 3.2)
    for side in both([(66, 24), (79, 32), (84, 56), (80, 78), (73, 80)]):
        board.line(side, board.palette.seam, 6.6)
        board.line(side, board.palette.dark, 5.2)
    board.cloth(mirror([(50, 12), (62, 14), (71, 24), (74, 48), (75, 82), (68, 89), (50, 90)]))
    board.line([(31, 46), (33, 31), (40, 22), (50, 20), (60, 22), (67, 31), (69, 46)], board.palette.deep, 1.6)
    board.line([(66, 38), (66, 43)], SILVER, 2.0)
    board.cloth(mirror([(50, 54), (66, 54, 1), (68, 70), (66, 83), (50, 84)]))
    board.line([(34.5, 60), (65.5, 60)], board.palette.deep, 2.0)
    board.line([(61, 60), (61, 65.5)], SILVER, 2.2)
    return Anchors([[(34, 78), (66, 78)]], both([(64, 26), (70, 50), (70.5, 86)]), [], (50, 41, 8.0))


def watch(board: Board, cut: Cut) -> Anchors:
    wide, dial = (7.5, 18.5) if cut.feminine else (10.5, 22)
    metal = GOLD if cut.feminine else SILVER
    board.cloth([(50 - wide, 5), (50 + wide, 5), (50 + wide + 2, 40), (50 - wide - 2, 40)], rounded=False)
    board.cloth([(50 - wide - 2, 60), (50 + wide + 2, 60), (50 + wide, 96), (50 - wide, 96)], rounded=False)
    for y in (78, 83, 88):
        board.disc(50, y, 1.3, board.palette.deep)
    for y in (10, 15):
        board.line([(50 - wide, y), (50 + wide, y)], metal, 1.4)
    board.disc(50 + dial + 2, 50, 3.0, metal, edge=INK)
    board.disc(50, 50, dial + 2.5, metal, edge=INK)
    board.disc(50, 50, dial, board.palette.base)
    board.disc(50, 50, dial - 4, (250, 249, 244))
    for tick in oval(50, 50, dial - 6.5, sides=12):
        board.disc(*tick, 1.0, INK)
    board.line([(50, 50), (50, 50 - dial + 9)], INK, 2.0)
    board.line([(50, 50), (50 + dial - 10, 54)], INK, 2.0)
    board.disc(50, 50, 1.8, INK)
    return Anchors([[(50 - wide, 68), (50 + wide, 68)]], both([(50 + wide * 0.5, 8), (50 + wide * 0.6, 26)])
                   + both([(50 + wide * 0.6, 75), (50 + wide * 0.5, 93)]), [])  # fmt: skip


def sunglasses(board: Board, cut: Cut) -> Anchors:
    for side in both([(84, 42), (92, 36), (93, 26)]):  # the folded temples behind
        board.line(side, board.palette.deep, 5.4)
        board.line(side, board.palette.dark, 4.0)
    if cut.feminine:  # cat-eye
        frame = [(53, 42), (68, 37), (90, 31, 1), (88, 50), (80, 64), (66, 66), (55, 58)]
        lens = [(57.5, 45), (69, 41.5), (84, 38, 1), (83, 50), (77.5, 59), (67, 61), (59.5, 56)]
    else:
        frame = [(53, 37, 1), (72, 35), (91, 37, 1), (89, 56), (80, 66), (66, 66), (55, 58)]
        lens = [(58, 42.5), (72, 40.5), (85.5, 42), (84, 54), (77, 60.5), (67, 60.5), (59.5, 55)]
    board.line([(44, 45), (50, 41), (56, 45)], board.palette.seam, 6.4)
    board.line([(44, 45), (50, 41), (56, 45)], board.palette.base, 5.0)
    for side, glass in zip(both(frame), both(lens), strict=True):
        board.cloth(side)
        board.shape(glass, (58, 60, 68), INK)
    for dx in (0, -34):
        board.line([(66 + dx, 56), (75 + dx, 44.5)], (150, 156, 168), 3.0)
    return Anchors([], [], [])


def belt(board: Board, cut: Cut) -> Anchors:
    metal = _metal(board)
    tall = 11 if cut.feminine else 15
    # A buckled loop lying on its edge: the far side shows its inside.
    board.shape(oval(50, 40, 42, 20), board.palette.deep, board.palette.seam, rounded=False)
    front = oval(50, 40, 42, 20)[:15]
    band = [*front, *[(x, y + tall) for x, y in reversed(front)]]
    hole = oval(50, 40 + 3, 39.5, 17)
    board.shape(hole, board.palette.deep, rounded=False)
    board.cloth(band, rounded=False)
    return _belt_front(board, metal, tall)


def _belt_front(board: Board, metal: tuple[int, int, int], tall: float) -> Anchors:
    mid = 60 + tall / 2
    for edge in (2.0, tall - 2.0):
        board.line([(x, y + edge) for x, y in oval(50, 40, 42, 20)[1:14]], board.palette.light, 0.8)
    tip = [(50, 60.5), (74, 57.5, 1), (80, mid - 4), (74, 56 + tall, 1), (50, 59.5 + tall)]
    board.cloth(tip)
    for x in (60, 65, 70):
        board.disc(x, mid - (x - 50) * 0.13, 1.2, board.palette.deep)
    outer, inner = tall / 2 + 4.5, tall / 2
    for reach, fill in ((outer, metal), (inner, board.palette.base)):
        board.shape([(45 - reach, mid - reach), (45 + reach, mid - reach), (45 + reach, mid + reach),
                     (45 - reach, mid + reach)], fill, board.palette.deep, rounded=False)  # fmt: skip
    board.line([(45 - outer + 1, mid), (45 + outer - 1, mid)], metal, 2.6)
    return Anchors([[(14, 52 + tall / 2), (24, 57 + tall / 2), (34, 59 + tall / 2)]],
                   [[(14, 50 + tall / 2), (24, 56 + tall / 2), (34, 58 + tall / 2)]])  # fmt: skip


def cap(board: Board, cut: Cut) -> Anchors:
    board.cloth([(18, 62, 1), (20, 42), (34, 26), (52, 23), (68, 30), (76, 46), (77, 60, 1), (48, 65)])
    board.cloth([(58, 59, 1), (70, 57), (86, 62), (98, 72, 1), (84, 74), (66, 71), (50, 67, 1)], tone=0.8)
    board.line([(50, 65), (64, 63), (77, 60)], width=1.6)
    board.line([(51, 23), (40, 40), (38, 64)])
    board.line([(51, 23), (62, 38), (66, 61)])
    board.disc(51.5, 22.5, 2.6, board.palette.deep)
    for x, y in ((31, 37), (56, 34)):
        board.disc(x, y, 1.2, board.palette.deep)
    board.line([(64, 66), (80, 68), (92, 71)], board.palette.seam, 0.9)
    return Anchors([[(19, 58), (48, 61), (76, 56)]], [[(24, 60), (28, 42), (40, 27)]], [], (52, 48, 7.0))


def tie(board: Board, cut: Cut) -> Anchors:
    board.shape([(36, 6), (50, 3), (64, 6), (58, 14), (42, 14)], board.palette.deep, rounded=False)
    board.cloth([(47, 22), (53, 22), (60.5, 78), (50, 95), (39.5, 78)], rounded=False)
    board.cloth([(41, 9), (59, 9), (54.5, 24), (45.5, 24)], rounded=False)
    board.line([(45.5, 24), (54.5, 24)], board.palette.deep, 1.6)
    board.fold((48, 12), (51, 22), width=1.2)
    board.fold((50, 26), (46, 70), width=1.0)
    return Anchors([], [], [[(51, 26), (53, 88)]])


def wallet(board: Board, cut: Cut) -> Anchors:
    if cut.feminine:  # a long purse with a snap
        board.cloth([(12, 30), (88, 30), (88, 74), (12, 74)], rounded=False)
        board.cloth([(12, 30, 1), (88, 30, 1), (86, 46), (50, 56), (14, 46)], tone=0.88)
        board.disc(50, 53, 4.4, GOLD, edge=board.palette.deep)
        board.line([(15, 70.5), (85, 70.5)], board.palette.light, 1.0)
        return Anchors([[(14, 66), (86, 66)]], [], [])
    # An open bifold: notes above, card slots inside.
    board.shape([(16, 24), (82, 22), (82, 40), (16, 40)], (150, 190, 150), (90, 130, 92), rounded=False)
    board.line([(20, 27), (78, 25.5)], (110, 150, 112), 1.2)
    board.cloth([(9, 30), (49.2, 32), (49.2, 78), (9, 76)], rounded=False)
    board.cloth([(50.8, 32), (91, 30), (91, 76), (50.8, 78)], rounded=False)
    for y, tint in ((44, (214, 218, 226)), (52, (232, 206, 170)), (60, (196, 214, 232))):
        board.shape([(56, y - 4), (86, y - 5), (86, y + 4), (56, y + 5)], tint, rounded=False)
        board.cloth([(53, y), (89, y - 1), (89, y + 9), (53, y + 10)], rounded=False)
    for half in ([(11.5, 33), (47, 34.5), (47, 75.5), (11.5, 73.5), (11.5, 33)],):
        board.line(half, board.palette.light, 0.9, rounded=False)
    board.line([(50, 32), (50, 78)], board.palette.deep, 2.0)
    return Anchors([[(10, 68), (49, 70)]], [], [])


def scarf(board: Board, cut: Cut) -> Anchors:
    for x in (37.5, 41, 44.5, 48):
        board.line([(x, 86), (x - 0.8, 95)], board.palette.dark, 1.5)
    for x in (57, 60.5, 64, 67.5):
        board.line([(x, 74), (x + 1, 83)], board.palette.dark, 1.5)
    board.cloth([(52, 36, 1), (66, 34, 1), (69, 76, 1), (55, 76, 1)], rounded=False)
    board.cloth([(38, 36, 1), (54, 36, 1), (50, 88, 1), (36, 88, 1)], rounded=False)
    board.fold((47, 48), (44, 84), width=1.2)
    board.fold((60, 48), (62, 73), width=1.2)
    board.cloth([(24, 26), (32, 13), (50, 9), (68, 13), (76, 26), (70, 40), (50, 46), (30, 40)])
    board.shape(oval(50, 21.5, 16.5, 7), board.palette.deep, board.palette.seam, rounded=False)
    board.line([(28, 31), (50, 38), (72, 31)], width=1.2)
    board.line([(33, 38), (52, 42), (70, 37)], width=1.0)
    return Anchors([[(37, 81), (50.5, 81)], [(56, 69), (68.5, 69)]], [[(45, 46), (43, 86)], [(61, 42), (62.5, 74)]],
                   [[(46, 46), (44, 86)]])  # fmt: skip


def gloves(board: Board, cut: Cut) -> Anchors:
    board.grow = 0.95
    for flip, dx, dy in ((1, -21, -3), (-1, 21, 4)):
        board.shift = (dx, dy)
        hand = [(39, 70, 1), (36, 54), (37, 42), (36.5, 24), (40, 20), (43, 24), (44, 40, 1), (44.5, 17), (48, 12),
                (51, 17), (51, 40, 1), (52, 15), (55.5, 12), (58, 17), (57.5, 41, 1), (60, 23), (63.5, 21), (65.5, 26),
                (63.5, 50), (68, 44), (73, 41), (75, 46), (68, 60), (62, 70, 1)]  # fmt: skip
        board.cloth([(50 + flip * (p[0] - 50), *p[1:]) for p in hand])
        cuff = [(50 + flip * (x - 50), y) for x, y in ((38, 70), (63, 70), (65, 88), (36, 88))]
        board.cloth(cuff, tone=0.8, rounded=False)
        for x in (41, 45.5, 50, 54.5, 59):
            board.line([(50 + flip * (x - 50), 71), (50 + flip * (x - 50) * 1.1, 87)])
        for x in (45, 51, 57):
            board.line([(50 + flip * (x - 50), 46), (50 + flip * (x - 50), 55)], width=1.2)
    return Anchors([[(35, 65), (61, 65)]], [[(36, 60), (61, 60)]], [])


def umbrella(board: Board, cut: Cut) -> Anchors:
    wood = (138, 92, 56) if not cut.feminine else (70, 60, 66)
    board.line([(50, 40), (50, 84), (53, 91), (60, 91), (63, 84)], wood, 3.4)
    board.line([(50, 7), (50, 16)], wood, 2.6)
    hem = [(94, 54, 1), (86, 50), (79, 54, 1), (70, 50), (64.5, 54, 1), (57, 50.5), (50, 54, 1)]
    board.cloth(mirror([(50, 13), (68, 17), (86, 32), *hem[:-1], (57, 50.5), (50, 54, 1)]))
    for side in both([(50, 13), (60, 26), (64.5, 54)]):
        board.line(side, width=1.1)
    for side in both([(50, 13), (70, 24), (79, 54)]):
        board.line(side, width=1.1)
    return Anchors([[(8, 46), (20, 45), (35, 44.5), (50, 45), (65, 44.5), (80, 45), (92, 46)]],
                   both([(52, 15), (66, 26), (72, 52)]), [])  # fmt: skip


def perfume(board: Board, cut: Cut) -> Anchors:
    metal = _metal(board)
    board.shape([(41, 8), (59, 8), (59, 25), (41, 25)], metal, (110, 90, 60), rounded=False)
    board.line([(45, 9), (45, 24)], CREAM, 2.0)
    board.shape([(45, 25), (55, 25), (55, 33), (45, 33)], SILVER, (120, 120, 126), rounded=False)
    if cut.feminine:
        body = mirror([(50, 32), (58, 34), (74, 50), (78, 66), (70, 86), (50, 90)])
    else:
        body = mirror([(50, 32), (70, 32, 1), (75, 37, 1), (75, 88, 1), (50, 89)])
    board.cloth(body)
    board.line([(33, 48), (30, 62), (32, 78)], mix(board.palette.base, (255, 255, 255), 0.62), 3.4)
    board.shape([(38, 56), (62, 56), (62, 76), (38, 76)], CREAM, (170, 150, 110), rounded=False)
    for y, reach in ((61, 8), (66, 5), (71, 7)):
        board.line([(50 - reach, y), (50 + reach, y)], (150, 140, 130), 1.3)
    return Anchors([], [], [])


def lipstick(board: Board, cut: Cut) -> Anchors:
    metal = _metal(board)
    board.shift = (-13, 0)
    board.cloth([(40, 22, 1), (47, 13), (57, 10), (60, 14, 1), (60, 48, 1), (40, 48, 1)])
    board.line([(42, 24), (52, 22), (60, 14)], board.palette.light, 1.3)
    board.line([(44, 28), (44, 46)], mix(board.palette.base, (255, 255, 255), 0.6), 2.2)
    board.shape([(38, 46), (62, 46), (62, 62), (38, 62)], metal, (110, 90, 60), rounded=False)
    board.line([(43, 47), (43, 61)], CREAM, 2.4)
    board.shape([(35, 62), (65, 62), (65, 93), (35, 93)], (44, 42, 48), (20, 20, 24), rounded=False)
    board.line([(40, 64), (40, 91)], (110, 110, 118), 2.2)
    # The cap stands beside it, banded in the shade it covers.
    board.shift = (20, 0)
    board.shape([(36, 47), (64, 47), (64, 93), (36, 93)], (44, 42, 48), (20, 20, 24), rounded=False)
    board.cloth([(36, 68), (64, 68), (64, 80), (36, 80)], rounded=False)
    board.line([(41, 49), (41, 66)], (110, 110, 118), 2.2)
    board.shift = (0, 0)
    return Anchors([], [], [])


def nail_polish(board: Board, cut: Cut) -> Anchors:
    dark = luminance(board.palette.base) < 60
    lid = (206, 206, 212) if dark else (42, 40, 46)
    board.shape([(42, 6), (58, 6), (60, 45), (40, 45)], lid, INK, rounded=False)
    board.line([(45.5, 8), (45, 43)], mix(lid, (255, 255, 255), 0.45), 2.2)
    board.shape([(41, 44), (59, 44), (59, 49), (41, 49)], SILVER, (120, 120, 126), rounded=False)
    board.cloth(mirror([(50, 48), (60, 49), (73, 60), (76, 76), (69, 90), (50, 93)]))
    board.line([(34, 62), (30.5, 74), (34, 85)], mix(board.palette.base, (255, 255, 255), 0.62), 3.6)
    # A brush stroke of the shade beside the bottle.
    board.cloth([(78, 42), (86, 38), (93, 44), (92, 62), (95, 76), (88, 80), (82, 74), (83, 58)])
    return Anchors([], [], [])


GOODS = {
    "Handbags": handbag,
    "Backpacks": backpack,
    "Watches": watch,
    "Sunglasses": sunglasses,
    "Belts": belt,
    "Caps": cap,
    "Ties": tie,
    "Wallets": wallet,
    "Scarves": scarf,
    "Gloves": gloves,
    "Umbrellas": umbrella,
    "Perfume and Body Mist": perfume,
    "Lipstick": lipstick,
    "Nail Polish": nail_polish,
}
