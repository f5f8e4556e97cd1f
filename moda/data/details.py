"""What people call the details of a product: tables as those of `synonyms.py`."""

PATTERNS = {
    "Solid": "solid, plain, solid coloured, solid colour, one colour, single colour, unprinted",
    "Striped": "striped, stripe, stripy, pinstriped, pinstripe, candy striped",
    "Checked": (
        "checked, check, checks, checkered, chequered, plaid, tartan, gingham, check pattern, buffalo check, "
        "checkerboard"
    ),
    "Polka Dots": "polka dot, polka dotted, dotted, polka, dot, spotted, polka dot print",
    "Floral": (
        "floral, flowers, flowery, floral print, flower print, floral pattern, floral printed, flower printed, "
        "botanical"
    ),
    "Graphic|Printed": "graphic, graphic print, graphic printed",
    "Printed": "printed, print, all over print, logo print, screen print, slogan",
    "Animal Print": (
        "animal print, leopard, leopard print, zebra, zebra print, snakeskin, snake print, snakeskin print, "
        "tiger print, leopard spot"
    ),
    "Camouflage": "camouflage, camo, camouflage print, camo print",
    "Sequinned": "sequinned, sequined, sequin",
    "Embroidered": "embroidered, embroidery, chikankari",
    "Paisley": "paisley, paisley print",
    "Geometric": "geometric, geometric print, chevron, zigzag",
    "Abstract": "abstract, abstract print",
    "Tie-Dye": "tie dye, tie dyed",
    "Colourblocked": "colour block, colourblocked, colour blocked, colour blocking",
    "Houndstooth": "houndstooth, dogtooth",
    "Argyle": "argyle",
}

# Faux leather is a material of its own: it is no leather.
MATERIALS = {
    "Cotton": "cotton, pure cotton, cotton blend, cottons",
    "Denim": "denim, denim pants",
    "Leather": "leather, genuine leather, real leather, full grain leather, nappa",
    "Faux Leather": (
        "faux leather, synthetic leather, leatherette, pu leather, vegan leather, artificial leather, "
        "imitation leather, pu, rexine"
    ),
    "Patent Leather": "patent leather, patent",
    "Suede": "suede, faux suede, nubuck",
    "Silk": "silk, art silk, silky silk, raw silk, silken, tussar",
    "Wool": "wool, woollen, merino, merino wool, lambswool, wool blend, cashmere",
    "Linen": "linen, linen blend, pure linen",
    "Polyester": "polyester, poly blend",
    "Viscose": "viscose, rayon",
    "Spandex": "spandex, elastane, lycra",
    "Metal": "metal, brass, alloy",
    "Plastic": "plastic, acetate, resin",
    "Synthetic": "synthetic, man made material, manmade",
    "Lace": "lace, lacy",
    "Knit": "knit, knitted, ribbed knit",
    "Corduroy": "corduroy, cord",
    "Fur": "fur, faux fur",
    "Straw": "straw, raffia, wicker",
    **{
        name: name.lower()
        for name in (
            "Nylon, Canvas, Felt, Tulle, Satin, Chiffon, Georgette, Velvet, Fleece, Mesh, Rubber, Stainless "
            "Steel, Jute, Jersey, Tweed, Acrylic, Crepe, Net, Flannel, Chambray, Twill, Khadi"
        ).split(", ")
    },
}

NECKLINES = {
    "Round Neck": "round neck, round necked, round neckline, crew neck, crew necked, crew neckline, crew collar",
    "V-Neck": "v neck, vee neck, vee necked, v necked, v neckline, plunging neckline",
    "Scoop Neck": "scoop neck, scooped neck, scoop neckline, u neck, scooped neckline",
    "Boat Neck": "boat neck, bateau neck, boat neckline, bateau neckline",
    "Square Neck": "square neck, square neckline",
    "Halter Neck": "halter neck, halterneck, halter neckline, halter",
    "Turtleneck": "turtle neck, turtlenecked, polo neck, roll neck, high neck, mock neck, funnel neck, high neckline",
    "Sweetheart Neck": "sweetheart neck, sweetheart neckline",
    "Cowl Neck": "cowl neck, cowl neckline",
    "Keyhole Neck": "keyhole neck, keyhole neckline",
    "Off-Shoulder": "off shoulder, off the shoulder, cold shoulder, bardot",
    "Strapless": "strapless",
    "Polo Collar": "polo collar, polo neckline",
    "Mandarin Collar": (
        "mandarin collar, band collar, chinese collar, nehru collar, stand collar, mandarin neck, stand up collar"
    ),
    "Collar": (
        "collared, shirt collar, spread collar, point collar, pointed collar, classic collar, button down collar, "
        "peter pan collar, collar, cutaway collar"
    ),
}

SLEEVES = {
    "Sleeveless": "sleeveless, no sleeves, without sleeves",
    "Short Sleeves": "short sleeve, short sleeved, half sleeve, half sleeved",
    "Long Sleeves": "long sleeve, long sleeved, full sleeve, full sleeved, full length sleeve",
    "Three-Quarter Sleeves": (
        "three quarter sleeve, 3/4 sleeve, three quarter sleeved, 3/4th sleeve, 3/4 sleeved, "
        "three quarter length sleeve"
    ),
    "Cap Sleeves": "cap sleeve, cap sleeved",
    "Puff Sleeves": "puff sleeve, puffed sleeve, balloon sleeve, puff sleeved",
    "Bell Sleeves": "bell sleeve, flared sleeve, bell sleeved",
    "Roll-Up Sleeves": "roll up sleeve, rolled up sleeve, rolled sleeve",
}

CLOSURES = {
    "Zip": "zip, zipper, zipped, zip up, zip fastening, zip closure, zippered",
    "Button": "button, buttoned, button front, button placket, button closure",
    "Lace-Up": "lace up, laced",
    "Slip-On": "slip on style, slip on design",
    "Buckle": "buckle, buckled",
    "Velcro": "velcro, hook and loop",
    "Drawstring": "drawstring",
}

FITS = {
    "Slim": "slim fit, slim, slim fitting, slim cut",
    "Skinny": "skinny, skinny fit",
    "Regular": "regular fit",
    "Relaxed": "relaxed fit, loose fit, loose, loose fitting, boyfriend fit, boyfriend",
    "Straight": "straight fit, straight leg, straight cut",
    "Bootcut": "boot cut",
    "Oversized": "oversized, oversize",
    "Flared": "flared, flare, bell bottom",
    "Tapered": "tapered",
}

DETAILS = {
    "pattern": PATTERNS,
    "material": MATERIALS,
    "neckline": NECKLINES,
    "sleeves": SLEEVES,
    "closure": CLOSURES,
    "fit": FITS,
}
