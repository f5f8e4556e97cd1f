"""The vocabulary of goods and their parts, by kinds: in lower case, singular or base form."""

# fmt: off
GOODS = {
    "fabrics, weaves and leathers": """
        aertex alpaca anglaise armure astrakhan baize barathea bemberg bengaline berber boucle broadcloth brocade
        broderie buckram bullskin burlap calf calfskin calico cambric candlewick cavalry cellulose cheesecloth chenille
        cloque coir cordura cowhide crepon crushed cupro deerskin dimity doeskin drill duchess duck duvetyn elastodiene
        enzyme faille flax foam foulard gabardine garment gauze goatskin gossamer grosgrain gunny habotai handloom
        handspun handwoven hemp hessian hide homespun hopsack huckaback interfacing interlining kersey kidskin lambskin
        lame latex lawn leatherite lisle loden loopback madras marabou matelasse melton mercerised mercerized microfiber
        microsuede milanese modacrylic mohair moleskin mousseline mul mulmul nainsook nankeen napa napped neoprene
        oilcloth oilskin organdie ottoman pashmina patola pelt percale pigskin pima pina pinpoint pleather plisse plush
        pointelle polycotton polyfill polypropylene pongee ponte preshrunk ramie ripple rubberized sackcloth saffiano
        sailcloth sanforised sanforized sateen scuba seersucker serge shagreen shantung shearling sheepskin shetland
        softshell supima surah swiss taffeta taslan terylene thermoplastic toile tricot tricotine tumbled tussah tusser
        velour velveteen venetian vicuna vinyl viyella voile wadding waffle warp weft whipcord worsted
    """,
    "crafts, weaves and embroideries of India": """
        aari abhla achkan ajrakh ambi angrakha badla bagh bagru balochi banarasi bandhej banjara bavan benarasi
        bhagalpuri bhuj buta buti butta butti chanderi chinon chunri crewel cutwork dabka dabu dhakai dhoop doria gadwal
        gamcha gamthi gara gharchola gotapatti gulab himroo ikkat jaal jaali jaipur jaipuri jali jamawar jamdani jardosi
        jodhpur kadhai kalamkaari kamdani kanchipuram kanjeevaram kanjivaram kantha karchobi kasavu kashida kashmir
        kasuti katha kathiawari khari khun kinari kota kutch kutchi lambani lehriya lucknawi lucknow madhubani
        maheshwari mangalgiri manipuri mashru mirrorwork muga mughal mukaish mysore narayan narayanpet nawabi paithani
        parandi parsi pattachitra phool pichwai pittan pochampally rajputana resham rogan sambalpuri sanganer shibori
        sippi sozni sujani sungudi suzani taant tanchoi tangail tant tepchi tissue tukdi uppada varanasi venkatagiri
        warli zardoshi zardosi zardozi zarkan
    """,
    "garments, ethnic and western": """
        abaya anarkali angarkha balconette balcony ballgown barmuda basque beachwear bib blouson bootee bottomwear
        boyleg bralet breeches bridalwear buba burqa caftan cagoule cape capelet caplet cardi chador chaniya chappal
        cheongsam chesterfield choga chubby coatigan coordinate coverall culotte cummerbund cutoff dashiki dastar demi
        dhoti diaper dirndl dolman dungaree gaberdine garara gharara ghunghroo ghungroo guernsey habit harem hijab
        hotpant jama janeu jerkin kaftan kediyu kerchief khussa kilt kimono langot layette leotard loincloth longline
        loungewear lungi macintosh maillot mekhela midi mini minimiser minimizer mojri mundu nappy negligee outerwear
        paduka pagri pakol pallav panjabi pantsuit pareo pathani pelmet petticoat pheran pinafore plunge poshak puffa
        puttee rashguard resortwear saafa safa salopette sarong sehra shacket sharara sheath shirtdress shirtwaist skort
        sleepshirt sleepsuit slipdress snood snowsuit spencer streetstyle surcoat swaddle sweatpant sweatsuit swimdress
        tabard tailcoat tankini thermal thikhana thobe topcoat topi topwear trousseau turban tutu twinset ulster
        underpant undershorts uniform vestee vneck wetsuit
    """,
    "cuts, silhouettes and parts of garments": """
        acid antifit armpit backstitch baggie baggy bandolier basket batwing bias bishop blanket bleach boatneck bodycon
        bodywarmer bouffant bullion busk bust buttonhole camp carrot cascade chin cigarette cinch clavicle cocoon column
        comfy concertina coverstitch crescent crewneck crinoline cross dart deconstructed dickey dolphin drainpipe
        drawcord empire feather fishtail flange flatlock floorlength flounce fly forearm gape gathered gauntlet godet
        gore grandad grandpa handkerchief handstitched hobble hourglass inbuilt inseam instep interfaced jabot kick
        kneelength knife knot lantern lappet leggy lettuce lockstitch lug mermaid mitred muffin mullet mutton nape navel
        neckband neckpiece offset overlay paperbag peasant peek pegged petal pierrot pintuck placement poet pouffy pussy
        pussybow rinse ripped rollneck rouleau roulette ruche rucked rucks ruff saddle sandblasted sash scraped selvage
        selvedge shank shirring shorten shoulderpad shredded shrunk skim slant sleevelets slouch spaghetti spiral splice
        stirrup stonewash storm stovepipe strappy strapwork string swallow swing tail tassel tent thumb thumbhole tieup
        topstitch trapeze triangle trumpet tulip tuxedo tying tyre underarm underbust undercut underlay underwire volant
        voluminous watteau whipstitch whisker wiggle windowed wing wrapover yoke
    """,
    "shoes and their parts": """
        aglet almond anatomical antiskid apron arch bar barefoot blister blucher bootleg bounce chelsea chukka cowboy
        creeper crisscross cuban cupsole desert dorsay eyelet flipflop foot forefoot galosh ghillie grippy gum gumboot
        heelcup hightop hindfoot hitop huarache insock jelly kneehigh lowtop midfoot moc mule nonslip orthopaedic
        orthopedic outsole peeptoe penny pinhole rearfoot rebound rocker rubberised sabot scuff shoetree sidewall
        skidproof slingback slipon snub sockette spat spike spool spring squoval swoop tab tbar toe toebox toecap
        toepost tongue toplid topline traction tractor upper vamp vulcanised vulcanized walker wallabee wellington
        whippet wingtip winkle winklepicker
    """,
    "jewellery, stones and metals": """
        agate alexandrite aluminium aluminum amber amethyst anklet aventurine baali baguette bajuband bali barbell
        baroque bezel bichiya bichua bijou bindi birthstone borla bormal brilliant briolette brooch bugadi bugle
        byzantine cabochon cameo carat carnelian cartouche cellini chandbali chandelier charm chooda choora chura
        citrine claw cloisonne cluster collet corundum cowrie curb czech diadem diamante diamond diya dokra dome earcuff
        eardrop engagement etched eternity facet feroza figaro filigree freshwater garnet gemstone german girandole
        goldtone granulation guilloche guttapusalu gypsum haar haath halo hammered hasli hathpanja hathphool heishi
        helix hematite herringbone hinge howlite huggie infinity iolite jadau jarkan jasper jhoomar jhumki jumka kaan
        kamarband kamarbandh kamarpatta kanthi kara karan kundan kyanite labradorite lac lakh lapis lariat larimar
        lattice laxmi lazuli lever leverback lobster maang magnet magnetite malachite mang marcasite marquise matha
        mathapatti matinee meena meenakari minakari moissanite moonstone mop mosaic nacre nath nathni navaratna navratan
        necklet nickel niello nose nugget obsidian omega opal opera organic oxidised oxidized paasa paddle pasa passa
        patina pave payal pearlescent pendulum peridot periwinkle pewter piercing platinum polki prong pyrite quartz
        quartzite raani rakhi rani rhinestone rhodium rivet riviere rondelle rosegold rudraksha rutilated sapphire
        satlada sautoir scarab scepter seedbead signet silvertone solitaire spessartine spinel sterling strand sunburst
        sunstone tanzanite teardrop temple thewa thread tiara tigereye tika tikka tikli titanium toering toggle topaz
        torque torsade tourmaline trillion trinity tungsten vaddanam vanki vermeil vilandi waistchain wax wire wishbone
        zinc zircon zirconia zirconium
    """,
    "watches": """
        accuracy alarm analogue aperture arabic auto automatic backlight backlit balance barrel baton bevel
        bidirectional butterfly calendar caliber calibre carriage caseback cathedral chapter chrono chronometer clock
        clockwork complication countdown cronograph crown crystal cyclops date dauphine daydate deployant deployment
        dial dive driver escapement exhibition flieger fluted gilt gmt grand hairspring handset hesalite hour index
        indices jubilee jumbo kinetic lancet leaf lollipop lozenge lume luminescent luminosity luminous magnifier
        magnifying maltese mechanical meter minute moonphase movement nato oyster pedometer perpetual pilot pip power
        president pressure pulsometer pushbutton railroad railway rally regatta regulator reserve resistance retrograde
        roman rosetone rotate rotor scratchproof screw second skeleton snooze solar stopwatch subdial subsidiary sunray
        sweep sword syringe tachometer tachymeter tachymetre telemeter tick timekeeping timer timezone tonneau tonneaux
        totaliser touchscreen tourbillon tritium tritone twotone unidirectional world worldtime zulu
    """,
    "eyewear": """
        anti antifog antiglare arm aviator bayonet bifocal bridge browline cateye clubmaster demo eyeglasses eyepiece
        flash fog glare goggle havana horn hydrophobic lens lorgnette monocle navigator nosepad oleophobic ophthalmic
        optic pad panto photochromatic photochromic plano polarisation polarization polaroid polycarb prescription
        progressive rectangular rim scratch shade shield smoke specs spectacle supra tint transition ultraviolet vision
        wayfarer wraparound
    """,
    "cosmetics, care and scents": """
        acne aftershave agent alcohol algae allantoin allergen allergy aloe alpha alta ambergris amla ammonia anise
        antioxidant argan astringent atomiser atomizer avocado babassu balsam base basil beeswax benzoin bergamot beta
        blackcurrant blackhead blemish bodycare bourbon brow caffeine cajeput cake calendula camphor caramel caramelised
        cardamom castor cedar cedarwood ceramide chamomile cica cinnamon citronella civet clarifying clay clove coconut
        collagen colorant colourant complexion conditioner contour coriander corrector coumarin coverage creme cruelty
        cucumber curcumin curl cuticle cypress dab dandruff daub derma dermatological dermatologist detangle dewy
        dimethicone dispenser droplet duochrome elixir emollient emulsion enrich essence eucalyptus exfoliant exfoliate
        exotic extract eyebrow eyelash eyelid fern fig flacon flake formula formulate fougere frangipani freesia
        galbanum gardenia geranium ginger ginseng glaze glitter gloopy glow glycerin glycerine glycolic gourmand
        grapefruit greasy guava hairbrush haircare hairdryer hairspray handwash hazel heliotrope henna herb herbal
        hibiscus honey honeysuckle hyacinth hyaluronic hydrant hydrate hydration hypoallergenic incense infuse
        ingredient intensive iris jasmin jasmine jojoba juniper kaolin keratin kojic kumkum lactic lanolin lash lather
        lemongrass licorice lightening lily linseed lipbalm lipcolour liposome liquorice litchi lustre lychee magnolia
        manicure marigold marine marula massage mattified mattifying mehendi mehndi menthol micellar mimosa mitti
        moisture moisturizer mousse mud multani multivitamin muskmelon myrrh myrtle narcissus neem neroli niacinamide
        nib noncomedogenic nontoxic nourish nutmeg oakmoss odor odour oil ointment olibanum opulent orchid orris
        osmanthus oud oxide palette panthenol papaya paraben paraffin patchouli pedicure peony pepper peppermint peptide
        petitgrain petrolatum petroleum pigment pimple plump pomade pomegranate pore potion prime protein purifying
        radiance radiant raspberry razor refill refine refresh rejuvenating repair replenishing retinol retractable
        rollerball rosehip rosemary rosewater rosewood rouge rough sachet saffron sage salicylic salon salt salve
        sandalwood scalp seaweed sebum sensitive sesame shampoo shaver shea shikakai sindoor skincare smear smudge
        smudgeproof soap soothe soy sparkle spatula spicy sponge spritz squalane squeeze stain stick straightener
        straightening stubble sugar sulfate sulphate sunburn talc talcum tamarind tea texturising thickening thyme tonic
        tonka toothpaste transferproof translucent treatment tubereuse tuberose turmeric tweezer ubtan unction vanillin
        vegetal vera verbena vetiver vial vinaigrette vitamin wand whip whitening wipe witch wrinkle yeast ylang yuzu
        zest
    """,
    "bags, luggage and goods of the home and sport": """
        accordion aerobic airbag airline airtight athleticism attache backrest bagpack ballpoint bat bathmat bathroom
        bedcover bedroom bedsheet bedspread bellow beltbag bicycle bike bin blind board bolster bookmark bowl box bumbag
        cabin caddy campsite candle candlestick canister carabiner cardholder carryall cart cauldron chair chequebook
        climber climbing coaster cosmetic couch crate cubby cup cupboard currency curtain cutlery cyclist daisy dance
        daypack dining doctor document doily doormat dopp dowry drape dumbbell dust duvet earmuff earphone earplug feet
        fencing figurine foldover folio fork frame garage gear goal goalkeeper grab gymnast gymnastics hammock hamper
        handball handheld handlebar hardcase hardshell hardsided headgear headphone headrest headwear helmet hike hockey
        holster hunting hurdle identity idol jar judo jug jump karate kayak kettle keychain kickboxing kiss kisslock
        kitchen kneepad lacrosse laminate lamp lampshade lanyard lid loft luggage lunch lunchbox magazine mallet martial
        mat mattress minaudiere mirror mitt motorsport mountaineer mug napkin netball netbook notebook notepad organiser
        organizer outfield oven overhead overnight pannier pass pen photo pilates pillow pillowcase planner plaque plate
        pocketbook polycarbonate pool pot potli pouchette pouf quilt race raceway rack racket racquet reel referee rider
        riding rug sack saddlebag saucer scooter shelf shell shin showpiece shuttle shuttlecock skateboard skipping
        slipcover smartphone snaplock snorkel snowboard sofa softball softside spinner spoon sprint squash stadium
        statue sternum stool stow stowaway stump surf swivel table tablecloth tableware taekwondo tapestry tarp
        tarpaulin tealight teapot telescopic thermos throw ticket tiffin towel tray treadmill trek triathlon tumbler
        turnlock twistlock umpire upholstery upright utensil utility valance valise vase volleyball warmup washbag
        weightlifting wheelie whistle wicket wrestler wrestling wristlet zumba
    """,
    "caps, scarves, belts and small things": """
        autolock baker balaclava balmoral barrette beret bobble bonnet bowtie brim brolly bun clasp cloche comb cravat
        deerstalker dring earflap earlap fascinator fez fishnet flatcap floppy fringe garter hairclip hairgrip hairpin
        hankie hanky headpiece headscarf homburg interlaced keffiyeh lapel muff neckscarf newsboy newspaper panama peak
        pocket ponytail porkpie ratchet rosette sarafa skullcap sombrero stetson suspender tang tricorn trilby tuque
        ushanka veil watchcap
    """,
}
# fmt: on
