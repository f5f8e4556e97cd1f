"""From what a judge model answered to a verdict."""

from moda.data.loose_json import read_object

from .five import BINARY, Verdict


LISTS = {"colours": ("named", "missed"), "details": ("right", "wrong", "unverifiable")}
MOST_ITEMS = 60  # a longer list is a model that repeats itself
WORDS = {"true": True, "false": False, "null": None, "none": None}


def parse_verdict(text, row):
    """Reads a verdict from what a model answered: JSON, however it is wrapped and broken; see
    [`~moda.data.loose_json.read_object`].

    Args:
        text (`str`): The answer.
        row (`dict`): Metadata; what it lacks is excluded from the verdict, whatever the answer says.

    Returns:
        [`Verdict`]

    Raises:
        `ValueError`: If it holds no JSON object of the form that the prompt asks for, saying what is wrong with it.
    """
    return read_object(text, accept=lambda found: _as_verdict(found, row))


def _as_verdict(found, row):
    lists = {}
    for name, parts in LISTS.items():
        if not isinstance(found.get(name), dict):
            raise ValueError(f"The verdict's {name!r} is {found.get(name)!r}, not an object with {', '.join(parts)}.")
        for part in parts:
            values = found[name].get(part, [])
            if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
                raise ValueError(f"The verdict's {name!r}, {part!r}, is {values!r}, not a list of strings.")
            if len(values) > MOST_ITEMS:
                raise ValueError(
                    f"The verdict's {name!r}, {part!r}, has {len(values)} items; {MOST_ITEMS} is the most."
                )
            lists[part] = list(dict.fromkeys(value.strip().lower() for value in values if value.strip()))
    for one, other in (("named", "missed"), ("right", "wrong")):
        both = sorted(set(lists[one]) & set(lists[other]))
        if both:
            raise ValueError(f"The verdict has {both[0]!r} both among {one!r} and {other!r}.")
    binary = {}
    for name, column in BINARY.items():
        value = found.get(name, "absent")
        value = WORDS.get(value.lower(), value) if isinstance(value, str) else value
        if value is not None and not isinstance(value, bool):
            raise ValueError(f"The verdict's {name!r} is {value!r}, not true, false or null.")
        binary[name] = bool(value) if row.get(column) else None  # null where it is known: the sentence does not say
    colours = len(lists["named"]) + len(lists["missed"]) if row.get("baseColour") else 0
    return Verdict(
        colours_right=len(lists["named"]) if colours else 0,
        colours=colours,
        **binary,
        details_right=len(lists["right"]),
        details=len(lists["right"]) + len(lists["wrong"]),
        unverifiable=len(lists["unverifiable"]),
        read={"baseColour": lists["named"], "details": lists["right"] + lists["wrong"] + lists["unverifiable"]},
        wrong=lists["wrong"] + [f"does not name {colour}" for colour in lists["missed"]],
    )
