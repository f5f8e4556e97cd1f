"""What the pages hold: their code blocks, the commands in them, their headings and links."""

import json
import re
import shlex
from pathlib import Path


ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
VARIABLE = re.compile(r"[A-Z_]+=")


def name_of(page):
    return str(page.relative_to(ROOT))


def blocks(page, language):
    """The text of a page's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.S | re.M)


def prose(page):
    """A page without its code blocks; of a notebook, what is written between its cells."""
    if page.suffix == ".ipynb":
        cells = json.loads(page.read_text())["cells"]
        return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)


def links(page):
    """What a page links to on this side of the network: paths, with or without `#heading`."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(page):
    """The names under which GitHub finds a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(text):
    """The commands of a piece of shell, each a list of words without its `VARIABLE=...`; those handed to others, too."""
    pending = ""
    for line in text.replace("\\\n", " ").splitlines():
        pending += line + "\n"
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quotation goes on in the next line
            continue
        pending = ""
        yield from _parts(words)
    assert not pending, f"a quotation has no end: {pending}"


def _parts(words):
    if "&&" in words:
        place = words.index("&&")
        yield from _parts(words[:place])
        yield from _parts(words[place + 1 :])
        return
    while words and VARIABLE.match(words[0]):
        words = words[1:]
    if not words:
        return
    words = [words[0].removeprefix(".venv/bin/"), *words[1:]]
    yield words
    if words[0] == "ray" and "--" in words:
        yield from _parts(words[words.index("--") + 1 :])
    if words[:3] == ["srun", "bash", "-c"]:
        yield from commands(words[3])


def block_commands():
    """Every command of every page's shell blocks, as (page, words)."""
    return [(page, words) for page in PAGES for text in blocks(page, "bash") for words in commands(text)]


def named_commands():
    """What the pages' prose calls a command, as (page, words): some are whole, some a name with an option."""
    texts = [(page, text) for page in PAGES for text in re.findall(r"`([^`\n]+)`", prose(page))]
    named = [(page, text) for page, text in texts if re.match(r"(moda|python|make|pip install|hf|jupyter|ray) ", text)]
    return [(page, words) for page, text in named for words in commands(text)]
