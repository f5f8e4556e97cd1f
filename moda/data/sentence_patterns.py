"""The patterns of the sentences that [`Wording`] writes.

A clause in brackets falls away when the row lacks what it says. Of several sentences, divided by "|", the first is written
that lacks nothing outside of its brackets.
"""

# Of the drawn catalogue. {look}: colour and pattern.
DRAWN_PATTERNS = (
    "{a} [{counted} ][{look} ][{unisex} ]{thing}[ for {people}][, made for {occasion}].",
    "{a} [{counted} ][{whose} ][{pattern} ]{thing}[ in {colour}][, made for {occasion}].",
    "{a} [{counted} ][{look} ][{unisex} ]{thing}[ for {people}][, suited to {occasion}].",
    "{a} [{counted} ][{whose} ][{look} ]{thing}[ for {occasion}].",
    "This is {a} [{counted} ][{whose} ][{look} ]{thing}[ for {occasion}].",
    "[For {occasion}: ]{a} [{counted} ][{whose} ][{look} ]{thing}.",
    "[In {colour}, ]{a} [{counted} ][{whose} ][{pattern} ]{thing}[ for {occasion}].",
    "Here is {a} [{counted} ][{whose} ][{pattern} ]{thing}[ in {colour}][, designed for {occasion}].",
)

# Of what is described for the first time, as in the captions of shops.
# {item}: "navy blue jeans", "perfume in a black bottle"; {styled_item}: "navy blue casual jeans". {piece} and {styled_piece}
# leave out the colour. {wear}: "casual wear", but not "travel"; {style}: "casual" of what is worn, {manner} of anything.
CAPTIONS = (
    "[{whose} ]{item}[ for {purpose}].",
    "{one} {styled_item}[ for {audience}].|{one} [{whose} ]{item}[ for {purpose}].",
    "{one} {manner} {item}[ for {audience}].|{one} {item}[ for {audience}][, right for {purpose}].",
    "{manner} {item}[ for {audience}].|{item}[ for {audience}][, good for {purpose}].",
    "{manner} [{whose} ]{piece}[ in {colour}].|[{whose} ]{piece}[ in {colour}][, good for {purpose}].",
    "[{whose} ]{styled_piece}[ in {colour}].|[{whose} ]{piece}[ in {colour}][, right for {purpose}].",
    "[For {audience}: ]{one} {item}[ for {purpose}].",
    "[For {audience}: ]{styled_item}.|[For {audience}: ]{item}[ for {purpose}].",
    "[For {purpose}: ]{one} [{whose} ]{item}.",
    "[For {purpose}, ]{one} {item}[ for {audience}].",
    "{wear} for {audience}: {one} {item}.|[For {purpose}: ]{item}[ for {audience}].",
    "{wear}: [{whose} ]{item}.|[For {purpose}: ][{whose} ]{item}.",
    "Something {style}[ for {audience}]: {one} {item}.|{one} {item}[ for {audience}][, fine for {purpose}].",
    "{item}[ for {audience}], {style} in style.|{item}[ for {audience}][, right for {purpose}].",
    "[{whose} ]{piece}[ in {colour}][, for {purpose}].",
    "{one} [{whose} ]{piece}[ in {colour}][, for {purpose}].",
    "{one} {styled_piece}[ for {audience}][, in {colour}].|{one} {piece}[ for {audience}][, in {colour}][, for {purpose}].",
    "{this} [{whose} ]{piece} {come} in {colour}[, for {purpose}].|{this} [{whose} ]{piece} {is} for {purpose}."
    "|{this} {is} [{some} ][{whose} ]{piece}.",
    "{this} {styled_piece} for {audience} {come} in {colour}.|{this} [{whose} ]{piece} {come} in {colour}[, good for {purpose}]."
    "|{this} [{whose} ]{piece} {is} for {purpose}.|{this} {piece} {is} for {audience}.|{this} {is} [{some} ]{piece}.",
    "{this} {styled_item} {is} for {audience}.|{this} [{whose} ]{item} {is} for {purpose}.|{this} {item} {is} for {audience}."
    "|{this} {is} [{some} ]{item}.",
    "{this} [{whose} ]{item} {work} well for {purpose}.|{this} {is} [{some} ][{whose} ]{item}.",
    "{this} {is} [{some} ][{whose} ]{styled_item}.|{this} {is} [{some} ][{whose} ]{item}[ for {purpose}].",
    "Here {is} [{some} ]{item}[ for {audience}][, good for {purpose}].",
    "{one} {item}[ for {audience}].[ Good for {purpose}.]",
    "{item}[ for {audience}]. {wear}.|{item}[ for {audience}].[ For {purpose}.]",
    "{one} {item} made for {audience}[, good for {purpose}].|{one} {item}[ for {purpose}].",
    "{this} {item} {is} made for {audience}[, with {purpose} in mind].|{this} {item} {is} made for {purpose}."
    "|{this} {is} [{some} ]{item}.",
    "{one} [{whose} ]{item}[ suited to {purpose}].",
    "[{whose} ]{piece}[ in {colour}][, meant for {purpose}].",
    "Designed for {audience}: {one} {item}[ for {purpose}].|{one} {item}[ designed for {purpose}].",
)

# Instead of a caption of one or two words, such as "A shirt."
WHOLE = "{this} {is} [{some} ][{whose} ]{item}[ for {purpose}]."

TEMPLATES = DRAWN_PATTERNS + CAPTIONS
DRAWN_TEMPLATES = len(DRAWN_PATTERNS)
