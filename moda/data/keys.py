"""The keys of recipes: refused where they are not known, and read from the command line."""

import difflib


def check_keys(where, values, known):
    """Refuses keys that are not known, naming the nearest that is.

    Args:
        where (`str`): What the keys belong to, as it stands in the recipe.
        values (`dict`): The keys, with what they say.
        known (`set[str]`): Keys that may be there.

    Raises:
        `ValueError`: Of the first key that is not known.
    """
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), sorted(known), 1)
            meant = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(sorted(known)[:12])} …"
            raise ValueError(f"{where} has no key {key!r}; {meant}")


def number(value):
    """Reads `1e-3` as a number, wherever it stands; YAML takes it for text, since its floats need a dot."""
    if isinstance(value, dict):
        return {key: number(item) for key, item in value.items()}
    if isinstance(value, list):
        return [number(item) for item in value]
    if isinstance(value, str):
        try:
            return float(value) if value.lower().strip("+-0123456789.") == "e" else value
        except ValueError:
            return value
    return value
