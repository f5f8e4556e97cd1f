"""Penn Treebank tokens of captions, as COCO's caption evaluation sees them, without Java."""

import re
from functools import lru_cache


# Words that keep the full stop behind them, in any case, wherever they stand.
ABBREVIATIONS = """
    adj adm adv al ala alex apr ariz assn assoc asst atty attys aug ave bancorp bhd bldg blvd brig bros calif capt cf cie
    cmdr co col colo comdr conn corp cos cpl ct dak dec dept det dr drs elec ens esq est etc ext feb fla fri ft ga gen
    gov govs hon inc ind insp intl invt jan jos jr jul jun kan kans ky lieut lt ltd maj mar md messrs mfg mich minn mlle
    mme mo mon mont mr mrs ms msgr mt mtg natl neb nev nov oct okla penn pfc ph plc ppte pptes ppty pptys pres prof
    profs pte ptes pty ptys pvt rd rep reps rev rt sen sens sep sept seq sfc sgt spc sq sr st ste supt supts sys tel
    tenn thu thurs treas tue tues univ va vs vt wed wis wisc wm wyo
"""
CAPITALISED = "az la pa ark del ill ore tex mass miss wash"  # with a capital only: "mass." ends a sentence
BEFORE_NUMBERS = "art ca fig figs no nos op pp prop"
# After "vitamin B." these begin another sentence, and the full stop is no part of the initial.
BEGINNINGS = """
    A About According After An As At But He Her Here However If In It Last Many More Now Once One Other Our She Since So
    Some Such That The Their Then There These They This We What When While Yet You
"""
# What stands for others; spaces make several tokens of one.
REPLACED = {
    "cannot": "can not", "gonna": "gon na", "gotta": "got ta", "lemme": "lem me", "gimme": "gim me", "wanna": "wan na",
    "'tis": "'t is", "'twas": "'t was", "(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-",
    "}": "-rcb-", "¢": "cents", "£": "#", "€": "$", "¤": "$", "¼": "1/4", "½": "1/2", "¾": "3/4", "⅓": "1/3",
    "⅔": "2/3", "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": "", "&nbsp;": "",
}  # fmt: skip
DROPPED = {"'", "''", "`", "``", ".", "?", "!", ",", ":", "-", "--", "...", ";"}  # COCO's list, where it can match
NO_LETTERS = (
    r"\s!-/:-@\[-`{-~\x7f-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7\u060c\u061b\u061f\u06d4\u0964\u0965\u2000-\u218b\u2190-\u2bff"
    r"\u3000-\u3004\u3008-\u3020\u3030\u30fb\ue000-\uf8ff\ufe00-\ufe0f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)


def _one_of(words):
    return "(?:" + "|".join(sorted(words.split(), key=len, reverse=True)) + ")"


def _pattern():
    sign = f"[^{NO_LETTERS}]"  # a letter, an accent that combines, or a digit
    letter = rf"[^\d{NO_LETTERS}]"
    mark, end = "['’]", f"(?!{sign})"
    negation = "[nN]['’`][tT]"
    number = r"\d+(?:[.,:]\d+)*"
    capitalised = "|".join(f"{word.title()}|{word.upper()}" for word in CAPITALISED.split())
    return "|".join(
        [
            r"[A-Za-z]+(?=[ ,]|$)",  # most words; the rest of the table need not look at them
            r"[A-Z]*\$|-[LR][CRS]B-",
            r"</?[A-Za-z][\w:.-]*(?: +[\w:.-]+(?:=(?:\"[^\"]*\"|'[^']*'|[^\s<>\"']+))?)* */?>|<![^<>\n]*>",  # tags
            r"&(?i:amp|lt|gt|quot|nbsp);|&\#\d+;|&[aeiou](?:acute|grave|uml);",
            r"https?://[^\s<>\"|(){}]*[^\s<>\"|(){}.,;:!?'-]",
            rf"www\.(?:{sign}|[_-])+(?:\.(?:{sign}|[_-])+)*(?:/[^\s<>\"|()]*[^\s<>\"|().,;:!?'-])?",
            rf"(?:{sign}|[_-])+(?:\.(?:{sign}|[_-])+)*\.(?i:com|net|org|edu){end}(?:/[^\s<>\"|()]+[^\s<>\"|().,;:!?'-])?",
            rf"<?{sign}[^\s\"<>|()" + "{}" + r"]*@(?:[^\s\"<>|().{}]+\.)*[^\s\"<>|().{}]+>?",
            r"@[A-Za-z_]\w*|\#[A-Za-z]+",
            r"[<>]?[:;=][-o*']?[()DPdpO\\@|{\[\]](?![A-Za-z])",  # faces
            r"(?:non|Canada|EU|Japan|Korean|Sino)-U\.S\.",
            rf"(?>{letter}(?:\.{letter})+){end}(?:\.?(?:-{sign}+)+|\.)?|[Pp][Hh]\.[Dd]\.",  # U.S., a.m., U.S.-made
            rf"[A-Za-z]\.(?:-{sign}+)+|[A-Za-z]\.(?!{letter}|\s+{_one_of(BEGINNINGS)}(?![A-Za-z]))",  # initials
            rf"(?!P?PT[EY]S?\.|MFG\.|MTG\.)(?:(?i:{_one_of(ABBREVIATIONS)})|{capitalised})\.(?!{letter})(?:-{sign}+)*",
            rf"(?i:{_one_of(BEFORE_NUMBERS)})\.(?=\s*\d)",
            rf"{letter}+?(?={negation})|{negation}{end}",
            r"''",
            rf"{mark}(?i:s|m|d|re|ve|ll)(?![A-Za-z0-9])|'(?i:tis|twas)(?={negation}|{end})|'(?i:em|til|cause)|{mark}[nN]{mark}|'[nN]{end}",
            r"['’]\d0s|['’]\d\d(?![\w'\"-])",
            rf"(?i:o{mark}clock|ma{mark}am|c{mark}mon|o{mark}er|ne{mark}er|cap{mark}n){end}",
            rf"[yY]'(?={letter})(?!(?i:s|m|d|re|ve|ll){end})",
            rf"[dDoOlLn]['’`]{letter}{{2,}}(?:-{sign}+)*|[A-HJ-XZ]['’`]{letter}{{2,}}",
            rf"{letter}+[aeiouyAEIOUY]['’`][aeiouA-Z]{letter}*|[dDjJlL]'{end}|[oO]l'{end}",
            r"[A-Z]+(?:(?:[+&]|&amp;)[A-Z]+)+|[cC]\+\+|[cCfF]\#",
            rf"{letter}{sign}*(?:\.{letter}{sign}*)+(?:-{sign}+)*(?![!?]{letter})|{letter}{sign}*(?:[.!?]{letter}{sign}*)+",
            r"(?:\(\d{2,3}\) ?|(?:\+\+?)?(?:\d{2,4}[- ])?\d{2,4}[- ])\d{3,4}[- ]?\d{3,5}(?!\d)",  # telephones
            r"\d{1,4} \d{1,4}/\d{1,4}(?!\w)",
            rf"\d+(?:[.,:]\d+)+(?:-{sign}+)*",
            rf"{sign}+(?:-{sign}+)*\.(?:-{sign}+|(?=[,;:]))",
            rf"{sign}+(?:-{sign}+)*_{sign}+(?:[-_]{sign}+)*",
            rf"{sign}+(?:-{sign}+)*(?:\\?/{sign}+(?:-{sign}+)*)*",
            rf"[+-]{number}|[.,:]\d+(?:[.,:]\d+)*",
            r"\#+|@+|<<+|>>+|\*+|_+|[!?]{2,}|-{5,}",
            r"[()\[\]{}%&*+/<=>@\\^|~¡¢-©¬®-´¶-¿×÷‖‗‚„-•‰-‸※‾-⁂⁄⁰⁴-⁾₀-₎₤€℀-⅏⅓-⅞←-⯿、。〒・！-／：-＠［-｀｛-･￠￡￥￦]",
        ]
    )


TOKEN = re.compile(_pattern())
PLAIN = re.compile("(?:[A-Za-z]++(?:-[A-Za-z]+)*+(?:[ ,]++|(?=\\.?$)))++\\.?")
WITH_STOPS = {*ABBREVIATIONS.split(), *CAPITALISED.split(), *"abcdefghijklmnopqrstuvwxyz"}
ASSIMILATED = {word for word in REPLACED if word.isalpha()}
APOSTROPHE = re.compile("(?i)n?’(?:s|m|d|re|ve|ll|t)$")  # curly ones become straight in contractions only
BRACKETS = str.maketrans({"(": "-lrb-", ")": "-rrb-", " ": "\u00a0"})  # within a telephone number, a face or a tag
# Outside the letters: quotes become plain ones, dashes and joiners divide, and what Java cannot read is left out.
CHARACTERS = {ord(new): old for old, news in {"`": "‘", '"': "“”«»"}.items() for new in news}
UNREADABLE = re.compile("[\U00010000-\U0010ffff\u00a0\u2000-\u200f\u202f\ufeff]")


def ptb_tokenize(sentence):
    """Divides a sentence as Stanford's PTBTokenizer does, in lower case and without punctuation.

    These are the tokens that COCO's caption evaluation (Chen et al. 2015) counts: Stanford CoreNLP 3.4.1 with
    `-preserveLines -lowerCase`, less its list of punctuation. The rules were fitted to that program's answers. Two of its
    oddities are part of every published score and so of these: brackets stay, as "-lrb-" and "-rrb-", and so do runs such
    as "!!". A token may hold a no-break space, as in "1\\u00a01/2".

    Compared with Java, no caption of Flickr8k differs (35,455) and no title of a fashion catalogue (41,394); the rules were
    fitted to these. Of captions and titles with marks put in at random (20,000 for each kind, from seeds not fitted to)
    0.03 % differ with one mark of ASCII punctuation, 0.2 % with three, 0.4 % with four digits or marks, 0.2 % with two
    foreign letters or typographic marks, 3 % with two combining accents or other scripts. Known differences: "post-9/11"
    (Java: "post-9", "/", "11"), an entity within a word ("caf&eacute;"), a combining accent in a hyphenated word. And
    Java reads on over the end of a line: where a caption ends in an initial ("vitamin C.") and the one after it begins with
    "A", "The" or the like, it takes the initial's full stop for the sentence's. Here every caption stands for itself.

    Args:
        sentence (`str`): One caption; a line break in it counts as a space.

    Returns:
        `list[str]`: The tokens; none for an empty sentence.

    Example:

    ```python
    >>> ptb_tokenize("The dog's ball isn't red, it's navy-blue.")
    ['the', 'dog', "'s", 'ball', 'is', "n't", 'red', 'it', "'s", 'navy-blue']
    ```
    """
    if PLAIN.fullmatch(sentence):  # as most captions are, and ten times as fast
        words = sentence.rstrip(" .").replace(",", " ").lower().split()
        if words[-1] not in WITH_STOPS and ASSIMILATED.isdisjoint(words):
            return words
    sentence = sentence.replace("&apos;", "'")
    if not sentence.isascii():
        sentence = UNREADABLE.sub(" ", sentence.replace("\u00ad", "")).translate(CHARACTERS)
    return [token for found in TOKEN.findall(" ".join(sentence.split())) for token in _spelled(found)]


def tokenize_rows(sentences, references):
    """Checks that sentences and references align, and divides them into words, each string once.

    Args:
        sentences (`Sequence[str]`): One a row.
        references (`Sequence[str | Sequence[str]]`): Of each row one or more.

    Returns:
        `tuple[list[list[str]], list[list[list[str]]]]`: The tokens of the sentences, and of each row's references.

    Raises:
        `ValueError`: If there are not as many sentences as rows, or a row has no reference or something else than text.
    """
    if isinstance(sentences, str):
        raise ValueError("The sentences are one str; give a list with one sentence for each row.")
    if len(sentences) != len(references):
        raise ValueError(f"There are {len(sentences)} sentences for {len(references)} rows; give one for each row.")
    known = {}

    def tokens(text, row, name):
        if not isinstance(text, str):
            raise ValueError(f"Row {row} has the {name} {text!r}; give text, an empty string where there is none.")
        if text not in known:
            known[text] = ptb_tokenize(text)
        return known[text]

    candidates, human = [], []
    for row, (sentence, accepted) in enumerate(zip(sentences, references)):
        accepted = [accepted] if isinstance(accepted, str) else accepted
        if accepted is None or len(accepted) == 0:
            raise ValueError(f"Row {row} has no reference; give it one, or leave the row out.")
        candidates.append(tokens(sentence, row, "sentence"))
        human.append([tokens(text, row, "reference") for text in accepted])
    return candidates, human


@lru_cache(maxsize=1 << 16)
def _spelled(found):
    """What Java writes for a stretch of text, without punctuation."""
    if found.isalnum():
        return tuple(REPLACED.get(found.lower(), found.lower()).split())
    token = found.lower().replace("’", "'") if APOSTROPHE.match(found) else found.lower()
    if token in REPLACED:
        return tuple(REPLACED[token].split())
    token = token.translate(BRACKETS).replace("&amp;", "&")
    return () if token in DROPPED else (token,)
