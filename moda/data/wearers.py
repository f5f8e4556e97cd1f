"""The figures that wear some of the drawn clothes: their build and hair follow the gender of the piece."""

from .drawing import RGB, Board, Points, luminance, mirror, mix, oval
from .garments import Cut, both


SKINS: tuple[RGB, ...] = (
    (234, 208, 186), (204, 164, 134), (158, 116, 88), (108, 78, 62), (212, 214, 220), (170, 174, 184),
)  # fmt: skip
# The plain, unseamed clothing of the figure beneath and beside the piece that is shown.
COVERS: tuple[RGB, ...] = ((226, 224, 220), (196, 198, 204), (112, 116, 126), (72, 74, 84))

# Worn pieces: kind of wearer, scale, and shift downwards in units, so that wearer and piece fit the picture.
WORN: dict[str, tuple[str, float, float]] = {
    "Tshirts": ("torso", 0.78, 7.0),
    "Shirts": ("torso", 0.78, 7.0),
    "Tops": ("torso", 0.78, 7.0),
    "Sweaters": ("torso", 0.78, 8.0),
    "Jackets": ("torso", 0.78, 7.0),
    "Kurtas": ("torso", 0.76, 5.0),
    "Dresses": ("torso", 0.76, 3.0),
    "Skirts": ("legs", 0.84, -3.0),
    "Jeans": ("legs", 0.84, -1.0),
    "Trousers": ("legs", 0.84, -2.0),
    "Track Pants": ("legs", 0.84, -1.0),
    "Shorts": ("legs", 0.84, -3.0),
    "Caps": ("head", 0.72, 0.0),
    "Sunglasses": ("face", 0.7, 0.0),
    "Scarves": ("bust", 0.76, 6.0),
    "Ties": ("bust", 0.78, 5.0),
}
ARMS: dict[str, Points] = {
    "Tshirts": [(70, 30), (84, 46), (88, 70)],
    "Shirts": [(75, 40), (81, 74), (81.5, 80)],
    "Tops": [(64, 29), (75, 50), (80, 72)],
    "Sweaters": [(80, 50), (83.5, 77), (84, 83)],
    "Jackets": [(80, 50), (83.5, 76), (84, 82)],
    "Kurtas": [(70, 30), (77, 60), (79, 72)],
    "Dresses": [(62, 20), (72, 38), (76, 58)],
}


def _head(board: Board, x: float, y: float, radius: float, gender: str, skin: RGB) -> None:
    hair = (66, 48, 40) if luminance(skin) > 120 else (36, 30, 30)
    r = radius * (1.2 if gender in ("Boys", "Girls") else 1.0)
    if gender == "Women":
        board.shape(
            mirror([(x, y - 1.35 * r), (x + 1.2 * r, y - 0.6 * r), (x + 1.3 * r, y + 1.5 * r), (x, y + 1.6 * r)], x),
            hair,
        )
    elif gender == "Girls":
        for sign in (-1, 1):
            board.disc(x + sign * 1.25 * r, y - 0.5 * r, 0.62 * r, hair)
    board.disc(x, y, r, skin, ry=1.25 * r)
    if gender == "Boys":
        tufts = [(-1, -0.3), (-1.1, -1.1), (-0.6, -1.0), (-0.4, -1.6), (0, -1.2), (0.5, -1.6), (0.6, -1.1),
                 (1.15, -1.1), (1, -0.3), (0.4, -0.7), (-0.4, -0.7)]  # fmt: skip
        board.shape([(x + dx * r, y + dy * r) for dx, dy in tufts], hair, rounded=False)
    elif gender != "Unisex":
        fringe = [(0, -1.38), (0.85, -1.0), (1.05, -0.2, 1), (0.6, -0.62), (0, -0.7)]
        board.shape(mirror([(x + p[0] * r, y + p[1] * r, *p[2:]) for p in fringe], x), hair)


def draw_wearer(board: Board, kind: str, article: str, cut: Cut, gender: str, skin: RGB, cover: RGB) -> None:
    """Draw the part of a figure that carries a piece; to be called before the piece is drawn.

    Args:
        board (`Board`): The board the piece will be drawn on.
        kind (`str`): First entry of the article in [`WORN`].
        article (`str`): Article type; decides how the arms are held.
        cut (`Cut`): Build of the figure.
        gender (`str`): Decides the hair.
        skin (`RGB`): Tone of head, arms and legs.
        cover (`RGB`): Tone of the plain clothing below the piece.
    """
    wide = 0.0 if cut.feminine else 1.5
    shade = mix(skin, (0, 0, 0), 0.18)
    if kind == "torso":
        board.shape([(46, 6), (54, 6), (55, 22), (45, 22)], shade, rounded=False)
        for arm in both(ARMS[article]):
            board.line(arm, skin, 7.0 + wide)
            board.disc(*arm[-1][:2], 3.6 + wide / 2, skin)
        low = 50 if article not in ("Dresses", "Kurtas") else 80
        for leg in both([(57, low), (59, 92), (57.5, 130)]):
            board.line(leg, cover, 13 + wide)
        if low == 50:
            board.shape([(34, 70), (66, 70), (66, 96), (34, 96)], cover, rounded=False)
        _head(board, 50, 1, 9, gender, skin)
    elif kind == "legs":
        board.shape(mirror([(50, -50), (66 + wide, -50), (63 + wide * 2, 0), (63, 18), (50, 20)]), cover, rounded=False)
        for arm in both([(74 + wide, -50), (74 + wide, -20), (76 + wide, 10), (74 + wide, 26)]):
            board.line(arm, skin, 7.0 + wide)
            board.disc(*arm[-1][:2], 4.6 + wide / 2, skin, ry=6)
        for leg in both([(58, 40), (59, 80), (58.5, 94)]):
            board.line(leg, skin, 9.0 + wide)
            board.shape(
                [(54, 92), (63, 92), (67, 99), (54, 99)]
                if leg[0][0] > 50
                else [(46, 92), (37, 92), (33, 99), (46, 99)],
                skin,
            )
    elif kind == "head":
        board.shape(mirror([(42, 80), (60, 84), (62, 130), (42, 130)], 46), shade, rounded=False)
        if gender in ("Women", "Girls"):
            board.shape([(20, 50), (76, 50), (78, 112), (60, 120), (28, 120), (16, 110)], (66, 48, 40))
        board.shape([(22, 50), (72, 50), (76, 66), (81, 76), (76, 80), (74, 96), (60, 106), (40, 100), (24, 80)], skin)
        board.disc(32, 74, 5, shade, ry=7)
    elif kind == "face":
        if gender in ("Women", "Girls"):
            board.shape(oval(50, 58, 50, 66), (66, 48, 40), rounded=False)
        board.shape([(34, 90), (66, 90), (70, 140), (30, 140)], shade, rounded=False)
        for x in (9, 91):
            board.disc(x, 54, 5, shade, ry=9)
        board.disc(50, 50, 41, skin, ry=56)
        if gender != "Unisex":
            board.shape(mirror([(50, -10), (80, 0), (92, 32, 1), (76, 16), (50, 12)]), (66, 48, 40))
        board.line([(50, 60), (47, 74), (52, 75)], shade, 2.0)
        board.line([(41, 86), (50, 90), (59, 86)], (170, 84, 80), 2.6)
    else:
        board.shape(
            mirror([(50, 2), (57, 4), (62, 16), (88 + 2 * wide, 28), (94 + 2 * wide, 60), (94, 130), (50, 130)]), cover
        )
        for side in both([(74, 60), (75, 130)]):
            board.line(side, mix(cover, (0, 0, 0), 0.16), 1.0)
        board.shape([(43, -14), (57, -14), (58, 8), (50, 14), (42, 8)], shade)
        _head(board, 50, -18, 13, gender, skin)
