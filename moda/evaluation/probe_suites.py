"""The drawn items of the weakness probes: groups of pictures drawn alike but for the tested thing.

The items of a choice's group come with the same sentences, and each of the sentences is right once. Whoever answers
without looking at the picture, by a liking for "two" or for "left", therefore gets exactly one item of each group right:
what ARO (Yuksekgonul et al. 2023) and SugarCrepe (Hsieh et al. 2023) found that older benchmarks allow is ruled out here
by construction, as in the pairs of Winoground (Thrush et al. 2022). So that looking at how much is painted does not do
either, counted things are of a size drawn anew for each picture, and what is larger is as often named first as last.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, islice
from math import ceil, dist, exp, log

from PIL import Image

from moda.data.demo import draw_product
from moda.data.drawing import COLOURS, CREAM, INK, Board, Palette, luminance, mirror
from moda.data.garments import both
from moda.data.lexicon import Lexicon
from moda.data.staging import ARTICLES, BACKDROPS, CUTS
from moda.data.words import ARTICLE_WORDS

from .answers import normalize_answer


SIZE = 224  # pixels of a side, as CLIP's; every processor makes its own of it
# Told apart at 64 pixels, said with "a", and never one word inside another.
TONES = ("Red", "Blue", "Green", "Yellow", "Black", "White", "Pink", "Purple")
PIECES = ("Tshirts", "Caps", "Handbags", "Watches", "Ties", "Backpacks", "Dresses", "Trousers")
COUNTED = {
    "Tshirts": "t-shirts",
    "Caps": "caps",
    "Handbags": "handbags",
    "Dresses": "dresses",
    "Backpacks": "backpacks",
}
PLACED = ("Tshirts", "Caps", "Handbags", "Ties", "Dresses", "Backpacks")
NUMBERS = ("one", "two", "three", "four", "five")
CELLS = [(x, y) for y in (28, 72) for x in (18, 50, 82)]
SMALL, LARGE = 0.14, 0.36  # of a product's own size: told at 64 pixels, and not touching its neighbours
PRINTED = ("NORVA", "KIMBO", "ZEPHA", "LUNDO", "VELTA", "BRIXO", "TAZKU", "QUIMA")  # made up: no description needs them
FILLERS = frozenset("it is this that these those they are colour product item article in of pair".split())
ASKED = {"colour": ["baseColour"], "article": ["articleType"], "both": ["articleType", "baseColour"]}


@dataclass(frozen=True)
class Item:
    """One picture with one thing to get right.

    Args:
        picture (`PIL.Image.Image`): RGB.
        part (`str`): Which part of its suite it belongs to.
        group (`int`): Items of one group are drawn alike, and asked of together.
        answers (`tuple[str, ...]`): What is true: one of `sentences`, or the catalogue's values that an answer must name.
        sentences (`tuple[str, ...]`): The choice, in the same order for the whole group; empty where the model generates.
        prompt (`str`, *optional*): What is asked; the processor's default prompt without.
        printed (`str`, *optional*): What is printed on the garment.
        drawn (`tuple[tuple[str, float, float], ...]`): Of what is drawn the colour, and where it must lie, in hundredths
            of the picture's side.
    """

    picture: Image.Image
    part: str
    group: int
    answers: tuple = ()
    sentences: tuple = ()
    prompt: str | None = None
    printed: str | None = None
    drawn: tuple = ()


@dataclass(frozen=True)
class Suite:
    """One weakness.

    Args:
        about (`str`): What it asks, in a sentence.
        draw (`Callable[[int, int, int], list[Item]]`): Draws at least so many items, in whole groups, from a seed, of so
            many pixels a side.
        right (`Callable[[Item, str], bool]`, *optional*): Judges a generated answer; without, the suite is a choice.
        true (`Callable[[Item, str], bool]`, *optional*): Where an answer may be right without being true of the picture,
            judges that. The best answers without looking are then not defined.
    """

    about: str
    draw: Callable
    right: Callable | None = None
    true: Callable | None = None


def chance(items):
    """The share of items that the best answers get right which are given without looking at the pictures."""
    groups = defaultdict(Counter)
    for item in items:
        groups[item.prompt, item.sentences][item.answers] += 1
    return sum(max(answers.values()) for answers in groups.values()) / len(items)


def obeys(item, said):
    """Whether an answer names one of each that is asked for, true or not, and nothing else but words such as "it is"."""
    mentions = _lexicon().read(said)
    if sorted(mention.attribute for mention in mentions) != ASKED[item.part]:
        return False
    for mention in reversed(mentions):
        said = f"{said[: mention.start]} {said[mention.end :]}"
    return set(normalize_answer(said).split()) <= FILLERS | {"a", "an", "the", "its"}


def names_the_truth(item, said):
    """Whether an answer names, of what is asked for, what the picture shows."""
    named = {value for mention in _lexicon().read(said) for value in mention.values}
    return set(item.answers) <= named


def reads_no_print(item, said):
    """Whether the first colour that a sentence names is the garment's, and what is printed there is not said at all.

    A print counts as said in any case, and however punctuation or spaces take its letters apart.
    """
    colours = [mention.values[0] for mention in _lexicon().read(said) if mention.attribute == "baseColour"]
    return colours[:1] == list(item.answers) and not _says(said, item.printed)


@lru_cache
def _lexicon():
    return Lexicon()


def _says(said, word):
    letters = r"[\W_]*".join(map(re.escape, word.lower()))
    return re.search(rf"(?<![^\W_]){letters}(?![^\W_])", said.lower()) is not None


def draw_counting(count, seed, size=SIZE):
    """One to five of a product, in the same places; the sentences differ in the number, the pictures in their size too.

    A thing's size, the same range whatever the number, tells nothing of it, and what is painted in all tells little.
    """
    items = []
    for group in range(ceil(count / len(NUMBERS))):
        rng = random.Random(f"counting {seed} {group}")
        article, tone = rng.choice(list(COUNTED)), rng.choice(TONES)
        sentences = tuple(f"The number of {COUNTED[article]} is {number}." for number in NUMBERS)
        places = [(x + rng.uniform(-1, 1), y + rng.uniform(-5, 5)) for x, y in rng.sample(CELLS, len(NUMBERS))]
        sizes = [exp(rng.uniform(log(SMALL), log(LARGE))) for _ in NUMBERS]
        state = rng.getstate()
        for number, (answer, grow) in enumerate(zip(sentences, sizes, strict=True), start=1):
            rng.setstate(state)
            scene = _Scene([tone], size, rng)
            for place in places[:number]:
                scene.put(article, tone, *place, grow)
            items.append(Item(scene.finish(), NUMBERS[number - 1], group, (answer,), sentences, drawn=scene.drawn))
    return items


def draw_left_right(count, seed, size=SIZE):
    """Two products side by side and the same two the other way round; the sentences differ in "left" or "right"."""
    items = []
    for group in range(ceil(count / 2)):
        rng = random.Random(f"left/right {seed} {group}")
        pair = rng.sample(PLACED, 2)
        first, second = (ARTICLE_WORDS[article]["phrase"] for article in pair)
        sentences = tuple(f"The {first} is to the {side} of the {second}." for side in ("left", "right"))
        tones, heights = rng.sample(TONES, 2), [50 + rng.uniform(-8, 8) for _ in pair]
        state = rng.getstate()
        for places, answer in zip(((27, 73), (73, 27)), sentences, strict=True):
            rng.setstate(state)
            scene = _Scene(tones, size, rng)
            for article, tone, x, y in zip(pair, tones, places, heights, strict=True):
                scene.put(article, tone, x, y, 0.48)
            part = answer.split()[-4]
            items.append(Item(scene.finish(), part, group, (answer,), sentences, drawn=scene.drawn))
    return items


def draw_binding(count, seed, size=SIZE):
    """Two colours on two things, and the same two swapped; the sentences hold the same words in another order.

    Of both things, the larger and the smaller, the left and the right, each is as often named first as last, so that
    naming colours in an order of places or sizes is right of one item in two.
    """
    items = []
    for block in range(ceil(count / 8)):
        rng = random.Random(f"binding {seed} {block}")
        pair, places = rng.sample(PLACED, 2), rng.choice(((27, 73), (73, 27)))
        first, second = (ARTICLE_WORDS[article]["phrase"] for article in pair)
        forms = (
            "a {0} shirt with {1} sleeves.",
            "{1} sleeves on a {0} shirt.",
            f"a {{0}} {first} and a {{1}} {second}.",
            f"a {{1}} {second} and a {{0}} {first}.",
        )
        for index, form in enumerate(forms):
            tones, group, sleeved = rng.sample(TONES, 2), 4 * block + index, index < 2
            orders = [tones, tones[::-1]]
            sentences = tuple(form.format(*map(str.lower, order)).capitalize() for order in orders)
            state = rng.getstate()
            for order, answer in zip(orders, sentences, strict=True):
                rng.setstate(state)
                scene = _Scene(tones, size, rng)
                if sleeved:
                    scene.put_sleeved_shirt(*order)
                else:
                    for article, tone, x in zip(pair, order, places, strict=True):
                        scene.put(article, tone, x, 50, 0.48)
                part = "one garment" if sleeved else "two products"
                items.append(Item(scene.finish(), part, group, (answer,), sentences, drawn=scene.drawn))
    return items


def draw_prompt_parts(count, seed, size=SIZE):
    """Products of a catalogue, each asked for its colour alone, its article alone, and both and nothing else."""
    asked = {
        "colour": "What colour is it? One word.",
        "article": "What is it? Only the article, no colour.",
        "both": "What is it? Only the colour and the article.",
    }
    rng = random.Random(f"prompt parts {seed}")
    shift, items = rng.randrange(len(PIECES)), []
    for index in range(ceil(count / len(asked))):  # colours and articles equally often, paired anew each round
        around, place = divmod(index, len(TONES))
        article, tone = PIECES[(place * 3 + around + shift) % len(PIECES)], TONES[place]
        row = {"articleType": article, "baseColour": tone, "gender": rng.choice(("Men", "Women")), "usage": "Casual"}
        picture = draw_product({**row, "id": rng.getrandbits(32)}, size, seed)
        truth = {"colour": (tone,), "article": (article,), "both": (tone, article)}
        items += [Item(picture, part, index, truth[part], prompt=prompt) for part, prompt in asked.items()]
    return items


def draw_printed_text(count, seed, size=SIZE):
    """T-shirts with a word printed on them: by turns any word, and the name of another colour than theirs."""
    rng = random.Random(f"printed text {seed}")
    tones = islice(cycle(rng.sample(TONES, len(TONES))), ceil(count / 2))
    items = []
    for group, tone in enumerate(tones):
        other = rng.choice([name for name in TONES if name != tone])
        for part, printed in (("words", rng.choice(PRINTED)), ("colour names", other.upper())):
            picture = draw_printed_shirt(tone, printed, size, random.Random(rng.getrandbits(64)))
            items.append(Item(picture, part, group, (tone,), printed=printed.lower()))
    return items


def draw_printed_shirt(tone, words, size, rng):
    """Draws a T-shirt with words across its chest, or with none if they are empty."""
    scene = _Scene([tone], size, rng)
    scene.put("Tshirts", tone, 50, 50, 0.95)
    if words:
        scene.print(words)
    return scene.finish()


SUITES = {
    "counting": Suite("How many of a product are there, one to five?", draw_counting),
    "left/right": Suite("Which of two products is on the left?", draw_left_right),
    "attribute binding": Suite("Which of two colours has which of two things?", draw_binding),
    "prompt parts": Suite(
        "Is that answered which was asked for and nothing else, true of the picture or not?",
        draw_prompt_parts,
        obeys,
        names_the_truth,
    ),
    "printed text": Suite(
        "Is a garment's colour told, and what is printed on it kept out of its description?",
        draw_printed_text,
        reads_no_print,
    ),
}


class _Scene:
    """Products on a plain ground that none of their colours drowns in."""

    def __init__(self, tones, size, rng):
        self.rng, self.drawn = rng, ()
        grounds = [ground for ground in BACKDROPS if all(dist(ground, COLOURS[tone]) > 100 for tone in tones)]
        self.board = Board(size, Palette.of(COLOURS[tones[0]], rng), ground=rng.choice(grounds))

    def put(self, article, tone, x, y, grow):
        self.board.palette = Palette.of(COLOURS[tone], self.rng)
        self.board.shift, self.board.grow = (x - 50, y - 50), grow
        ARTICLES[article](self.board, CUTS["Men"])
        self.drawn += ((tone, x, y),)

    def put_sleeved_shirt(self, body, sleeves):
        board = self.board
        board.palette = Palette.of(COLOURS[sleeves], self.rng)
        for sleeve in both([(62, 16), (77, 23), (86, 46), (93, 78, 1), (77, 81, 1), (71, 52), (62, 40)]):
            board.cloth(sleeve)
        board.palette = Palette.of(COLOURS[body], self.rng)
        board.cloth(mirror([(58, 15, 1), (64, 17), (68.5, 36), (69, 60), (70, 89, 1)]))
        board.shape(mirror([(50, 14), (58, 15, 1), (55, 21), (50, 23)]), board.palette.deep)
        self.drawn = ((body, 50, 60), (sleeves, 17, 65), (sleeves, 83, 65))

    def print(self, words):
        board = self.board
        board.shift, board.grow = (0, 0), 36 / (5 * len(words) + 3)  # every word 36 units wide
        board.text(words, 50, 50 + 4 / board.grow, 100, CREAM if luminance(board.palette.base) < 150 else INK)

    def finish(self):
        return self.board.finish()
