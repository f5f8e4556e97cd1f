"""Reads what is printed on a product, where an OCR engine is installed: `pytesseract` with the program `tesseract`.

A caption that mostly repeats the text inside its picture teaches a model to read, not to see; such pairs are left out, as in
the caption filters of Gadre et al., "DataComp" (2023), and Radenovic et al., "Filtering, Distillation, and Hard Negatives" (2023).
"""

import functools
import importlib.util
import json
import shutil
import threading
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageOps

from .ordinary import WORD, is_ordinary, plain


SMALLEST, LARGEST = 600, 1600  # pixels of the longer side that the engine reads well and fast
CONFIDENT = 60  # per cent, of the engine
SHORTEST = 3
# Words that state little.
SMALL = frozenset("the and for with from that this its are has have men women boys girls unisex".split())
PAGE = "--psm 11"  # sparse text, in no order


@functools.cache
def ocr_available():
    """Whether the engine is installed: the package, the program, and what it knows of English."""
    if importlib.util.find_spec("pytesseract") is None or shutil.which("tesseract") is None:
        return False
    import pytesseract

    return "eng" in pytesseract.get_languages()


def printed_words(image):
    """Reads the words in a picture.

    Args:
        image (`PIL.Image.Image`): Of any size and mode; small ones are enlarged.

    Returns:
        `list[str]`: The words of at least 3 letters of which the engine is confident, in its order, without repeats; in both
        contrasts, since it reads dark print on light ground best.

    Raises:
        `RuntimeError`: If no engine is installed.
    """
    if not ocr_available():
        raise RuntimeError(
            "Printed text can't be read: pytesseract or the program tesseract is missing; install both, or set checks.leaked_print.ocr=false."
        )
    import pytesseract

    grey = ImageOps.exif_transpose(image).convert("L")
    longer = max(grey.size)
    scale = min(max(longer, SMALLEST), LARGEST, 4 * longer) / longer
    size = [max(round(side * scale), 1) for side in grey.size]
    grey = ImageOps.autocontrast(grey.resize(size, Image.Resampling.LANCZOS))
    both = Image.new("L", (grey.width, 2 * grey.height))  # one run of the engine for both contrasts
    both.paste(grey)
    both.paste(ImageOps.invert(grey), (0, grey.height))
    try:
        read = pytesseract.image_to_data(both, config=PAGE, output_type=pytesseract.Output.DICT)
    except pytesseract.TesseractError:  # such as a picture of one pixel: nothing was read
        return []
    words = {}
    for text, confidence in zip(read["text"], read["conf"]):
        word = text.strip(".,:;!?'\"()[]|-_*~")
        if float(confidence) >= CONFIDENT and len(word) >= SHORTEST and word.isalpha():
            words.setdefault(word.casefold(), word)
    return list(words.values())


class PrintReader:
    """Reads the words in pictures, each picture once, from however many threads; a killed run goes on where it was.

    Args:
        file (`str` or `Path`): Of one JSON list a line, a picture's digest and its words; it only grows. Made where there is none.

    Raises:
        `OSError`: If the file can't be read or written.

    Example:

    ```python
    >>> reader = PrintReader("answers/print.jsonl")
    >>> reader.read("5f2c9a", lambda: load_picture("shirt.jpg"))
    ['DREAM', 'BIG']
    ```
    """

    def __init__(self, file):
        self.file, self.known, self.lock = Path(file), {}, threading.Lock()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with open(self.file, "a+b") as lines:
            lines.seek(0)
            content = lines.read()
            if content and not content.endswith(b"\n"):
                lines.write(b"\n")  # a killed run left half a line
        for line in content.splitlines():
            with suppress(ValueError, TypeError):
                digest, words = json.loads(line)
                self.known[digest] = words

    def read(self, digest, load):
        """Reads a picture, or remembers what was read.

        Args:
            digest (`str`): Equal for equal pictures only.
            load (`Callable[[], PIL.Image.Image]`): Opens it; called where it was not read before.

        Returns:
            `list[str]`: See [`printed_words`]; none of a picture that can't be opened, which is tried again by the next run.

        Raises:
            `RuntimeError`: If no engine is installed.
        """
        if digest in self.known:
            return self.known[digest]
        try:
            words = printed_words(load())
        except (ValueError, OSError):
            return []
        with self.lock:
            if digest not in self.known:
                with open(self.file, "ab") as lines:
                    lines.write(json.dumps([digest, words]).encode() + b"\n")
                self.known[digest] = words
        return words


def said_words(sentence):
    """The words of a sentence that could be print: those of at least 3 letters that are not ordinary function words."""
    return [
        word
        for word in dict.fromkeys(map(plain, WORD.findall(sentence)))
        if len(word) >= SHORTEST and word not in SMALL
    ]


def overlap(sentence, words):
    """Says how much of a sentence is printed on the picture.

    Args:
        sentence (`str`): A description.
        words (`Iterable[str]`): What [`printed_words`] read.

    Returns:
        `float`: Share of the sentence's own words, those of at least 3 letters without function words, from 0 to 1.
    """
    printed, own = set(map(plain, words)), said_words(sentence)
    return sum(word in printed for word in own) / len(own) if own else 0.0


def read_off(sentence, words, most):
    """Says what a sentence repeats of the print.

    Args:
        sentence (`str`): A description.
        words (`Iterable[str]`): What [`printed_words`] read.
        most (`float`): Share of its own words that may be printed.

    Returns:
        `str`, *optional*: One sentence, or `None`. Also where less is printed, a printed word of at least 4 letters that is no
        ordinary word of descriptions tells.
    """
    if not words:
        return None
    printed = set(map(plain, words))
    for word in said_words(sentence):
        if word in printed and len(word) >= 4 and not is_ordinary(word):
            return f'The description repeats "{word}", which is printed on the product; leave it out.'
    share = overlap(sentence, words)
    if share >= most:
        return f"The description repeats what is printed on the product in {share:.0%} of its words; describe the product itself."
    return None
