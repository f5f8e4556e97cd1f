"""Shoes of the demo catalogue: one drawing function per article type."""

from .drawing import GOLD, Board, mix
from .garments import Anchors, Cut, both


RUBBER = (244, 243, 238)


def _sneaker(board: Board) -> None:
    upper = [(13, 66, 1), (14, 50), (19, 41, 1), (32, 39), (42, 45, 1), (58, 56), (78, 61), (87, 66), (88, 71, 1),
             (13, 71, 1)]  # fmt: skip
    board.cloth(upper)
    board.shape([(73, 60.5), (82, 61.5), (88, 66), (89, 71, 1), (72, 71, 1), (70, 66)], RUBBER, (190, 188, 182))
    board.shape([(11, 70), (90, 70), (91, 77), (88, 79), (13, 79), (11, 77)], RUBBER, (180, 178, 172), rounded=False)
    board.line([(12, 74.5), (90, 74.5)], board.palette.seam, 0.9)
    board.cloth([(19, 41, 1), (32, 38.5, 1), (42, 45, 1), (34, 48), (22, 46)], tone=0.55, edge=False)
    for step in range(4):
        x, y = 41 + 6.5 * step, 47 + 3.4 * step
        board.line([(x, y - 1), (x - 5, y + 8)], (250, 250, 248), 2.2)
    board.line([(24, 47), (26, 60), (25, 70)], width=1.0)


def casual_shoes(board: Board, cut: Cut) -> Anchors:
    for dx, dy in ((-3, -20), (0, 6)):
        board.shift = (dx, dy)
        _sneaker(board)
    return Anchors([[(14, 66), (68, 66)]], [[(30, 69), (36, 50)], [(39, 69), (44, 52)]], [[(27, 64), (68, 64)]])


def _runner(board: Board) -> None:
    board.cloth([(12, 62, 1), (10, 45), (15, 35, 1), (20, 40), (31, 38, 1), (40, 43), (56, 53), (80, 58), (92, 66, 1),
                 (88, 71, 1), (12, 71, 1)])  # fmt: skip
    # A thick, wavy two-tone sole that lifts at the toe.
    board.shape([(9, 66, 1), (30, 69), (52, 66), (74, 68), (95, 62, 1), (95, 70), (88, 80), (60, 79), (46, 82),
                 (14, 82), (8, 76)], RUBBER, (176, 176, 172))  # fmt: skip
    board.shape([(9, 76), (45, 78), (62, 75), (92, 74, 1), (86, 81, 1), (60, 80), (46, 83), (14, 83), (9, 80)],
                (60, 62, 70))  # fmt: skip
    trim = board.palette.accent
    board.line([(34, 67), (44, 60), (54, 58), (66, 62)], trim, 3.4)
    board.line([(13, 58), (20, 57), (28, 66)], trim, 2.6)
    board.line([(74, 66), (80, 60), (88, 65)], board.palette.deep, 1.2)
    for step in range(4):
        x, y = 37 + 5.5 * step, 44.5 + 3.3 * step
        board.line([(x, y - 1.5), (x - 2.5, y + 6)], (250, 250, 248), 1.8)
    board.line([(13, 40), (10, 34)], trim, 2.4)


def sports_shoes(board: Board, cut: Cut) -> Anchors:
    for dx, dy in ((-3, -20), (0, 6)):
        board.shift = (dx, dy)
        _runner(board)
    return Anchors([], [], [])


def _oxford(board: Board) -> None:
    board.cloth([(12, 66, 1), (12, 56), (14, 48, 1), (30, 45), (40, 50, 1), (54, 58), (74, 61), (90, 66), (94, 72, 1),
                 (12, 72, 1)])  # fmt: skip
    sole = (52, 36, 28) if board.palette.base[0] > 60 else (120, 84, 56)
    board.shape([(11, 71), (94, 71), (95, 74), (92, 76), (36, 76), (36, 82), (11, 82)], sole, rounded=False)
    board.cloth([(14, 48, 1), (30, 44.5, 1), (40, 50, 1), (33, 52), (20, 51.5)], tone=0.45, edge=False)
    board.line([(70, 60), (67, 66), (68, 71)], width=1.6)
    board.line([(33, 71), (37, 62), (47, 54)], width=1.2)
    board.line([(22, 71), (21, 60), (24, 51)], width=1.2)
    for step in range(3):
        x, y = 41.5 + 5 * step, 52 + 2.6 * step
        board.line(
            [(x, y), (x - 3, y + 4.5)], board.palette.deep if board.palette.base[0] > 60 else (150, 150, 155), 1.5
        )
    board.line([(76, 63.5), (84, 64.8), (88, 67)], mix(board.palette.base, (255, 255, 255), 0.6), 1.7)


def formal_shoes(board: Board, cut: Cut) -> Anchors:
    for dx, dy in ((-3, -20), (0, 6)):
        board.shift = (dx, dy)
        _oxford(board)
    return Anchors([], [], [])


def _pump(board: Board) -> None:
    board.shape([(13, 44), (21, 48), (19, 84), (15.5, 84)], board.palette.deep, rounded=False)
    board.cloth([(11, 34, 1), (17, 32, 1), (26, 46), (42, 60), (60, 66), (74, 64), (86, 70), (94, 79, 1), (88, 82),
                 (66, 81), (48, 74), (32, 60), (14, 52, 1)])  # fmt: skip
    board.cloth([(17, 32, 1), (26, 46), (42, 60), (60, 66), (74, 64, 1), (58, 71), (40, 66), (24, 50)], tone=0.55)
    board.line([(94, 81), (88, 84), (66, 83), (48, 76)], (40, 32, 34), 1.6)
    board.line([(80, 70), (86, 73), (90, 77)], mix(board.palette.base, (255, 255, 255), 0.6), 1.6)


def heels(board: Board, cut: Cut) -> Anchors:
    for dx, dy in ((-6, -20), (2, 4)):
        board.shift = (dx, dy)
        _pump(board)
    return Anchors([], [], [])


def sandals(board: Board, cut: Cut) -> Anchors:
    cork = (196, 152, 104)
    for side in both(
        [(62, 10), (74, 14), (79, 30), (75, 52), (77, 74), (71, 90), (60, 90), (54, 75), (55, 52), (53, 30)]
    ):
        board.shape([(x + 1.5, y + 2.5) for x, y in side], (92, 66, 44))
        board.shape(side, cork, (130, 94, 60))
    # Two broad straps over the foot and one around the ankle, each with its buckle.
    for side in both([(64.5, 60), (72, 66), (76.5, 80), (73, 91), (58.5, 91), (54.5, 80), (58, 66)]):
        board.line(side, board.palette.seam, 5.4)
        board.line(side, board.palette.base, 4.0)
    for low, tilt in ((21, 1.0), (38, -1.0)):
        for side in both(
            [(51, low + tilt), (65, low - 4), (80.5, low - tilt), (79.5, low + 12), (65, low + 8), (52, low + 12)]
        ):
            board.cloth(side)
        for side in both([(72, low - 3), (78, low - 2), (77.5, low + 10), (72, low + 9)]):
            board.shape(side, GOLD, board.palette.deep, rounded=False)
        for side in both([(74, low), (76, low + 0.5), (76, low + 7), (74, low + 6.5)]):
            board.shape(side, board.palette.base, rounded=False)
    return Anchors(both([(53, 43), (65, 40), (71, 41)]), both([(57, 20), (57.5, 30)]) + both([(57, 37), (57.5, 47)]))


def flip_flops(board: Board, cut: Cut) -> Anchors:
    for side in both(
        [(60, 11), (72, 15), (77, 30), (74, 52), (76, 74), (70, 89), (60, 88), (55, 74), (56, 52), (53, 30)]
    ):
        board.shape([(x + 1.5, y + 2.5) for x, y in side], board.palette.deep)
        board.cloth(side)
    strap = board.palette.accent
    for side in both([(55, 50), (58, 34), (65, 27), (72, 36), (76, 50)]):
        board.line(side, board.palette.deep, 5.4)
        board.line(side, strap, 4.2)
    for x in (35, 65):
        board.disc(x, 26.5, 3.0, strap, edge=board.palette.deep)
    return Anchors([both([(56.5, 80), (75, 80)])[0], both([(56.5, 80), (75, 80)])[1]], both([(61, 56), (63, 84)]))


FOOTWEAR = {
    "Casual Shoes": casual_shoes,
    "Sports Shoes": sports_shoes,
    "Formal Shoes": formal_shoes,
    "Heels": heels,
    "Sandals": sandals,
    "Flip Flops": flip_flops,
}
