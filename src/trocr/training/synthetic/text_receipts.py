"""Lines of shop receipts and simple invoices, mostly as printed in English-speaking shops."""

from __future__ import annotations

from random import Random

from .text_corpora import Language
from .text_fields import amount, date, filled, time

_TOTALS = (
    "TOTAL|SUB TOTAL|SUBTOTAL|GRAND TOTAL|NET TOTAL|TOTAL SALES|TOTAL AMOUNT|TOTAL DUE|AMOUNT DUE"
    "|BALANCE DUE|CASH|CHANGE|CHANGE DUE|CASH TENDERED|AMOUNT PAID|VISA|MASTERCARD|CREDIT CARD|DEBIT"
    "|ROUNDING|ROUNDING ADJ|ROUNDING ADJUSTMENT|TOTAL ROUNDED|TOTAL EXCL. GST|TOTAL INCL. GST"
    "|TOTAL INCLUSIVE OF GST|TOTAL EXCLUDING TAX|TOTAL GST|GST 6%|GST @6%|SST 6%|GST AMOUNT"
    "|TAX|SALES TAX|TAX (8.25%)|VAT 20%|SERVICE CHARGE 10%|SERVICE TAX|DISCOUNT|DISC|LESS DISCOUNT"
    "|DEPOSIT|TIP|GRATUITY|TOTAL PAYABLE|TOTAL SAVINGS|TOTAL TTC|TOTAL HT|MONTANT TTC|TVA 5,5%|TVA 20%"
    "|DONT TVA|A PAYER|NET À PAYER|RENDU|ESPÈCES|CB|CARTE BANCAIRE|SUMME|GESAMT|ZWISCHENSUMME|MWST 19%"
    "|BAR|RÜCKGELD|TOTALE|CONTANTI|RESTO|IVA 10%|IVA 21%|EFECTIVO|CAMBIO|TOTAAL|SUMA|RAZEM|CELKEM"
).split("|")
_FACTS = (
    "GST REG NO: ############|GST ID NO : ############|GST REG. NO. ############|GST NO.############"
    "|CO. REG. NO: ######-?|CO REG NO : #######-?|(######-?)|(######-?)|(GST ID: ############)"
    "|ROC NO: ######-?|COMPANY REG NO. #######-?|SST ID: ?##-####-########|VAT NO ### #### ##|TIN: ###-###-###"
    "|INVOICE NO: ??-#####|INV NO.: ?######|INVOICE #: ######|RECEIPT NO: #######|RECEIPT #: ?##-####"
    "|BILL NO.: #####|BILL #######|DOC NO. : ?#########|DOCUMENT NO : ??########|CASH BILL NO: ####"
    "|TRANS: ######|TRN: #####|REF NO: ############|REF: ?#######|CHECK NO: ###|CHEQUE #: ####|ORDER #: ###"
    "|ORDER NO. ##|SLIP NO: ##########|POS: ##|POS NO.: POS-##|COUNTER: ##|TERMINAL: ?##|TERM ID: ########|TILL #"
    "|CASHIER: #####|CASHIER : ##|CASHIER NO. ###|SERVED BY: ##|OP: ####|STAFF: ####|CLERK ##|USER: ADMIN"
    "|TABLE: ##|TABLE NO. ?#|COVERS: #|PAX: #|PAX(S): #|GUESTS: #|QUEUE NO: ###|MEMBER NO: ########"
    "|MEMBER CARD: ################|CARD NO: ****#### |CARD XXXX XXXX XXXX ####|APPROVAL CODE: ######"
    "|AUTH CODE ######|BATCH NO: ######|TRACE NO: ######|MID: ###############|TID: ########|AID: ?#########"
    "|TEL: 0#-#### ####|TEL : 0#-########|TEL NO. 0##-#######|TEL/FAX: 0#-####-####|TEL: +60#-########|FAX: 0#-########"
    "|TEL. (###) ###-####|PHONE: ###-###-####|H/P: 01#-#######|SIRET ### ### ### #####|RCS PARIS ? ### ### ###"
    "|ITEM COUNT: ##|ITEMS: ##|ITEM(S): #|TOTAL QTY: ##|TOTAL ITEMS : #|QTY : #|TOTAL QUANTITY #|NO. OF ITEMS #"
    "|POINTS EARNED: ###|POINTS BALANCE: #,###|KM: #####|VEHICLE NO: ??? ####|PUMP # ##.### L|BARCODE #############"
    "|#############|#############|########|##########|#######|####-####-####|SR|ZRL|SR 6%|QTY|?|#|##|###|####|?#|S|Z|T1"
    "|#X|# X|#.00|#.##|##.##|###.##|##.## SR|##.##S|##.## Z|-##.##|0.00|0.0#|(0.0#)|RM|RM:|RM #.##|RM##.##|$##.##|##%"
).split("|")
_TEXTS = (
    "TAX INVOICE|SIMPLIFIED TAX INVOICE|INVOICE|RECEIPT|CASH RECEIPT|OFFICIAL RECEIPT|CASH BILL|CASH SALES"
    "|SALES RECEIPT|CUSTOMER COPY|MERCHANT COPY|DUPLICATE|REPRINT|COPY|GUEST CHECK|DINE IN|TAKE AWAY|DELIVERY"
    "|THANK YOU|THANK YOU!|THANK YOU FOR SHOPPING WITH US|THANK YOU. PLEASE COME AGAIN|PLEASE COME AGAIN"
    "|THANK YOU FOR YOUR VISIT|HAVE A NICE DAY|WELCOME|GOODS SOLD ARE NOT RETURNABLE|NO REFUND|NO EXCHANGE"
    "|GOODS SOLD ARE NOT REFUNDABLE, RETURNABLE OR EXCHANGEABLE|EXCHANGE ARE ALLOWED WITHIN"
    "|EXCHANGE WITHIN 7 DAYS WITH RECEIPT|STRICTLY NO CASH REFUND|KEEP THIS RECEIPT|CUSTOMER SERVICE|PLEASE RETAIN"
    "|THIS IS A COMPUTER GENERATED RECEIPT|NO SIGNATURE REQUIRED|CARDHOLDER SIGNATURE|APPROVED|PIN VERIFIED"
    "|ITEM|QTY|PRICE|AMOUNT|AMT|DESCRIPTION|UNIT PRICE|U.PRICE|DISC|TOTAL|TAX|CODE|NO|TAX SUMMARY|GST SUMMARY|RATE"
    "|AMOUNT(RM)|TAX(RM)|PRICE(RM)|TOTAL(RM)|AMT (RM)|TAX(RM)|QTY PRICE AMOUNT|ITEM QTY PRICE TOTAL|S/PRICE|GST SUMMARY AMOUNT(RM) TAX(RM)"
    "|DATE|TIME|TABLE|CASHIER|SALESPERSON|MEMBER|DATE/TIME|REMARK|REMARKS|TERMS|C.O.D.|BILL TO|ATTN|PAGE|1 OF 1|FOOD|DRINKS"
    "|OPENING HOURS|MON-FRI|CLOSED ON SUNDAY|FREE WIFI|WIFI PASSWORD|SEE YOU AGAIN SOON|MERCI DE VOTRE VISITE|À BIENTÔT"
    "|MERCI ET À BIENTÔT|TICKET DE CAISSE|TICKET CLIENT|FACTURE|VIELEN DANK FÜR IHREN EINKAUF|GRACIAS POR SU COMPRA|GRAZIE"
).split("|")
_GOODS = (
    "MILK BREAD WHITE BROWN EGGS BUTTER CHEESE YOGURT RICE NOODLES SOUP CHICKEN BEEF FISH PRAWN TOFU CURRY"
    " SAUCE CHILI GARLIC ONION POTATO TOMATO APPLE ORANGE BANANA MANGO LEMON TEA COFFEE LATTE KOPI TEH AIS JUICE COLA"
    " WATER MINERAL BEER WINE SUGAR SALT FLOUR OIL SNACK CHIPS BISCUIT CAKE BUN CANDY CHOCOLATE ICE CREAM TISSUE SOAP"
    " SHAMPOO BRUSH TOOTHPASTE DETERGENT BAG PLASTIC BOX CUP PLATE BOWL KNIFE TOWEL BATTERY BULB CABLE PLUG TAPE"
    " GLUE PAPER A4 PEN PENCIL BOOK FILE ENVELOPE RULER SCREW NAIL BOLT PIPE PAINT WIRE HAMMER SET SPECIAL LARGE SMALL"
    " REGULAR COMBO MEAL BURGER FRIES NASI GORENG AYAM MEE ROTI CANAI GST SHIRT SOCKS SHOES PANTS KIDS BABY TOY CARD"
    " FILTER DIESEL PETROL PARKING TOLL FEE SERVICE JAMBON POULET FROMAGE BAGUETTE LAIT YAOURT BEURRE EAU VIN BIÈRE"
    " CAFÉ THÉ SALADE POMMES CRÈME PAIN TARTE FILET BIO EXTRA ASSORTED FRESH HOT COLD MIX GREEN RED BLUE BLACK"
).split()
_SIZES = (
    "###G",
    "###ML",
    "#L",
    "#KG",
    "##S",
    "#.#L",
    "##PCS",
    "#X##G",
    "##CM",
    "#'S",
    "?#",
    "##MM",
    "(?)",
    "*#",
)
_SHOPS = "SDN BHD|SDN. BHD.|SDN BHD.|(M) SDN BHD|ENTERPRISE|TRADING|RESTAURANT|RESTORAN|MART|MINI MARKET|SUPERMARKET"
_SHOPS += "|BAKERY|CAFE|HARDWARE|STATIONERY|BOOK SHOP|PHARMACY|& SONS|& CO.|LTD|LTD.|INC.|LLC|STORE|STORES|GROCERY"
_SHOPS += "|GIFT & DECO|S.A.R.L.|SARL|S.A.|SAS|GMBH|S.R.L.|BOULANGERIE|PHARMACIE|AUTO PARTS|ELECTRICAL|FASHION|HOUSE"
_STREETS = (
    "JALAN|JLN|LORONG|TAMAN|TMN|PERSIARAN|LOT|NO.|NO|BLOCK|KAMPUNG|BANDAR|SEKSYEN|LEBUH|JLN.|PUSAT"
)
_PLACES = "INDAH PERMAI MAJU DAYA RAYA SETIA BUKIT SUNGAI KOTA BARU JAYA UTAMA MELATI CEMPAKA KENANGA SRI MURNI BESTARI"
_PLACES += " PERDANA SENTOSA DAMAI MAKMUR BINTANG TENGAH TIMUR BARAT SELATAN"
_TOWNS = "KUALA LUMPUR|JOHOR BAHRU|SHAH ALAM|PETALING JAYA|KLANG|SELANGOR|JOHOR|PENANG|IPOH|MELAKA|SELANGOR DARUL EHSAN"
_TOWNS += "|SUBANG JAYA|KAJANG|PUCHONG|SEREMBAN|KUANTAN|SINGAPORE|LONDON|NEW YORK|PARIS|LYON|W.P. KUALA LUMPUR"


def draw_receipt(rng: Random, language: Language) -> str:
    """A cell or a whole line of a receipt; seven in ten in capitals."""
    (draw,) = rng.choices(tuple(_KINDS), weights=tuple(_KINDS.values()))
    line = draw(rng, language)
    chance = rng.random()
    if chance < 0.7:
        return line.upper()
    return line.title() if chance < 0.9 else line


def price(rng: Random) -> str:
    """A small amount, as on most receipts."""
    number = f"{10 ** rng.uniform(-0.5, 2.6):.2f}"
    chance = rng.random()
    if chance < 0.12:
        return number.replace(".", ",") + rng.choice(("", "", " €", "€", " EUR", " A", " B"))
    if chance < 0.4:
        return rng.choice(("RM", "RM ", "$", "$", "£", "€", "S$", "MYR ", "-", "-$")) + number
    return number + rng.choice(
        ("", "", "", "", " SR", " S", " Z", " T", "A", "*", "-", " ZRL", " N")
    )


def _total(rng: Random, language: Language) -> str:
    name = rng.choice(_TOTALS)
    chance = rng.random()
    if chance < 0.2:
        return name + rng.choice(("", ":", " :", " (RM)", " RM"))
    return name + rng.choice((" ", " ", ": ", " : ", ":", " RM ", " (RM): ", " = ")) + price(rng)


def _fact(rng: Random, language: Language) -> str:
    return filled(rng, rng.choice(_FACTS).replace("*", "X"))


def _goods(rng: Random) -> str:
    words = rng.sample(_GOODS, rng.randint(1, 3))
    if rng.random() < 0.45:
        words.append(filled(rng, rng.choice(_SIZES)))
    return rng.choice((" ", " ", " ", "-", "/", ".")).join(words)


def _item(rng: Random, language: Language) -> str:
    form = rng.choice(_ITEMS)
    count = rng.choice((1, 1, 1, 2, 2, 3, rng.randint(4, 144)))
    code = filled(rng, rng.choice(("#############", "######", "?##", "####", "#######")))
    return form.format(
        g=_goods(rng), n=count, p=price(rng), q=price(rng), c=code, l=rng.randint(1, 20)
    )


_ITEMS = (
    "{g}",
    "{g}",
    "{g}",
    "{g} {p}",
    "{n} {g} {p}",
    "{n} X {p}",
    "{n} X {p} {q}",
    "{n} x {g}",
    "{c} {g}",
)
_ITEMS += (
    "{n} @ {p}",
    "{n} {p} {q}",
    "{l}. {g}",
    "{g} {n} {p} {q}",
    "{c} {g} {p}",
    "{n}X {g} {q}",
    "*{g}",
)
_ITEMS += (
    "{n} PCS @ {p}",
    "{n} UNIT",
    "{n}.00 PC",
    "{l} {c} {g}",
    "{p}/KG",
    "{n}*{p}",
    "+ {g} {p}",
    "# {g}",
)


def _when(rng: Random, language: Language) -> str:
    label = rng.choice(
        ("", "", "", "DATE: ", "DATE : ", "DATE:", "TIME: ", "PRINTED ON ", "LE ", "DATUM ")
    )
    if label == "TIME: ":
        return label + time(rng)
    line = f"{rng.randint(1, 31):02}/{rng.randint(1, 12):02}/{rng.randint(2005, 2030)}"
    line = line if rng.random() < 0.6 else date(rng, language)
    return label + line + (" " + time(rng) if rng.random() < 0.35 else "")


def _shop(rng: Random, language: Language) -> str:
    fields = language.fields
    name = rng.choice((rng.choice(fields["last_name"]), rng.choice(language.words[:8000])))
    if rng.random() < 0.5:
        name += " " + rng.choice(
            (rng.choice(fields["last_name"]), rng.choice(_GOODS), "& SONS", "ONE")
        )
    return f"{name} {rng.choice(_SHOPS.split('|'))}"


def _place(rng: Random, language: Language) -> str:
    chance = rng.random()
    if chance < 0.35:
        return rng.choice(language.fields["address"])
    place = " ".join(rng.sample(_PLACES.split(), rng.randint(1, 2)))
    street = f"{rng.choice(_STREETS.split('|'))} {place}"
    form = rng.choice(
        (
            "{s},",
            "NO {n}, {s} {k},",
            "{n}, {s},",
            "{p} {t}",
            "{p} {t}, {u}.",
            "{s} {k}/{n},",
            "{t}.",
        )
    )
    towns = _TOWNS.split("|")
    return form.format(
        s=street,
        n=filled(rng, rng.choice(("#", "##", "##-#", "##?", "##, ## & ##", "?-##-#", "###"))),
        k=rng.randint(1, 30),
        p=filled(rng, "#####"),
        t=rng.choice(towns),
        u=rng.choice(towns),
    )


def _text(rng: Random, language: Language) -> str:
    text = rng.choice(_TEXTS)
    return (
        text
        if rng.random() < 0.85
        else rng.choice(("*** {} ***", "-{}-", "** {} **", "= {} =", "{}:", "{} :")).format(text)
    )


def _price(rng: Random, language: Language) -> str:
    return price(rng) if rng.random() < 0.85 else amount(rng)


_KINDS = {_total: 18, _fact: 22, _item: 22, _when: 8, _shop: 6, _place: 8, _text: 14, _price: 12}
