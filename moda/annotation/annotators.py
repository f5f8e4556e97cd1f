"""Who describes and who refines: a model behind an endpoint, a local one, or the metadata themselves."""

from dataclasses import dataclass
from typing import Any

from moda.data.endpoint import Endpoint

from .metadata import MetadataAnnotator
from .prompts import Prompt
from .recipe import LOCAL_FIELDS, check_licence


FIELDS = {"describe": (), "refine": ("draft", "metadata")}  # what a step's prompt may name


@dataclass
class Annotator:
    """Who annotates in one step.

    Args:
        back_end: With `ask_all`, as [`Endpoint`] has it.
        identity (`dict`): `kind`, `model`, `revision`, `licence`, `parameters`: who it is, for the record. No secret, no path.
        prompt ([`Prompt`], *optional*): What it is asked; `None` for one that gets the record itself.
        attempts (`int`): How often it may try.
    """

    back_end: Any
    identity: dict
    prompt: Prompt | None
    attempts: int

    def depends_on(self):
        """All that its answers depend on."""
        prompt = self.prompt and [self.prompt.name, self.prompt.sha256]
        return {"annotator": self.identity, "prompt": prompt, "attempts": self.attempts}

    def known(self, request):
        """The answer that it gave before, or `None`."""
        return self.back_end.known(request) if self.prompt else None


def open_annotator(step, settings, wording, answers, accepted=(), seed=0):
    """Opens a step's annotator. Its licence is looked at first.

    Args:
        step (`str`): `"describe"` or `"refine"`.
        settings (`dict`): The recipe's, checked.
        wording ([`Wording`]): Of the catalogue, for sentences from metadata.
        answers (`Path`): Folder for the answers of models.
        accepted (`Sequence[str]`, *optional*): Licences beside the permissive ones.
        seed (`int`, *optional*, defaults to 0): Of the sentences from metadata.

    Returns:
        [`Annotator`]

    Raises:
        `ValueError`: If the licence is unknown or not accepted, or the model can't be opened.
    """
    kind = settings["annotator"]
    if kind == "metadata":
        writer = MetadataAnnotator(wording, seed)
        return Annotator(writer, writer.identity, None, 1)
    model, licence, prompt = settings["model"], settings["licence"], Prompt(settings["prompt"])
    prompt.instruction(**dict.fromkeys(FIELDS[step], "")), prompt.reminder("")  # what is wrong with it is told now
    if kind == "local":
        from .local import load_local  # transformers takes seconds to import
        from .weights import licences_of

        found = licences_of(model, settings.get("adapter"), settings.get("revision"))
        if licence:
            check_licence(step, model, licence, accepted)
        for whose, stated in found.items():  # what a card says counts, whatever the recipe says
            check_licence(step, whose, stated or licence, accepted)
        licence = licence or found[model]
        options = {name: settings[name] for name in (*LOCAL_FIELDS, "revision") if name in settings}
        back_end = load_local(model, max_new_tokens=settings["max_tokens"], cache=answers, **options)
        identity = {**back_end.identity, "licence": licence}
    else:
        check_licence(step, model, licence, accepted)
        names = ("key_from", "parallel", "requests_per_minute", "retries", "timeout", "revision")
        options = {name: settings[name] for name in names if name in settings}
        parameters = {"max_tokens": settings["max_tokens"], **settings.get("parameters", {})}
        back_end = Endpoint(kind, model, cache=answers, **options, **parameters)
        identity = {
            "kind": "endpoint",
            "model": model,
            "revision": settings.get("revision"),
            "host": back_end.host,
            "parameters": back_end.parameters,
            "licence": licence,
        }
    return Annotator(back_end, identity, prompt, settings["attempts"])
