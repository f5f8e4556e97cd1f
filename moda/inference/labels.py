"""The labels of an attribute, as sentences of a MODA say them."""


def attribute_labels(attribute, values=None):
    """The labels of an attribute as a MODA that learnt from metadata says them.

    Args:
        attribute (`str`): `"articleType"`, said behind the gender, or `"baseColour"`, said first.
        values (`Iterable[str]`, *optional*): The catalogue's own. Defaults to those of the drawn catalogue and of Kaggle's.

    Returns:
        `dict[str, list[str]]`: Of each value ways in which sentences about it begin, for [`~moda.inference.classify.classify`] with `complete=False`.

    Raises:
        `ValueError`: For any other attribute.
    """
    from moda.data.kaggle_words import KINDS, SHADES
    from moda.data.word_forms import inflector
    from moda.data.wording import Wording
    from moda.data.words import ARTICLE_WORDS, COLOUR_WORDS

    known = {"articleType": (*ARTICLE_WORDS, *KINDS), "baseColour": (*COLOUR_WORDS, *SHADES)}
    if attribute not in known:
        raise ValueError(f"attribute is {attribute!r}; choose one of {', '.join(known)}.")
    values = list(known[attribute] if values is None else values)
    wording = Wording({attribute: values})
    if attribute == "baseColour":
        said = {value: wording.words[attribute][value] for value in values}
        ways = {value: [f"{inflector().a(word)}", f"a pair of {word}"] for value, word in said.items() if word}
    else:
        ways = {}
        for value in values:
            article = wording.articles[value]
            # "in" closes the label: a kurta is no kurta set.
            ways[value] = [
                " ".join(word for word in ("a", article["unit"], whose, article["phrase"], "in") if word)
                for whose in ("men's", "women's")
            ]
    return {value: [way[0].upper() + way[1:] for way in said] for value, said in ways.items()}
