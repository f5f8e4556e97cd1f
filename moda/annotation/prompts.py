"""Prompts: readable files with a version in their name, an instruction and what is said when an answer can't be used."""

import hashlib
import re
from pathlib import Path

import jinja2


PROMPTS = Path(__file__).parent / "prompts"


class Prompt:
    """A prompt beside this file, or another one.

    The file is a Jinja2 template: the instruction, a line `---`, and the reminder, which may say `{{ why }}`.

    Args:
        name (`str`): Of a file in `moda/annotation/prompts`, such as `"describe-v1"`, or the path of another.

    Attributes:
        name (`str`): The file's, without its suffix.
        sha256 (`str`): Digest of its text, the first 12 digits.

    Raises:
        `FileNotFoundError`: If there is no such file.
        `ValueError`: If it does not have the two parts, or is no template.
    """

    def __init__(self, name):
        file = PROMPTS / f"{name}.md" if re.fullmatch(r"[\w-]+", str(name)) else Path(name)
        if not file.is_file():
            known = ", ".join(sorted(prompt.stem for prompt in PROMPTS.glob("*.md")))
            raise FileNotFoundError(f"There is no prompt {str(name)!r}; give the path of a file, or one of {known}.")
        text = file.read_text(encoding="utf-8")
        self.name, self.sha256 = file.stem, hashlib.sha256(text.encode()).hexdigest()[:12]
        parts = re.split(r"^---$", text, flags=re.MULTILINE)
        if len(parts) != 2:
            raise ValueError(
                f"The prompt {file.name} has {len(parts) - 1} lines '---'; write one, and behind it what is said of an answer "
                "that can't be used."
            )
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
        try:
            self._instruction, self._reminder = (environment.from_string(part.strip()) for part in parts)
        except jinja2.TemplateError as error:
            raise ValueError(f"The prompt {file.name} is no Jinja2 template: {error}; mend it there.") from error

    def instruction(self, **fields):
        """What is asked, with the fields in their places.

        Raises:
            `ValueError`: If the file names a field that there is not.
        """
        return self._render(self._instruction, fields)

    def reminder(self, why):
        """What is said of an answer that can't be used.

        Raises:
            `ValueError`: If the file names another field.
        """
        return self._render(self._reminder, {"why": why})

    def _render(self, part, fields):
        try:
            return part.render(**fields)
        except jinja2.TemplateError as error:
            raise ValueError(
                f"The prompt {self.name} wants what there is not ({error}); it may name {', '.join(fields) or 'nothing'} there."
            ) from error
