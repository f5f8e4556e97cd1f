"""What a catalogue's columns hold: guessed from their names, and from the words in them; never two of ours from one."""

import functools
import re

from datasets import ClassLabel, Image, Value
from PIL import Image as Pillow

from moda.data.synonyms import WORDS


# Without capitals, spaces and underscores, the likeliest first; a column that already has our name needs no guess.
NAMES = {
    "image": "image picture photo img images file_name file image_path picture_path photo_path img_path image_file "
    "image_url picture_url photo_url img_url image_link image_src img_src main_image primary_image product_image "
    "main_image_url primary_image_url product_image_url image_name image_filename path file_path thumbnail",
    "id": "id sku product_id product_code item_id item_code article_id article_code article_number product_number sku_id "
    "uniq_id asin variant_sku handle",
    "articleType": "article_type product_type item_type category_leaf leaf_category garment_type product_type_name type "
    "article kind product_kind clothing_type",
    "baseColour": "base_colour base_color colour color main_colour main_color primary_colour primary_color colour_name "
    "color_name colour_group_name product_colour product_color google_shopping_color",
    "gender": "gender sex target_gender gender_name google_shopping_gender department age_group google_shopping_age_group",
    "usage": "usage occasion intended_usage",
    "productDisplayName": "product_display_name title product_name product_title display_name name item_name prod_name "
    "product_display item_title",
    "masterCategory": "master_category main_category top_category category category_name "
    "product_category google_product_category google_shopping_google_product_category",
    "subCategory": "sub_category subcategory_name",
    "season": "season season_name",
    "pattern": "pattern pattern_name",
    "group": "group group_id parent_id parent_sku parent_asin variant_group handle item_group_id",
}
BY_VALUES = ("articleType", "baseColour", "gender", "usage")
ONLY_WITH_VALUES = {"department", "agegroup", "googleshoppingagegroup"}  # names that mean something else as often
SURE = 0.8  # of the values are words for an attribute
UNIQUE = 0.99
LOOKED_AT = 2000  # rows


def guess_columns(rows, given=()):
    """Guesses which columns hold what MODA has a name for.

    Names count first, whatever their case, underscores and spaces; then, for kind, colour, gender and usage, columns of
    which at least 80 % of the values are words for it (see [`moda.data.synonyms`]). A name is not believed where the values
    are words for something else, a picture's where they are neither pictures nor paths, an `id`'s where it repeats. Where no name tells
    of pictures, the only column of text is taken that holds their paths or addresses.

    Args:
        rows (`datasets.Dataset`): Any rows.
        given (`dict[str, str]`, *optional*): What is known already: our name of a column, and its own.

    Returns:
        `tuple[dict[str, str], dict[str, list[str]]]`: Our names of the columns and their own, without those given or
        called by our names already; and of each the other columns that it might have been.
    """
    guess = _Guess(rows, dict(given))
    for ours in guess.asked:
        names = [_plain(name) for name in NAMES[ours].split()]
        named = sorted((name for name in guess.free if _plain(name) in names), key=lambda n: names.index(_plain(n)))
        named = [name for name in named if guess.believes(name, ours)]
        if ours == "image" and not named:
            named = [name for name in guess.free if isinstance(guess.kinds[name], Image)]
            pictures = [name for name in guess.free if is_text(guess.kinds[name]) and guess.paths(name) >= SURE]
            named = named or (pictures if len(pictures) == 1 else [])
        guess.take(ours, named)
    for ours in BY_VALUES:
        if ours in guess.asked and ours not in guess.found:
            sure = [name for name in guess.free if guess.shares(name)[ours] >= SURE and not guess.doubts(name, ours)]
            guess.take(ours, sorted(sure, key=lambda name: -guess.shares(name)[ours]))
    return guess.found, guess.others


def is_text(kind):
    return isinstance(kind, ClassLabel) or kind in (Value("string"), Value("large_string"))


class _Guess:
    def __init__(self, rows, given):
        self.rows, self.kinds = rows, rows.features
        self.asked = [ours for ours in NAMES if ours not in rows.column_names and ours not in given]
        self.free = [name for name in rows.column_names if name not in NAMES and name not in given.values()]
        self.found, self.others, self._shares = {}, {}, {}

    def take(self, ours, candidates):
        if candidates:
            self.found[ours], *self.others[ours] = candidates
            self.free.remove(self.found[ours])

    def shares(self, name):
        """Of a column's first values, those that say anything, the share that are words for each attribute."""
        if name not in self._shares:
            said = [_word(value) for value in self.values(name)] if is_text(self.kinds[name]) else []
            said = [word for word in said if word]
            self._shares[name] = {
                attribute: sum(word in _words(attribute) for word in said) / max(len(said), 1)
                for attribute in BY_VALUES
            }
        return self._shares[name]

    def values(self, name):
        values = self.rows.select_columns(name)[: min(len(self.rows), LOOKED_AT)][name]
        kind = self.kinds[name]
        values = [value for value in values if value is not None]
        return list(map(kind.int2str, values)) if isinstance(kind, ClassLabel) else values

    def believes(self, name, ours):
        kind = self.kinds[name]
        if ours == "image":
            return self.shows(name)
        if ours == "id":
            values = self.rows[name][:] if isinstance(kind, Value) and not kind.dtype.startswith("float") else []
            return bool(values) and len(set(values)) >= (1 if _plain(name) == "handle" else UNIQUE) * len(values)
        if ours == "group":
            return isinstance(kind, Value)
        if not is_text(kind) or self.doubts(name, ours):
            return False
        if not any(re.search(r"[^\W\d_]", value) for value in self.values(name)):  # codes, as of Google's categories
            return not self.values(name)
        return _plain(name) not in ONLY_WITH_VALUES or self.shares(name)[ours] >= 0.5

    def doubts(self, name, ours):
        shares = self.shares(name)
        return any(
            shares[other] >= SURE and shares[other] > shares.get(ours, 0) for other in BY_VALUES if other != ours
        )

    def shows(self, name):
        kind = self.kinds[name]
        if not is_text(kind):
            return any(word in str(kind) for word in ("Image(", "binary", "string"))
        addresses = sum("://" in value for value in self.values(name))
        return max(addresses / max(len(self.values(name)), 1), self.paths(name)) > 0.5

    def paths(self, name):
        """Of a text column's first values, the share that end as the path or the address of a picture does."""
        endings, values = Pillow.registered_extensions(), [value for value in self.values(name) if value.strip()]
        plain = [re.split(r"[?#]", value.strip())[0] if "://" in value else value.strip() for value in values]
        return sum("." + value.rpartition(".")[2].lower() in endings for value in plain) / max(len(plain), 1)


def _plain(name):
    return re.sub(r"[\W_]", "", name).lower()


def _word(value):
    return _plain(value).removesuffix("s")


@functools.cache
def _words(attribute):
    lines = WORDS[attribute].items()
    return frozenset(_word(word) for names, words in lines for word in (*names.split("|"), *words.split(", ")))
