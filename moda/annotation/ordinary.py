"""Ordinary words of product descriptions: in a title or in capitals they are no name, and a sentence of them is English."""

import functools
import re
import unicodedata

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from moda.data.synonyms import WORDS


# In lower case, singular or base form; -s, -ed, -ing, -er, -y and -ly are understood.
DESCRIBING = """
    abstract accent access accessory active add adjust adjustable adult aesthetic age air airy ample analogue angle animal
    ankle antique any apparel applique appeal arch argyle arm armhole artificial asymmetric asymmetrical attach
    attire attractive audio autumn awning baby back backless backpack bag balance band bare bar base basic bead beaded beam
    beautiful bed beige belt bend beneath best big bird blade bleach blend block bloom blossom blur board body bold bone bonded
    book border bottle bottom bow box boxy bracket braid brass breast breath breathable breeze bridge brief bright brim
    broad brocade brush brushed bubble buckle build built bulb bunch bundle butterfly button cable cage calf camouflage can
    canvas cap capacity cardboard care cargo carry cartoon carve case cashmere cast casual catalogue cell centre centred ceramic chain
    chambray character charm check checked checkered chequered cheek cherry chest chevron chic chiffon child chino chunky chrome
    circle circular clasp classic clean clear cleat clip close closed closure cloth clothes clothing cloud coarse coat coil
    coin collar collect collection collarless colour colourblock colour-block column combination combine comfort comfortable
    comfy compact compartment complete conceal concentric consist constructed construction contemporary contain container contour
    contrast contrasting convenient convertible cool cord corduroy core cork corner corset cosmetic cotton count country cover
    coverage cozy cosy craft crease create creative crepe crest crew crinkle crisp crochet crop cropped cross crossover crotch
    crown crystal cube cuff cup curve cushion cushioned custom cut cute cutout cut-out cycle cylinder cylindrical daily
    dainty damask dark day decal deck decor decorate decorated decoration decorative deep delicate demure denier denim
    depict depth design designed detachable detail device diagonal dial diameter diamond digital dip display distress distressed
    ditsy dobby dot dotted double down drape drawstring dress drop droplet dry dual duo durable dye each ear earth earthy ease
    easy edge edgy elastane elastic elasticated elasticised elbow elegance elegant element elevate elongated embellish
    embellished embellishment embossed embroider embroidered embroidery enamel enclosure encircle end engraved enhance
    ensemble entire envelope epaulette essential even event everyday excellent exposed extend extended extra eye eyelet fabric
    face facial fade faded fall family fancy fashion fashionable fasten fastener fastening faux favourite feather feature
    featuring feel felt feminine fibre field figure filigree fill film fine finger finish finished firm fish fit fitted
    fix flap flare flared flat flatter flattering flawless fleece flexible float floor floral flow flower flowing flowy fluffy
    fluid flutter foam foil fold foldable foliage foot footbed form formal four frame framed fray free fresh frill fringe front
    fruit full fullness fully fun function functional funky fur fuzzy gap garment gathered gel gem gemstone general generous gentle
    gently geometric gift girl glass glitter gloss glossy glow goggle golden good gown gradient grain graphic great grid grip
    groove grommet ground guard gusset hair half halter hammered hand handcrafted handle handmade handy hang hanging hard hardware
    harness have heart heathered heavy heavyweight heel height hem hemline henley hexagonal hidden high highlight hint hip hold
    holder hole hollow hook hood hooded hoop horizontal hour house hue hug human ideal image include indoor infant inner
    inlay insert inset inside insole inspired insulated intense interior interlock intricate inverted iridescent item jacquard
    jersey jewel jewellery join joint kangaroo keep keyhole kid kit knee knit knitted knitwear knot knotted lace laced lace-up
    lacquer ladder laminated lantern lapel large laser lattice layer layered leaf leather leatherette leaves leg length lens letter
    level lid life lift light lightweight line lined linen lining link lip liquid little lock logo long look loop loose lot
    low lower luggage lush lustre luxurious luxury lycra machine made magnetic main make makeup mandala mandarin map marble marker
    mark mask match material matt matte medallion medium mesh metal metallic micro microfibre mid middle midi military mini
    minimal minimalist mirror mirrored mix mixed mobile modal model modern modest moisture monochromatic monochrome mood moon
    mosaic mother motif mould moulded mountain mouth movement multi multicolour multiple muscle muslin nail narrow natural nature
    neat neck neckline neon net netted neutral new night nose notch notched number nylon oblong occasion octagonal odd office
    ombre one opaque open opening optical option orbit organic organiser original ornament ornate outdoor outer outerwear outfit
    outline outsole outward oval over overall overlap overlay overlock oversized pack package packaging pad padded padding
    pair paisley palm pane panel panelled paper part partial party paste pastel patch patchwork patent path pattern
    patterned peak pearl pebbled peep pencil pendant perfect perforated perforation performance person petal petite photo
    photograph picot picture piece pile pin pinstripe pinstriped pint pintuck piping piqué pique pixel plackett placket plaid plain
    plaited plant plastic plate plated platform play player pleasant pleat pleated plush pocket point pointed pointy polarised
    polarized pole polish polished polo polyester polyurethane pom poncho poplin portable pose position pouch pouf powder power
    practical precious premium press pretty primary print printed product profile proportion protect protection protective pull
    pullover puff puffed puff-sleeved punch pure push pyramid quality quarter quartz quick quilt quilted quirky racerback rack
    ragged raglan rain raise raised range raw rayon ready rear rectangle rectangular reflective regular reinforced relaxed removable
    resin resistant retro reversible rhinestone rhombus rib ribbed ribbon rich rigid rim ring ripped ripstop rise rivet roll rolled
    romantic roomy rope rose rosette round rounded row rubber rubberised ruched ruching ruffle ruffled rugged running rustic safe
    safety sail satin scale scallop scalloped scene school scoop screen script sculpted seal seam seamless season seasonal seat
    seashell secondary section secure see-through seed self semi separate sequin serene set shade shaded shadow shape shaped shawl
    sheen sheer sheet shell shift shimmer shimmering shimmery shine shiny shoe shop short shoulder show side signature
    silhouette silicone silk silky simple single size sized skate skater ski skin skinny skull slash sleek sleeve sleeved sleeveless
    slender slight slightly slim slim-fit slimming slingback slip slit slogan slope slot slouchy slub small smart smock smocked
    smooth snake snap snowflake snug sober soft sole solid sophisticated sophisticated spacious spaghetti spandex sparkle
    sparkling sparkly spectator sphere splash split sport spot spotted spray spread spring square squared stack stacked stainless
    stamp stand standard star starry statement steel stem stitch stitched stitching stone stop storage straight strand strap strapless
    strappy straw street streetwear stretch stretchable stretchy string strip stripe striped strong structure structured stud studded
    studio stunning sturdy style styled styling stylised stylish subdued suede subtle suit suitable suited summer sun sunny super
    support supportive surface sweat sweep sweet sweetheart swirl swirling swirly symmetrical synthetic tab table tablet
    tactical tag tailored tall tapered tapering tasselled tassel taste team tech technical terry textile texture textured thick
    thigh thin thread three-quarter through tie tied tier tiered tight tile tilted timeless tint tinted tip tiny tipped tipping toe
    toggle tonal tone toned tooth top topstitching torso tortoise tortoiseshell touch towel track traditional trail
    transition translucent transparent travel tread trekking trendy trees triangle triangular tribal trim trimmed trimming tropical
    true tube tubular tuck tuft tulle tummy turn turned turndown turn-down turtleneck twill twist twisted twin two two-tone type
    unique unit unlined unstitched upper urban use useful v-neck vanity variety various varied vegetable vegan velcro velvet vent ventilated
    versatile vertical vest vibrant view vintage viscose visible vivid volume waist waistband waistline wall warm wash washed watch
    water waterproof wave wavy wax wear wearable wearer weather weave webbing wedge weight welt welted western whimsical
    wicking wide width wind wing winter wire wood wooden wool woollen word work worn woven wrap wraparound wrinkled wrist yarn
    year yoke young youthful zardozi zari zigzag zip zipper zippered zip-up
    acrylic alloy angora bamboo batik block-print boat boho bohemian box bandhani bodice boyfriend casing chikan chikankari chequer
    cigarette clog crisscross cross-body cubic dangle dial drop-shoulder flannel georgette gingham gota ikat kalamkari khadi
    herringbone houndstooth leheriya leopard lurex marl melange midsole mary mulberry neoprene ottoman organza paisley panama peplum
    phulkari polka poly polyamide poncho raffia rattan sherpa shirred tartan tassels tencel terrycloth tiger tweed twill zebra zircon
    zirconia floral-print animal-print athletic leisure lifestyle gathering celebration festive function ceremony
    fragrance scent spray notes aroma aromatic citrus woody musk vanilla spicy fruity moisturising nourishing cleansing
    hydrating lotion cream jar pump tube applicator pigment pigmented shimmer nude lasting creamy matte lipstick eyeliner
    cuff bangle stone pearl drop hook kundan meenakari filigree jhumka floral-shaped heart-shaped teardrop oval-shaped
    dog cat bear lion elephant owl rabbit bunny monkey dinosaur dragon robot rocket car bike motorcycle train plane ship boat
    guitar music skull anchor palm sun sky sea ocean beach forest jungle landscape city skyline face hand eye cross wing
    feather leaf vine rose daisy sunflower lotus tulip cherry strawberry banana pineapple apple
    pale background backdrop mannequin meant intended peacock giraffe sharp masculine gorgeous lovely nice staple palette assorted
    appropriate showcase choice come go wrinkle elegant regal sherwani greenish tuxedo palazzo bifold oxidised polycarbonate
    undertone inch color colored colorful multicolored gray jewelry pajama favorite center woolen color-block tassel
    pallu apron superhero love kind pack show appear place bring complement suitable tan friendly resistant analog just like ideal
    smiley friend staple charm appealing addition ensure offer provide boast exude effortless touch wardrobe weekend
    crisp understated refined polished sophistication comfort versatility elegance everyday outing meeting work
"""
# Written with a capital, and no name of a maker.
PROPER = """
    africa african aladdin american anarkali arabic asian aztec balinese bengal bermuda bohemian bollywood breton british bodycon caribbean
    celtic chantilly chelsea chinese chinos christmas cuban diwali easter eid egyptian english european fair isle french
    gujarati halloween hawaiian henley holi indian indo italian jaipuri japanese jodhpuri juliet kashmiri kolhapuri lucknowi
    lycra mary jane janes mandarin mexican moroccan mughal navratri nehru nordic norwegian oxford oriental paisley patiala persian
    peter pan prince wales punjabi rajasthani richelieu roman sanganeri scottish spandex swiss tencel thai turkish valentine valentines
    velcro victorian western wellington windsor windbreaker zardozi monday tuesday wednesday thursday friday saturday sunday
"""
# Ordinary words of which fashion's makers made names: where the title has them and the sentence does not speak of the thing.
NAMES = frozenset(
    "arrow basics catwalk champion classics coach columbia connection diesel dreams elements essentials fossil gap gas guess image jockey "
    "lee levis locomotive machine mango nation only originals police roots sepia spice statements tantra tape times titan vans".split()
)
# Makers, teams and leagues whose names are no ordinary words; others are found by the title or by their capital.
FAMOUS = frozenset(
    "abercrombie adidas allensolly arsenal asics aurelia balenciaga barcelona bata benetton biba billabong birkenstock bmw budweiser "
    "burberry burton calvin casio chanel cocacola converse crocs decathlon diadora dior disney dkny dolce domyos ducati espn esprit "
    "fabindia fastrack fcuk fendi ferrari fifa fila gabbana garnier givenchy gucci hanes harley hermes hilfiger hollister hyundai "
    "jansport juventus kappa kipling klein lacoste lakers lakme lamborghini lavie lego levis liverpool loreal lotto "
    "manchester marvel maybelline mercedes microsoft mlb motorola mufc nascar nba netflix neutrogena nfl nhl nike nivea oakley olay "
    "patagonia pepsi playboy porsche prada provogue puma pumas quechua quiksilver ralph rayban reebok revlon rolex roxy salomon "
    "samsonite samsung scullers seiko skechers skybags slazenger sony spalding speedo spykar superdry swarovski swatch timberland "
    "timex titleist tommy toyota tumi ucb uefa umbro uniqlo versace vuitton wildcraft wrangler yamaha yankees zara".split()
)
FAMOUS_CAPITAL = frozenset(
    "Apple Champion Coach Columbia Diesel Fossil Guess Lee Mango Titan Vans Woodland Clarks Only Gap".split()
)
ENDINGS = ("s", "es", "ed", "d", "ing", "er", "r", "y", "ly", "ies", "like")


WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


@functools.lru_cache(maxsize=65536)
def plain(word):
    """A word without capitals, accents and the possessive, as words are compared."""
    word = unicodedata.normalize("NFKD", re.sub(r"['’](?:s|S)?$", "", word)).casefold()
    return "".join(filter(str.isalnum, word))


def _words():
    known = {word for word in ENGLISH_STOP_WORDS if len(word) > 1 or word in "ai"}
    known |= {plain(word) for word in WORD.findall(DESCRIBING)}
    for table in WORDS.values():
        for values, words in table.items():
            known |= {plain(word) for word in WORD.findall(f"{values} {words}")}
    return frozenset(known)


KNOWN = _words()
PROPER_WORDS = frozenset(PROPER.split())


@functools.lru_cache(maxsize=65536)
def is_ordinary(word):
    """Whether a word, in whatever form, is one that describes products.

    Args:
        word (`str`): One word without hyphens.

    Returns:
        `bool`
    """
    word = plain(word)
    return not KNOWN.isdisjoint((word, word + "s")) or any(
        word.endswith(ending) and (word[: -len(ending)] in KNOWN or word[: -len(ending)] + "e" in KNOWN)
        for ending in ENDINGS
        if len(word) - len(ending) >= 3
    )
