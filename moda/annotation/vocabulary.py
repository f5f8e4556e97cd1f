"""The vocabulary of descriptions, by kinds: in lower case, singular or base form."""

# fmt: off
DESCRIBING = {
    "words of look and make": """
        accent access add addition adjust adjustable adult aesthetic age air airy ample analog anchor angle angora
        antique apparel appeal appealing appear apple applicator applique appropriate armhole aroma aromatic assorted
        asymmetric asymmetrical attach attire attractive audio autumn awning backdrop background backless bamboo banana
        bandhani bare basic batik bead beaded beam bear beautiful bed bend beneath best bifold big bird blade bloom
        blossom blur boast bodice bohemian boho bold bonded book border boxy bracket braid breast breath breathable
        breeze bright bring broad bubble build built bulb bunch bundle bunny cable cage capacity car cardboard carry
        cartoon carve cast cat catalogue cell center centre centred ceramic ceremony character cheek chequer chest chic
        chikan choice chrome chunky circle circular citrus city clean cleansing clear close closed cloth cloud coarse
        coil collarless collect collection color colored colorful colourblock combination combine come comfort
        comfortable compartment complement complete conceal concentric consist constructed construction contain
        container contemporary contrast contrasting convenient convertible cool core corner cosy count country cozy
        craft crease create creative crest crinkle crisp crochet cropped crossover crotch cube cubic curve cushioned
        custom cute cutout cycle cylinder cylindrical dainty damask dangle decal decor decorate decorated decoration
        decorative delicate demure denier depict depth designed detachable device diagonal diameter digital dinosaur dip
        display distress ditsy dobby dog double dragon drop dry dual duo durable earth earthy ease easy edge edgy
        effortless elastic elasticated elasticised elbow elegance elegant element elephant elevate elongated embellish
        embellished embellishment embossed embroider encircle enclosure end engraved enhance ensemble ensure entire
        envelope epaulette essential excellent exposed extend extended extra exude fabric facial fade fall family fancy
        fashion fashionable fasten favorite favourite feature featuring feel feminine fibre field figure film fine
        finish finished firm fish fitted fix flap flatter flattering flawless flexible float floor flow flowing flowy
        fluffy fluid flutter foil fold foldable foliage footbed form framed fray fresh friend friendly frill fruit
        fruity fullness fully fun function functional funky fuzzy gap gathering gem general generous gentle gently
        giraffe glass glossy good gorgeous gota gradient gray great greenish grid grip grommet groove ground guard
        guitar gusset handcrafted handle handmade handy hang hard hardware heart heavy heavyweight height hem hemline
        hexagonal hidden highlight hint hip hold hole hollow hood horizontal hue hug human hydrating ideal ikat image
        inch include indoor infant inlay insert inset inside inspired insulated intended intense interior interlock
        intricate inverted iridescent item jacquard jewel jewelry join joint jungle just kalamkari kangaroo kind knee
        knotted ladder laminated landscape large laser lasting layer layered leaves leheriya letter level lifestyle lift
        lightweight like line lion liquid lock look lot lotus love lovely lower lurex lush luxurious luxury machine
        magnetic main mandala mannequin map marble mark marker mary masculine match matt matte meant medallion medium
        micro microfibre mid middle midsole minimal minimalist modal model modern modest monkey monochromatic monochrome
        mood moon motif motorcycle mould moulded mountain mouth multicolored muscle music musk muslin narrow natural
        nature neat netted new nice notch notched notes nourishing number oblong octagonal odd offer ombre opaque open
        opening optical option orbit organza original ornament ornate outdoor outer outfit outing outline outward oval
        overall overlap overlock owl package packaging padded pair pajama palazzo pale pallu palm pane panel panelled
        paper partial paste patch patchwork path patterned pebbled peep perfect perforated perforation performance
        person petite photograph phulkari picot picture pigmented pile pineapple pint piping pique pixel place plackett
        plaited plane plant play player pleasant pleat pleated pointy polarised polarized pole polished polyamide
        polyurethane pom poncho poplin portable pose position practical precious premium press pretty primary product
        profile proportion protect protection protective provide pull punch push pyramid quality quick quilted quirky
        rabbit racerback ragged raglan raise raised range rattan ready rear rectangle refined reflective regal
        reinforced removable resistant retro reversible rhombus rib ribbon rich rigid ripstop rise robot rocket romantic
        roomy rope rounded row ruched ruching ruffle ruffled rugged rustic safe safety sail scale scallop scalloped
        scene scent script sculpted seal seam seamless seashell season seasonal seat secondary section secure self
        separate serene shaded shape shaped sharp sheen sheer sherpa sherwani shift shimmer shimmering shimmery shine
        shiny ship shirred shop showcase signature silhouette silicone simple size sized ski skull skyline slash sleek
        slender slight slightly slimming slit slope slot slouchy slub small smiley smock smocked smooth snap snowflake
        snug sober soft sole sophisticated sophistication spacious sparkling sparkly spectator sphere splash split
        squared stack stamp standard staple star starry statement stem stitch stitching stop storage stretch stretchable
        stretchy strip strong structure structured studded studio stunning sturdy styled styling stylised stylish
        subdued subtle suitable suited summer sunflower sunny super superhero support supportive surface sweet swirl
        swirling swirly symmetrical tactical tag tailored tall tapering tasselled tassels taste tech technical tencel
        terry terrycloth textile texture textured thigh tied tier tiered tight tile tilted timeless tiny tip tipped
        tipping tonal tooth topstitching torso tortoise tortoiseshell touch train transparent tread trees trendy
        triangular tribal trim trimmed trimming tropical true tubular tuck tuft tummy turn turndown turned twin twist
        twisted type understated undertone unique unit unlined unstitched urban useful vanity varied variety various
        vegetable vent ventilated versatile versatility vertical vibrant view vine vintage visible vivid volume
        waistband waistline wall wardrobe warm washed waterproof wave wavy wearable wearer weather weave webbing weight
        welt welted western whimsical wicking wide width winter wood wooden woody woolen word worn woven wrinkled yarn
        year youthful zari
    """,
    "colours and shades": """
        alabaster arctic bark beetroot berry bicolor bicolour bisque blond blonde brick brunette buff buttercup
        butterscotch cabernet cappuccino cardinal carmine carnation celadon cement cerise cerulean champagne chartreuse
        citron claret coal colorway colourway cork corn cornflower cranberry dun dusk fiery flame flamingo fluro glacier
        graphite grass greige gulf hunter icy iron ivy lagoon lava lead limestone mahogany maize marsala melon merlot
        milk mink moss mouse mulberry nectarine noir oat ocean ocher onion pacific paprika peacock peanut persimmon
        petrol pine polar poppy prune puce pumpkin putty russet sable sahara sandstone sangria savannah shrimp sienna
        silt spruce strawberry tawny thistle toffee tricolor tricolour tropic twilight ultramarine umber vanilla
        verdigris vermilion vermillion viridian watermelon wheat wisteria
    """,
}
# fmt: on
# Patterns, and what prints show; teams and makers have such names, too.
DRAWN = """
    abstraction aeroplane airplane alien alligator allover amoeba anime ant ape arabesque aran architecture arrowhead
    artwork astronaut astronomy autumnal aztec barcode basilisk basketweave beagle beast bee beetle bengal birch
    birdcage birdseye blob blot bouquet branch brushstroke bud bull bulldog bullseye bunting burger bus cabbage cacti
    cactus candlelight caravan caricature carousel carp cassette castle caterpillar cave chalk chariot cheetah
    chequerboard chick chihuahua chimpanzee circus clown cobra cobweb cockatoo collage comet comic compass confetti cook
    cookie corgi cosmic cosmos cow coyote crab crane crocodile crocus crow cub cupcake cupid dachshund daffodil dahlia
    dandelion deco deer delft demon devil dice donkey donut doodle doughnut dragonfly dreamcatcher drum duckling eagle
    egg elf emoji fairisle falcon feline firework flag fleck flora floret foliate fountain fox freckle frog frost galaxy
    garden garland gazelle gecko geo ghost gingerbread glen glenplaid globe goat goose gorilla graffiti graph
    grasshopper greek griffin grizzly gunclub hairline hamburger hamster handpainted handprinted hare harlequin hawk
    hedgehog hen heron hex hieroglyph hippie hippo hippopotamus honeycomb hoof horse horseshoe hummingbird husky hut
    hydrangea hyena icecream icon iguana insect intarsia island jaguar jellyfish jigsaw joystick kaleidoscope
    kaleidoscopic kite koala labrador labyrinth lamb landmark lemur lighthouse lightning lioness lizard llama lumberjack
    lynx macaw maple martini maze meadow medieval meow meteor mice milkmaid millefleur mistletoe mole monster moose
    mosque moth motorbike moustache mural mythical nailhead nautical nebula nest newsprint nightingale ninja nordic
    nouveau oak oasis octopus ogee orangutan orca ostrich otter pagoda paintbrush painterly palmette panda pansy panther
    parachute pelican penguin pheasant phoenix piano picnic pig pigeon piggy pinwheel pirate pizza planet pointillist
    pony poodle pop popcorn porcupine poster pretzel psychedelic pug pup puppy puppytooth puzzle python quatrefoil
    raccoon radio raindrop rainforest ram raven reef regimental reindeer reptile reptilian rhino rhinoceros river road
    rooster rosebud safari sailboat sailor salamander samurai sandcastle santa saxophone scorpion screenprint scribble
    scroll scrollwork seagull seahorse seascape shamrock shark sharkskin sheep shooting sketch skyscraper sloth snail
    snowman soldier space spaceship spade spaniel sparrow speckle spider splatter splodge spotty sprig squid squiggle
    squirrel stag starburst starfish stencil stork streak stroke sublimated sublimation submarine sunbeam sunrise sunset
    surfboard swan symbol tattersall tattoo taxi teddy tessellated tigress toad toon totem toucan tower toy traffic
    trellis triceratops trippy trophy truck tusk ufo unicorn universe van violin volcano vulture wagon wallpaper wasp
    watercolor watercolour waterfall whale wheel willow windmill windowpane wizard wolf woodland woodpecker worm yacht
    yak yeti zinnia zodiac
"""
# Words of praise, address and occasions, of which slogans are made, too.
TALK = """
    able abundance abundant accentuate accommodate accompany according accurate achieve acre actual adaptable additional
    address adhesive adorable adorn adornment affordable alike allow alluring alongside alternate alternative altogether
    amazing amid amidst amplify anatomic angular anniversary annual apart apparent appearance approx approximate april
    area aristocratic arrange array articulate artisan artisanal artistic artsy aside assemblage assemble asset
    astonishing asymmetry atmosphere atop attention attitude attract attribute august aura authentic authoritative
    available average avoid away awesome babygrow babywear bachelor backside badge baked bandi baraat barbecue bash
    beachside beefy begin bejeweled bejewelled believe belong beloved bespoke better bicep birthday bite bling bloke
    blunt bohemia bonding boost bosom boss brand brave breathability breathe bridal bridegroom bridesmaid brilliance
    bristle brother brunch bulge bulk bump burnish burnout buttock buyer calm campus candid captivate carefree caress
    carnival catch cause centimeter centimetre central ceremonial ceremonious certain change channel chap chaperone
    characterise cheap cheerful cheery chip chisel christening christmas church class clever client climate cling
    clubbed cohesive collapsible collarbone college colorfast colourfast commanding common commute compartmentalised
    compatible complex component compress compression concave concert conference confidence confident conical considered
    consistency conspicuous contact content continue continuous control conventional conversation convert corozo
    corrugated couple cracked crackle craftsmanship crawl crimp crosshatch crosswise cruise crumple crusher cubist
    cultural culture current curvaceous damp dandy dapper daring dash daughter daytime dazzle debonair decade december
    decent deepen define definite definition delicacy delight dense density depend deposit desirable desk despite
    develop diaphanous difference different diffuse dimension dimensional dimpled dinky dinner direct direction disc
    disco discreet disk distinct distinctive distinguish distribution divide divine dori dose dozen drama dramatic
    dramatically draw drawn dreamy drinks drippy drool dull dummy duotone dupion durability dynamic eager earthen
    eccentric eclectic eco ecofriendly economical efficient elaborate elongate emanate embrace emerge emit emphasis
    emphasise emphasize enclose energetic energy engineer enigmatic enjoy enrobe enticing environment equal equipped
    ergonomic esteemed ethereal ethically ethnicity eventually evergreen everlasting evident evoke exactly exceptional
    exclusive execs executive expand expansive expect expensive experience expert explorer expo expose exposure express
    exquisite external extraordinary extravagant extremely eyecatching fabulous fact failsafe fake famed fantastic
    fantasy fascinating fashionista fast fatigue favour feast featherlight february feisty femininity festoon fetching
    fete fibrous fierce fiesta final finesse fingertip flair flank flaunt flaw flick flippy flirt flirtatious floss
    flourish flurry focal focus following foreground forehead forward fragile freedom freehand frequent friday frothy
    furnish furry fuse future futuristic gadget gala garba generic gentlewoman gesture getaway getogether giant gig
    girlie glam glamorous glamour glance gleam glide glint glisten glorious goer goes got grace graduation gram gramme
    grandeur grandma grandmother granny granular grasp greet gritty groin grow grown gruff grunge guarantee guayabera
    guest guide haldi handcraft handiwork handsome hangout hardwearing harmonious harmony haze healthy heat heaven heft
    held help heritage hexagon hipster historic hit homecoming honest honeymoon host huge hung hush hybrid hygienic
    iconic idea identical illuminate illusion illustrate illustration immaculate impact impart impeccable impression
    impressive improve incorporate increase incredible indispensable individual indulgent industrial inlaid innovative
    inspiration install instantly instead insulate integrate interchangeable intermediate internal interplay interrupt
    intertwine intricacy intriguing introduce invert invisible inviting inward irregular irresistible jagged january
    jaunty jaw jawline jazzy jolly joy juicy july june junior juxtapose keen kilogram kindergarten king kitsch knuckle
    knurled kooky lactation lad laidback land languid lap lass lateral latkan lavish laze lean leave lecture left
    legendary legwarmer lend let leverage lie limb listing liter litre lively load local longevity lovingly lucent lucky
    lump luscious luxe luxuriant magic magical magnificent maid maintain maintenance majestic major manjistha manual
    march marriage masquerade mass massive maternity mature maximum meaning measure meet mellow melody melt memory
    mention merge messy method meticulous metre midriff midseason mil millimeter millimetre mimic mingle minor
    mismatched moderate modernity modish moist moment mommy monotone monsoon morning motion mount mouthwatering muffled
    mummy museum muted mysterious mystic mystical nagra naive near necessary need newborn newlyweds nifty nimble nip nod
    nonchalant noon normal nostalgia nostalgic noteworthy noticeable novelty november nuance nubby numerous nuptials
    nursery nursing obi object obtain obvious occasional occupy october offbeat olden oldschool ongoing opalescent
    openwork oppose opposite optimal optimum optional opulence ordinary oriented orthodox ostentatious ounce outdoorsy
    outgoing outlook outstanding ovate overlaid overlook overlying palatial pandan paperclip parallel passage passion
    passionate patience patio pea peaceful pebble peculiar pedestrian pelvis peppy percent percentage perfection
    perforate perimeter period perky permanent perpendicular persona personal personality picturesque pierced
    pigmentation pinch pivot plank playbook playground plaything playtime pleasure plentiful plenty pliable pliant
    plinth plumage poise polyresin poolside popular popularity posh positive possess possible potent pound prairie
    prayer precise precision predominantly prefer preppy preschool presence presentable preserve prevail prevent
    previous price pride prim primitive prior prism prismatic private prized produce profound prominent promise promote
    prompt proof prop protrude proud provenance pucker punk purchase purity purpose quaint queen quiet quintessential
    quite rad radial radiate rag rah random rare ravishing reach realistic reason rebel rebellious reception recessed
    recital recline recognise recommended recycled redefine reduce refer refinement reflect reflection regard register
    reinforce reinforcement relax relaxation reliable relief remain reminiscent render renew repeat repel repellent
    replace represent require resemble resilient resist resolute resort respond responsible rest restrained restraint
    result retain reunion reveal reversed rhythm rhythmic ridge rigged right risque robust rooftop rouse royalty rule
    rumpled sangeet sass saturate savvy sawtooth scatter scenic schoolwear scrunch sculpt sculptural secluded secret
    seductive seen select selection senior sensible sensual sensuous sentimental september serve settle sexy shot shown
    showstopper showstopping shrink siblings sideways sifter sightseeing signal simplicity singular sister sit situate
    slack slick slimline slow slumber smile snag snappy snazzy snip snuggle social soiree solidity solo solstice
    somewhat son sort soul spa spare specific spectacular speed spell spill spine spirit splendid splendour springtime
    sprinkle squish stabilise stability stable standout stark start startling state static stay steady stiff stiffened
    stipple stomach store straightforward strategic stress striking stroll student stylist subtlety successful suffused
    suggest suggestion suitability sultry summertime sumptuous sundowner sunhat sunken superb superfine superior supple
    sure surround sustain svelte swanky swap sway swish switch symmetry tactile tailbone tailor talented tame tangible
    taper tarnish teacher tease technique technology teen temper tempting tendril tension textural theatre thereabouts
    thoughtful thrill throat thushi tidy tireless toss tot total tough toughened touring tourist tousled trace tradition
    tranquil transform translucency trap treasure treat trend trendsetter trendsetting trick trickle trio triple triumph
    trusty try tune tween twinkle twirl typical ultimate ultra unadorned unassuming uncluttered uncomplicated underlying
    underneath understate uneven unfinished unfussy uni unify universal university unmistakable unusual upbeat upgrade
    uplifted uppermost upward usual utilitarian vague valentine value variant variation varsity vary vast veined veneer
    verdant vibe vibrancy vicious vigorous virtual visibility visitor vital vivacious vogue waft want warmth waxen
    wealth weatherproof weekday weigh whimsy whisper wholesome wicked widen wild windproof wintertime wintry wispy witty
    wonderful wore workplace workspace worth yard youth yuletide zany zappy zingy
"""
# Written with a capital, and no name of a maker.
PROPER = """
    afghan africa african afro aladdin alpine alsatian amazonian american anarkali andean android anglaise anglo
    antarctic april aquarius arabian arabic aran arctic argentine aries armenian asian assamese athenian atlantic august
    australian austrian awadhi aztec baisakhi bakelite balinese balkan baltic bandhan bangladeshi basque bauhaus
    bavarian bedouin belgian bengal bengali berber bermuda bhutanese bihari bihu blake bluetooth bodycon bohemian
    bollywood brazilian breton british buddha burmese byzantine californian cambodian canadian capricorn caribbean
    celtic ceylon chantilly chaturthi chauth chelsea cheviot chinese chinos christmas clubmaster colombian corinthian
    cossack croatian crombie cuban cubist czech danish deccan december deepavali diwali donegal durga dussehra dutch
    easter edwardian egyptian eid elizabethan english ethiopian european fair february filipino finnish flemish
    florentine french friday ganesh ganesha ganga ganpati gauri gemini georgian german goan gobelin goodyear gothic
    grecian greek guernsey gujarati gurkha guru halloween hanuman harrington hawaiian hellenic henley himalayan hindu
    holi hollywood hungarian icelandic inca incan indian indo indonesian iranian iraqi irish islamic isle italian
    ivorian jacobean jaipuri jamaican jane janes janmashtami january japanese jewish jodhpuri juliet july june kannada
    karva kashmiri kelvin kenyan kerala keralite kolhapuri konkani korean krishna lakshmi latin lebanese leo libra lohri
    lord lucknowi lurex lycra maharashtrian malay malayali maltese mandarin manila maori marathi marwari mary masai maya
    mayan mediterranean mexican monday mongolian moorish moroccan mughal muslim mysore nanak nato navajo navratri nawabi
    nehru nepalese nepali nigerian nordic norfolk norman norse norwegian november october odia om onam oriental oxford
    pacific paisley pakistani palestinian pan panamanian parisian parsi pathani patiala persian peruvian peter pisces
    polish polynesian pongal portuguese pratt prince provencal prussian pullman punjabi radha rajasthani rajput rakhi
    raksha ram renaissance richelieu rococo roman romanian russian sagittarius sai sanganeri sankranti santa saraswati
    saturday savile savoy saxon saxony scandi scandinavian scorpio scottish september serbian sherwani shiva siamese
    siberian sikh sindhi sita slavic south spandex spanish spartan sudanese sunday swedish swiss syrian tahitian
    taiwanese tamil tartar taurus teej teflon tencel texan thai thanksgiving thursday tibetan trojan tudor tuesday
    turkish tuscan tyrolean ugadi ukrainian uzbek valentine valentines velcro victorian viennese vietnamese viking virgo
    wales wednesday wellington welsh western windbreaker windsor xmas zardozi zulu
"""
