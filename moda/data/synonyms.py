"""What people call the kinds, colours, wearers and occasions of a fashion catalogue: a table of words for each value.

Values have the names of the Kaggle catalogue "Fashion Product Images" where it has them. Words stand in the singular, and
are read in the plural too; a plural is read as it stands. Hyphens, spaces and capitals do not matter, nor whether a word
is spelt the British or the American way. Values joined by "|" share words that may mean any of them, most likely first.
"""

from .details import DETAILS


ARTICLES = {
    # tops
    "Tshirts": (
        "tshirt, tee, tee shirt, polo, polo shirt, polo tshirt, henley, jersey tee, ringer tee, graphic tee, "
        "football jersey, cricket jersey, team jersey"
    ),
    "Lounge Tshirts": "lounge tshirt, lounge tee",
    "Shirts": (
        "shirt, dress shirt, button down shirt, button up shirt, button up, button down, oxford shirt, overshirt"
    ),
    "Tops": "top, crop top, tube top, peplum top, tank top, halter top, bustier, bandeau top",
    "Tops|Shirts": "blouse",
    "Tops|Innerwear Vests|Tshirts": "tank",
    "Innerwear Vests": "innerwear vest, inner vest, undershirt, singlet, under vest, sando, innerwear tshirt",
    "Innerwear Vests|Waistcoat": "vest",
    "Waistcoat": "waistcoat, suit vest, gilet",
    "Camisoles": "camisole, cami",
    "Sweaters": "sweater, pullover, jumper, cardigan, knitwear, sweater vest",
    "Sweatshirts": "sweatshirt, hoodie, hoody, sweat top, hooded sweatshirt",
    "Jackets": (
        "jacket, coat, overcoat, windcheater, windbreaker, parka, anorak, bomber, puffer, trench coat, "
        "bomber jacket, peacoat"
    ),
    "Rain Jacket": "rain jacket, raincoat, rain coat, mackintosh",
    "Nehru Jackets": "nehru jacket, bandhgala, modi jacket",
    "Blazers": "blazer, sport coat, suit jacket, sports jacket",
    "Shrug": "shrug, bolero",
    "Tunics": "tunic",
    # ethnic
    "Kurtas": "kurta",
    "Kurtis": "kurti",
    "Kurta Sets": (
        "kurta set, kurta pyjama, kurta and churidar, salwar suit, salwar kameez, churidar suit, kurta churidar"
    ),
    "Sarees": "saree, sari",
    "Dupatta": "dupatta, chunni, odhni",
    "Salwar": "salwar, shalwar",
    "Salwar and Dupatta": "salwar and dupatta, salwar with dupatta",
    "Churidar": "churidar, chudidar",
    "Patiala": "patiala, patiala pants",
    "Lehenga Choli": "lehenga, lehenga choli, lehnga, ghagra choli",
    # dresses and sets
    "Dresses": "dress, gown, frock, sundress, maxi dress, shirt dress, minidress",
    "Jumpsuit": "jumpsuit, playsuit, dungarees",
    "Rompers": "romper, onesie, bodysuit",
    "Clothing Set": "clothing set, co-ord set, two piece set, clothes set",
    "Tracksuits": "tracksuit, jogging suit",
    "Swimwear": "swimwear, swimsuit, swimming costume, bikini, swim trunks, bathing suit, swim shorts",
    # bottoms
    "Jeans": "jeans, mom jeans, mum jeans, denims, denim pants",
    "Trousers": "trousers, trouser, pants, chino, slacks, cargos, cargo pants, palazzos, culottes",
    "Track Pants": (
        "track pants, track pant, joggers, sweatpants, jogging pants, jogging bottoms, tracksuit bottoms, "
        "track bottoms, gym pants"
    ),
    "Lounge Pants": "lounge pants, lounge pant, pyjamas, pyjama bottoms, pyjama pants",
    "Rain Trousers": "rain trousers, rain pants",
    "Shorts": "shorts, bermudas, bermuda shorts, hot pants",
    "Lounge Shorts": "lounge shorts, sleep shorts",
    "Skirts": "skirt, miniskirt, maxi skirt",
    "Capris": "capris, capri, capri pants, three fourths, pedal pushers",
    "Leggings": "leggings, legging, yoga pants",
    "Jeggings": "jeggings, jegging",
    "Tights": "tights",
    "Stockings": "stockings, pantyhose, hosiery, fishnets",
    # underwear and night
    "Briefs": "briefs, brief, panties, knickers, underpants, hipsters, boyshort, boy shorts, thong, y-fronts, undies",
    "Boxers": "boxers, boxer shorts, boxer",
    "Trunk": "trunk, boxer briefs, boxer trunk",
    "Briefs|Boxers|Trunk|Bra|Innerwear Vests": "underwear, innerwear, undergarment",
    "Bra": "bra, brassiere, bralette, sports bra",
    "Bra|Briefs|Camisoles|Baby Dolls": "lingerie",
    "Shapewear": "shapewear, body shaper, corset",
    "Nightdress": "nightdress, nightgown, nightie, nighty, night dress, sleep dress, chemise",
    "Night suits": "night suit, pyjama set, sleep set, nightsuit, pyjama suit",
    "Nightdress|Night suits": "nightwear, sleepwear",
    "Baby Dolls": "baby doll, babydoll",
    "Bath Robe": "bath robe, bathrobe, dressing gown",
    "Robe|Bath Robe": "robe",
    # shoes
    "Casual Shoes": (
        "casual shoe, plimsoll, moccasin, boat shoe, espadrille, slip-on, deck shoe, skate shoe, loafer, driving shoe"
    ),
    "Casual Shoes|Sports Shoes": "sneaker, dad sneaker, dad shoe, high top, hi-top, low top",
    "Sports Shoes": (
        "sports shoe, sport shoe, running shoe, trainer, training shoe, athletic shoe, tennis shoe, gym shoe, "
        "football boot, basketball shoe, walking shoe, jogging shoe, cricket shoe, football shoe, football cleat, "
        "workout shoe, hiking shoe, trail shoe"
    ),
    "Formal Shoes": (
        "formal shoe, dress shoe, oxford, oxfords, brogue, derby, derby shoe, oxford shoe, office shoe, "
        "monk strap, business shoe"
    ),
    "Casual Shoes|Sports Shoes|Formal Shoes|Heels|Flats": "shoe, footwear",
    "Casual Shoes|Booties|Heels|Formal Shoes|Sports Shoes": "boot, ankle boot",
    "Booties": "bootie, baby shoe",
    "Heels": (
        "heels, high heel, high heeled shoe, heeled shoe, stiletto, pump, wedge, wedge heel, kitten heel, "
        "block heels, platform heel, heeled sandal, court shoe"
    ),
    "Flats": "flats, ballerina, ballet flat, ballet pump, ballet shoe, flat sandal, jutti, mojari, kolhapuri",
    "Sandals": "sandal, floater, gladiator",
    "Sports Sandals": "sports sandal, sport sandal, athletic sandal, trekking sandal, hiking sandal",
    "Flip Flops": "flip flop, slide, thong sandal, beach slipper",
    "Flip Flops|Sandals": "slipper, slider",
    "Casual Shoes|Sandals|Flip Flops": "clog, croc",
    "Shoe Laces": "shoe lace, shoelace",
    "Shoe Accessories": "shoe accessory, insole, shoe care kit",
    "Socks": "sock",
    # bags
    "Handbags": (
        "handbag, hand bag, tote, tote bag, sling bag, shoulder bag, crossbody, crossbody bag, satchel, hobo, "
        "hobo bag, bucket bag"
    ),
    "Handbags|Clutches|Wallets": "purse",
    "Handbags|Backpacks|Duffel Bag|Messenger Bag|Laptop Bag|Clutches|Trolley Bag": "bag",
    "Backpacks": "backpack, back pack, school bag, knapsack, bookbag, day pack",
    "Rucksacks|Backpacks": "rucksack",
    "Clutches": "clutch, clutch bag, clutch purse, evening bag",
    "Wallets": "wallet, billfold, card holder, card case, coin purse, money clip",
    "Duffel Bag": "duffel, duffle, duffel bag, duffle bag, gym bag, weekender, holdall, sports bag",
    "Laptop Bag": "laptop bag, laptop case, laptop sleeve, briefcase, office bag",
    "Messenger Bag": "messenger bag, courier bag",
    "Trolley Bag": "trolley bag, trolley, suitcase",
    "Mobile Pouch": "mobile pouch, phone pouch, phone case, mobile case, phone cover",
    "Waist Pouch": "waist pouch, fanny pack, bum bag, belt bag, waist bag, waist pack",
    "Tablet Sleeve": "tablet sleeve, tablet case, ipad sleeve",
    "Travel Accessory": "travel accessory, travel pouch, passport holder, toiletry bag",
    # accessories
    "Watches": "watch, wristwatch, wrist watch, timepiece, chronograph, smartwatch",
    "Sunglasses": "sunglasses, sunglass, shades, eyewear, sunnies, aviators, wayfarers, goggles",
    "Belts": "belt, waist belt",
    "Caps": "cap, dad cap, beanie, baseball cap, snapback, visor",
    "Hat": "hat, fedora, sun hat, bucket hat",
    "Ties": "tie, necktie, neck tie, bow tie",
    "Cufflinks": "cufflink, cuff link",
    "Ties and Cufflinks": "tie and cufflinks, tie and cufflink set",
    "Suspenders": "suspenders, braces",
    "Scarves": "scarf, bandana, neckerchief",
    "Stoles": "stole, shawl, wrap",
    "Mufflers": "muffler",
    "Gloves": "glove, mitten",
    "Umbrellas": "umbrella, parasol",
    "Wristbands": "wristband, sweatband, wrist band",
    "Headband": "headband, head band, hairband",
    "Hair Accessory": "hair accessory, hair clip, scrunchie, hair pin, hair tie",
    "Key chain": "key chain, key ring, keyring, key fob",
    "Earrings": "earring, ear ring, stud earring, ear studs, jhumka, hoop earring",
    "Pendant": "pendant, locket",
    "Necklace and Chains": "necklace, neck chain, choker, necklace and chain, mangalsutra",
    "Ring": "ring, finger ring",
    "Bangle": "bangle, kada",
    "Bracelet": "bracelet, wrist chain, bracelet cuff",
    "Jewellery Set": "jewellery set, necklace set, pendant set",
    "Jewellery Set|Necklace and Chains|Earrings|Pendant|Ring|Bangle|Bracelet": "jewellery",
    "Accessory Gift Set": "accessory gift set, accessory set, wallet and belt set",
    # beauty
    "Perfume and Body Mist": (
        "perfume, body mist, fragrance, cologne, eau de toilette, eau de parfum, edt, body spray, perfume and body mist"
    ),
    "Deodorant": "deodorant, deo, roll on, antiperspirant, deodorant spray",
    "Fragrance Gift Set": "fragrance gift set, perfume gift set, perfume set, fragrance set",
    "Nail Polish": "nail polish, nail paint, nail enamel, nail lacquer, nail varnish, nail colour",
    "Nail Essentials": "nail essentials, nail file, nail polish remover",
    "Lipstick": "lipstick, lip colour, lip crayon",
    "Lip Gloss": "lip gloss, lipgloss",
    "Lip Liner": "lip liner, lipliner, lip pencil",
    "Lip Care": "lip balm, lip care, chapstick, lip butter",
    "Lip Plumper": "lip plumper",
    "Kajal and Eyeliner": "kajal, eyeliner, eye liner, kohl, eye pencil, kohl pencil",
    "Eyeshadow": "eyeshadow, eye shadow",
    "Mascara": "mascara",
    "Foundation and Primer": "foundation, primer, face primer",
    "Highlighter and Blush": "highlighter, blusher, highlighter and blush, face blush",
    "Compact": "compact, compact powder, face powder, pressed powder",
    "Concealer": "concealer",
    "Face Moisturisers": (
        "face moisturiser, moisturiser, moisturising cream, face cream, day cream, night cream, fairness cream"
    ),
    "Face Wash and Cleanser": "face wash, cleanser, facewash, face cleanser",
    "Face Scrub and Exfoliator": "face scrub, exfoliator",
    "Face Serum and Gel": "face serum, face gel, serum",
    "Mask and Peel": "face mask, face peel, face pack, peel off mask, sheet mask",
    "Eye Cream": "eye cream, eye gel, under eye cream",
    "Toner": "toner",
    "Sunscreen": "sunscreen, sun screen, sunblock, sun cream",
    "Makeup Remover": "makeup remover, make up remover",
    "Body Lotion": "body lotion, body cream, body butter, lotion",
    "Body Wash and Scrub": "body wash, body scrub, shower gel",
    "Hair Colour": "hair colour, hair dye",
    "Beauty Accessory": "beauty accessory, makeup brush",
    "Mens Grooming Kit": "mens grooming kit, grooming kit, shaving kit",
    # other
    "Free Gifts": "free gift",
    "Basketballs": "basketball",
    "Footballs": "football, soccer ball",
    "Water Bottle": "water bottle, sipper, flask",
    "Cushion Covers": "cushion cover",
    "Ipad": "ipad",
}

COLOURS = {
    "Black": "black, jet black, ebony, onyx",
    "White": "white, snow white, pure white",
    "Off White|Cream": "ivory, ecru, eggshell, pearl white, bone white, ivory white",
    "Off White": "off white, offwhite",
    "Grey": "grey, ash grey, slate, slate grey, dove grey, stone grey, silver grey",
    "Grey|Charcoal": "dark grey",
    "Charcoal": "charcoal, charcoal grey, anthracite",
    "Grey Melange": (
        "grey melange, melange grey, heather grey, grey marl, marl grey, heathered grey, grey heather, melange"
    ),
    "Steel": "steel, steel grey",
    "Steel|Grey|Charcoal": "gunmetal, gunmetal grey, gun metal",
    "Silver": "silver, silvery, silver toned, metallic silver, silver tone",
    "Gold": "gold, golden, gold plated, gold toned, metallic gold, gold tone",
    "Metallic": "metallic",
    "Copper": "copper, metallic copper",
    "Bronze": "bronze",
    "Gold|Copper|Rose|Pink": "rose gold",
    "Blue": (
        "blue, sky blue, royal blue, cobalt, cobalt blue, azure, powder blue, light blue, baby blue, "
        "electric blue, steel blue, ice blue"
    ),
    "Blue|Navy Blue": "dark blue, deep blue, indigo, ink blue",
    "Navy Blue": "navy, navy blue, dark navy, deep navy",
    "Navy Blue|Blue": "midnight blue",
    "Turquoise Blue": "turquoise, turquoise blue",
    "Turquoise Blue|Blue|Sea Green|Teal": "aqua, cyan, aquamarine, aqua blue",
    "Teal": "teal, teal blue, teal green",
    "Green": "green, emerald, bottle green, forest green, parrot green, jade",
    "Green|Sea Green|Lime Green": "mint, mint green, pistachio",
    "Sea Green": "sea green, seafoam, seafoam green",
    "Lime Green": "lime green, lime",
    "Fluorescent Green": "fluorescent green, neon green, fluoro green",
    "Olive": "olive, olive green, army green, olive drab, military green",
    "Khaki": "khaki, khaki green",
    "Red": "red, crimson, scarlet, cherry red, blood red, tomato red, ruby",
    "Maroon": "maroon, maroon red, oxblood",
    "Burgundy": "burgundy, bordeaux",
    "Burgundy|Maroon": "wine, wine red, wine coloured",
    "Pink": "pink, baby pink, blush pink, light pink, pastel pink",
    "Pink|Magenta": "hot pink, fuchsia pink",
    "Magenta|Pink": "magenta, fuchsia, fuschia",
    "Peach|Pink|Orange": "coral, salmon, salmon pink, coral pink",
    "Peach": "peach, apricot",
    "Rose": "rose, dusty rose, rose pink, old rose",
    "Purple": "purple, violet, plum, aubergine, eggplant, grape",
    "Lavender|Purple": "lilac",
    "Lavender": "lavender",
    "Mauve": "mauve",
    "Yellow": "yellow, lemon, lemon yellow, canary yellow, neon yellow",
    "Mustard": "mustard, mustard yellow, ochre",
    "Orange": "orange, tangerine, burnt orange",
    "Rust": "rust, rust orange, rust brown, rust red, terracotta, rusty",
    "Brown": "brown, chocolate brown, cocoa, walnut, dark brown, chestnut, cognac",
    "Brown|Coffee Brown": "chocolate, espresso",
    "Coffee Brown": "coffee brown, coffee coloured, coffee, mocha",
    "Mushroom Brown": "mushroom brown, mushroom",
    "Tan": "tan, tan brown",
    "Tan|Beige|Brown": "camel",
    "Beige|Grey|Khaki": "stone",
    "Beige": "beige, sand, oatmeal, fawn, biscuit",
    "Cream": "cream, creamy, creamy white, cream white",
    "Taupe": "taupe",
    "Nude": "nude",
    "Skin": "skin, skin coloured, skin colour, skin tone",
    "Multi": (
        "multicoloured, multicolour, multi coloured, multi colour, multi hued, colourful, rainbow, rainbow coloured, "
        "mix of colours, mixture of colours, mixed colours, many colours, several colours, multiple colours"
    ),
}

GENDERS = {
    "Men": (
        "man, men, male, gent, gents, gentleman, gentlemen, guy, menswear, he, him, his, himself, dad, father, groom"
    ),
    "Women": "woman, women, lady, ladies, female, womenswear, she, her, hers, herself, mum, mom, mother, bride",
    "Boys": "boy, schoolboy, little prince, little boy, young boy, teenage boy",
    "Girls": "girl, schoolgirl, princess, little princess, little girl, young girl, teenage girl",
    "Boys|Girls|Unisex": "kid, child, kidswear, toddler, youngster, childrenswear, little ones",
    "Unisex": (
        "unisex, men and women, women and men, gender neutral, for everyone, for everybody, for anyone, for all genders, any gender, all gender, "
        "whatever gender, whatever their gender, regardless of gender, anyone can wear, his and hers, genderless"
    ),
}

USAGES = {
    "Casual": (
        "casual, casual shoe, everyday, every day, daily wear, daily use, for daily, daily life, casual wear, "
        "casualwear, leisure, weekend, laid back, day to day, off duty, streetwear, hanging out, lounging, "
        "informal, casually, lazy sunday, lazy day, street style"
    ),
    "Formal": (
        "formal, formal shoe, dress shoe, dress shirt, office shoe, business shoe, office, office bag, business, "
        "workwear, formalwear, professional, corporate, boardroom, black tie event, meeting, job interview, "
        "work wear, formally, for work, to work, at work, workday, work day"
    ),
    "Smart Casual": "smart casual, business casual, semi formal, semiformal, smart and casual",
    "Sports": (
        "sport, sporty, sportswear, athletic, gym, gymwear, workout, work out, running, training, fitness, "
        "activewear, active wear, exercise, jogging, yoga, sporting, athleisure, athlete, jog, run, marathon, "
        "runner, sportsperson, pe, football, basketball, cricket, tennis, badminton, cycling, swimming, hiking, "
        "trekking, soccer, golf, rugby, football pitch, sports shoe, sport shoe, running shoe, training shoe, "
        "athletic shoe, tennis shoe, gym shoe, football boot, football shoe, football cleat, football jersey, cricket jersey, basketball shoe, "
        "walking shoe, jogging shoe, cricket shoe, workout shoe, hiking shoe, trail shoe, gym bag, sports bag, "
        "gym pants, yoga pants, sports bra, sports sandal, sport sandal, athletic sandal"
    ),
    "Ethnic": (
        "ethnic, traditional, ethnic wear, indian wear, desi, puja, pooja, traditional wear, ethnicwear, diwali, eid"
    ),
    "Ethnic|Party": "festive, festival, wedding, festivity",
    "Party|Formal|Smart Casual": "dressy",
    "Party": (
        "party, clubwear, evening, evening out, night out, clubbing, cocktail, celebration, special occasion, "
        "partywear, nightclub, prom"
    ),
    "Travel": "travel, travelling, trip, vacation, journey, holiday, travelwear, traveller, travel accessory, travel pouch",
    "Home": "home use, home wear, at home, homewear, for home, around the house, for the home",
}

WORDS = {"articleType": ARTICLES, "baseColour": COLOURS, "gender": GENDERS, "usage": USAGES, **DETAILS}
