"""Whoever follows the pages gets on: commands, recipe keys, files, links and headings that they name exist.

Commands are read here, not run; `make docs-check` runs them on small stand-ins (check_docs.py).
"""

import importlib.util
import json
import re
import tomllib

import pytest
from pages import (
    NOTEBOOKS,
    PAGES,
    ROOT,
    anchors,
    block_commands,
    blocks,
    commands,
    links,
    name_of,
    named_commands,
    prose,
)

from moda.cli import make_parser, parse
from moda.training.recipe import Recipe, load_recipe
from moda.training.stage import STAGE_FIELDS, TRAINER_FIELDS


GUIDES = [
    ROOT / "docs" / f"{name}.md" for name in ("fine_tune", "annotation", "masks", "evaluation", "describe", "publish")
]
LAUNCHERS = ("python", "torchrun", "accelerate")
# Programs of others: what of them the pages may name. That it does what they say is for `make docs-check`, where it can be.
OTHERS = {
    "hf": ("auth login", "download", "upload"),
    "ray": ("job submit", "start"),
    "jupyter": ("lab", "execute"),
    "git": ("clone",),
}
SHELL = (".", "export", "srun", "curl")


def check_moda(words):
    options = parse(words[1:])
    assert options.command == words[1] and callable(options.run)


def check_recipe(words):
    recipe, *overrides = words
    read = load_recipe(ROOT / recipe, [*overrides, "use_cpu=true"])
    assert not overrides or read.to_yaml() != load_recipe(ROOT / recipe, ["use_cpu=true"]).to_yaml()
    for stage in read.stage_list:
        settings = stage.arguments("runs/test")
        batch = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
        assert settings.use_cpu and stage.batch_size in (None, batch)


def check_python(words):
    if "train.py" in words:
        return check_recipe(words[words.index("train.py") + 1 :])
    if words[1] == "-m":
        assert importlib.util.find_spec(words[2]), words
    elif words[0] == "python":
        assert (ROOT / words[1]).is_file(), words
    else:  # a script of the page's own
        assert any(word.endswith(".py") for word in words), words


def check_make(words):
    targets = re.findall(r"^([\w.-]+):", (ROOT / "Makefile").read_text(), re.M)
    assert set(words[1:]) <= set(targets), words


def check_pip(words):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    for word in words[2:]:
        named = re.fullmatch(r"\.\[(.+)\]", word)
        assert named is None or set(named[1].split(",")) <= set(extras), word
        assert "==" not in word or word in pins, word


def check_command(words):
    """Whether a command of a page's block would be taken; one that nothing here knows is an error."""
    program = "python" if words[0] == "python3" else words[0]
    if program == "moda":
        check_moda(words)
    elif program in LAUNCHERS:
        check_python(words)
    elif program in ("make", "pip"):
        {"make": check_make, "pip": check_pip}[program](words)
    elif program in OTHERS:
        assert " ".join(words[1:]).startswith(OTHERS[program]), words
    else:
        assert program in SHELL, f"{words}: say in test_docs.py how such a command is checked"


def cases(found):
    return [pytest.param(words, id=f"{page.stem}-{' '.join(words)[:70]}") for page, words in found]


@pytest.mark.parametrize("words", cases(block_commands()))
def test_commands_are_taken(words):
    check_command(words)


@pytest.mark.parametrize("words", cases(named_commands()))
def test_commands_that_prose_names_exist(words):
    if words[0] == "moda":  # perhaps without what it works on
        known = make_parser()._subparsers._group_actions[0].choices
        options = {word for word in words if word.startswith("--")}
        assert words[1] in known and options <= set(known[words[1]]._option_string_actions), words
    else:
        check_command(words)


def test_there_are_commands():
    programs = [words[0] for _, words in block_commands()]
    assert programs.count("moda") >= 40 and programs.count("python") >= 15 and len(named_commands()) >= 20


def test_commands_are_read_out_of_shell():
    text = (
        "# a remark\nHF_ENDPOINT=http://a .venv/bin/moda describe 'a b' \\\n  --json  # told\n"
        "curl x -d '{\n  \"a\": 1}' && make demo\nsrun bash -c 'torchrun train.py r.yaml'\nray job submit -- moda serve\n"
    )
    assert list(commands(text)) == [
        ["moda", "describe", "a b", "--json"],
        ["curl", "x", "-d", '{\n  "a": 1}'],
        ["make", "demo"],
        ["srun", "bash", "-c", "torchrun train.py r.yaml"],
        ["torchrun", "train.py", "r.yaml"],
        ["ray", "job", "submit", "--", "moda", "serve"],
        ["moda", "serve"],
    ]


@pytest.mark.parametrize(
    "words", [["moda", "serve", "--prot", "1"], ["make", "tea"], ["pip", "install", ".[tea]"], ["tea"]]
)
def test_a_wrong_command_is_found(words):
    with pytest.raises((AssertionError, SystemExit)):
        check_command(words)


def test_recipes_in_the_pages_are_valid(tmp_path):
    """Whole ones as they are, and parts of one in the place of a whole one's."""
    import yaml

    parts = [yaml.safe_load(text) for page in PAGES for text in blocks(page, "yaml")]
    assert len(parts) >= 3
    for part in parts:
        whole = {"output_dir": "runs/a", "model": {"pretrained": "a"}, "data": {"path": "a"}, "stages": {"a": {}}}
        whole["stages"]["a"]["train"] = ["connector"]
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**whole, **part}))
        load_recipe(tmp_path / "mine.yaml", ["use_cpu=true"])


def test_tables_name_keys_that_exist():
    known = set(Recipe.__dataclass_fields__) | STAGE_FIELDS | TRAINER_FIELDS
    recipes, stages = re.split(r"\nA stage takes", (ROOT / "docs" / "training.md").read_text())[:2]
    for text in (recipes, stages.split("\n## ")[0]):
        keys = [key for cell in re.findall(r"^\| (`[^|]+) \|", text, re.M) for key in re.findall(r"`(\w+)`", cell)]
        assert len(keys) > 5 and set(keys) <= known, set(keys) - known


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=name_of)
def test_links_lead_somewhere(page):
    for link in links(page):
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists() and target.is_relative_to(ROOT), link
        assert not heading or heading in anchors(target), link


def test_headings_are_named_as_github_names_them(tmp_path):
    (tmp_path / "a.md").write_text(
        "# Why it is fast, and what was tried\n```\n# no heading\n```\n## `moda` *is* OpenAI's_1\n"
    )
    assert anchors(tmp_path / "a.md") == {"why-it-is-fast-and-what-was-tried", "moda-is-openais_1"}


def test_recipes_that_pages_name_exist():
    named = {found for page in PAGES for found in re.findall(r"recipes/[\w./-]+\.yaml", page.read_text())}
    assert len(named) > 5 and all((ROOT / path).is_file() for path in named)


def test_every_page_is_in_the_index_and_the_guides_are_in_order():
    index = ROOT / "docs" / "README.md"
    listed = [(index.parent / link.partition("#")[0]).resolve() for link in links(index)]
    assert set(PAGES) - {ROOT / "README.md", index} <= set(listed)
    assert [path for path in listed if path in GUIDES] == GUIDES
    for number, guide in enumerate(GUIDES, 1):
        text = guide.read_text()
        assert text.startswith(f"# {number}. ") and "**At the end you have**" in text and "**It takes**" in text, guide


@pytest.mark.parametrize("page", NOTEBOOKS, ids=name_of)
def test_notebooks_hold_no_outputs_and_nothing_of_a_machine(page):
    notebook = json.loads(page.read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 5 and not any(cell["outputs"] or cell["execution_count"] for cell in cells)
    assert not re.search(r"/(home|root|Users|work|tmp)/", page.read_text())
    for cell in cells:
        source = "".join(cell["source"])
        if not source.startswith("%%bash"):
            compile(source, page.name, "exec")
            continue
        for words in commands(re.sub(r"2> /dev/null| 2>&1 \| .*|^exit .*$|^%%bash$|^cat .*$", "", source, flags=re.M)):
            check_command(words)


def test_the_mask_is_drawn_as_in_its_module():
    module = (ROOT / "masks_moda.py").read_text()
    drawings = re.findall(r"```\n( +(?:causal|image_lookahead) .*?)```", (ROOT / "docs" / "masks.md").read_text(), re.S)
    assert len(drawings) == 2 and all(drawing in module for drawing in drawings)


def test_the_masks_that_there_are_are_told():
    from masks_moda import IMAGE_ATTENTION_POLICIES

    told = re.findall(r"^\| `(\w+)`(?: \(default\))? \|", prose(ROOT / "docs" / "masks.md"), re.M)
    assert tuple(told) == IMAGE_ATTENTION_POLICIES
