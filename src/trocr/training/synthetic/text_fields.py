"""Fields of forms, invoices and address lines: amounts, dates, codes, names, addresses."""

from __future__ import annotations

from random import Random

from .text_corpora import Language

_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER = _UPPER.lower()
_CURRENCIES = ("$", "£", "€", "¥", "USD", "EUR", "GBP", "CHF", "CAD", "RM", "kr", "zł", "Kč", "Ft")
_CURRENCIES += ("lei", "Rs.", "R$", "US$", "fr.", "F", "Fr", "frs", "¢", "%")
_UNITS = ("kg", "g", "mg", "t", "lb", "lbs", "oz", "m", "cm", "mm", "km", "m²", "m³", "ha", "ft")
_UNITS += ("in", "l", "L", "ml", "cl", "h", "min", "s", "ms", "km/h", "mph", "V", "kW", "kWh")
_UNITS += ("Hz", "MHz", "GHz", "MB", "GB", "TB", "°C", "°F", "°", "%", "‰", "Ω", "µm", "bar", "px")
_UNITS += ("pcs", "pages", "x", "dB", "ppm", "kcal", "€/m²", "h/j", "¼", "½", "¾")
_LABELS = {
    "en": "Date Time Total Subtotal Tel Phone Fax Email Name Address Ref. No. Invoice Order"
    " Page Amount Due Balance Account Customer Price Qty Code ID VAT Website City Country",
    "fr": "Date Heure Total Sous-total Tél. Téléphone Fax Courriel Nom Prénom Adresse Réf. N°"
    " Facture Commande Page Montant Échéance Solde Compte Client Prix Qté Code TVA Né(e) Objet",
    "de": "Datum Uhrzeit Summe Zwischensumme Tel. Telefon Fax E-Mail Name Straße Nr. Rechnung"
    " Bestellung Seite Betrag Fällig Konto Kunde Preis Menge MwSt. Ort Geburtsdatum",
    "es": "Fecha Hora Total Subtotal Tel. Teléfono Correo Nombre Dirección Ref. N.º Factura"
    " Pedido Página Importe Saldo Cuenta Cliente Precio Cantidad IVA Código",
    "it": "Data Ora Totale Subtotale Tel. Telefono Nome Indirizzo Rif. N. Fattura Ordine Pagina"
    " Importo Saldo Conto Cliente Prezzo Quantità IVA Codice",
}
_CODES = (
    "######", "####", "########", "###", "##", "#", "##########", "?##", "??####", "??-####",
    "?#####", "######-?", "###-###", "##-##", "#.#.#", "#.##.#", "##/##", "####/##", "#-###-#####-#",
    "978-#-##-######-#", "????", "???", "??", "??? ###", "?? ## ??", "?## #??", "?#? #?#", "#####-####",
    "(##)", "[##]", "(#)", "[#]", "§ #", "§ ##", "p. ##", "pp. ##-##", "Fig. #", "Fig. #.#", "No. ##",
    "№ ##", "N° ###", "n° ##", "nº ##", "#a", "##b", "#:##", "#×##", "# x ##", "##.##.##", "v#.#.#",
    "*##*#", "##*#*###", "##:##:##:##", "###.###.#.##", "+##", "-##", "±#,#", "~##", "#+#=#", "# + # = ##",
    "# - # = #", "# × # = ##", "## ÷ # = #", "< ##", "> ##", "##%", "## %", "#,## %", "##.#%", "1st",
    "2nd", "3rd", "##th", "#e", "1er", "#ème", "#.", "##.", "#)", "a)", "b)", "Q#", "?.?.", "?. ?.",
    "?/??/##", "#####/##", "????????##??#", "C:/**/****.***", "/***/***/****", "***_****.***", "****-###.***",
    "(###)", "# of ##", "#/##", "##/##/##", "##-#####", "TVA ##%", "DN##", "A#", "##°##'##\"", "# ½", "## ¼",
)  # fmt: skip
_ROMAN = ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))
_TENS = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"))
_TENS += ((40, "XL"),)


def draw_field(rng: Random, language: Language) -> str:
    """One field, often with its label, sometimes two beside each other."""
    value = _value(rng, language)
    chance = rng.random()
    if chance < 0.2:
        label = rng.choice(_LABELS.get(language.code, _LABELS["en"]).split())
        return label + rng.choice((": ", ":", " : ", " ", ". ", " - ", " = ")) + value
    if chance < 0.3:
        return value + rng.choice((" ", ", ", " - ", " / ", "; ")) + _value(rng, language)
    if chance < 0.34:
        return rng.choice(("({})", '"{}"', "[{}]", "« {} »", "“{}”", "*{}*", "<{}>")).format(value)
    return value


def amount(rng: Random) -> str:
    """A number of money, with the separators of some country and often a currency."""
    cents = int(10 ** rng.uniform(0, 7.5))
    thousands, point = rng.choice((",.", ",.", ",.", ".,", " ,", "'.", "_.", "_,"))
    whole, part = f"{cents // 100:,}", f"{cents % 100:02}"
    number = whole.replace(",", thousands.strip("_"))
    number += point + part if rng.random() < 0.8 else rng.choice(("", "", ".-", ",-", ",--"))
    chance = rng.random()
    if chance < 0.35:
        return number
    if chance < 0.7:
        return rng.choice(_CURRENCIES[:12]) + rng.choice(("", " ")) + number
    number += rng.choice(("", " ")) + rng.choice(_CURRENCIES)
    return (
        number if rng.random() < 0.9 else rng.choice(("-{}", "({})", "+ {}", "= {}")).format(number)
    )


def date(rng: Random, language: Language) -> str:
    """A date in digits or with the name of the month, sometimes with a time."""
    day, month, year = rng.randint(1, 31), rng.randint(1, 12), rng.randint(1850, 2035)
    chance = rng.random()
    if chance < 0.5:
        mark = rng.choice("//..--  ")
        short = f"{year % 100:02}" if rng.random() < 0.3 else str(year)
        parts = [f"{day:02}", f"{month:02}", short]
        if rng.random() < 0.2:
            parts = [str(day), str(month), short]
        elif rng.random() < 0.2:
            parts = [str(year), f"{month:02}", f"{day:02}"]
        line = mark.join(parts)
    else:
        name = rng.choice(language.fields["month_name"])
        weekday = rng.choice(language.fields["day_of_week"])
        form = rng.choice(_DATES)
        line = form.format(d=day, m=name, y=year, w=weekday, s=name[:3], t=f"{year % 100:02}")
    return line if rng.random() < 0.85 else f"{line} {time(rng)}"


_DATES = ("{d} {m} {y}", "{d} {m} {y}", "{m} {d}, {y}", "{w} {d} {m} {y}", "{w}, {d} {m} {y}")
_DATES += ("{d}. {m} {y}", "{d}-{s}-{y}", "{d} {s} {y}", "{d}/{s}/{t}", "{m} {y}", "{d} {m}")
_DATES += ("{w}, {m} {d}, {y}", "le {d} {m} {y}", "{w}", "{m}", "{s}. {d}, {y}", "{s}-{t}", "{y}")


def time(rng: Random) -> str:
    """A time of day."""
    hour, minute, second = rng.randrange(24), rng.randrange(60), rng.randrange(60)
    form = rng.choice(("{h:02}:{m:02}", "{h:02}:{m:02}:{s:02}", "{h}h{m:02}", "{h} h {m:02}"))
    if rng.random() < 0.25:
        form = rng.choice(("{k}:{m:02} {a}", "{k}:{m:02}:{s:02} {a}", "{k}:{m:02}{a}", "{k} {a}"))
    half = rng.choice(("AM", "am", "a.m.") if hour < 12 else ("PM", "pm", "p.m."))
    return form.format(h=hour, m=minute, s=second, k=hour % 12 or 12, a=half)


def filled(rng: Random, pattern: str) -> str:
    """A pattern with a digit for each ``#``, a capital for ``?``, a small letter for ``*``."""
    choices = {"#": "0123456789", "?": _UPPER, "*": _LOWER}
    return "".join(rng.choice(choices[mark]) if mark in choices else mark for mark in pattern)


def roman(number: int) -> str:
    """A number from 1 to 3999 in Roman numerals."""
    numeral = ""
    for value, sign in (*_TENS, *_ROMAN):
        count, number = divmod(number, value)
        numeral += sign * count
    return numeral


def _measure(rng: Random) -> str:
    number = f"{10 ** rng.uniform(-1, 4):.{rng.choice((0, 0, 1, 2))}f}"
    if rng.random() < 0.4:
        number = number.replace(".", ",")
    unit = rng.choice(_UNITS)
    return number + rng.choice(("", " ")) + unit


def _value(rng: Random, language: Language) -> str:
    chance = rng.random()
    if chance < 0.2:
        return amount(rng)
    if chance < 0.36:
        return date(rng, language)
    if chance < 0.4:
        return time(rng)
    if chance < 0.6:
        return filled(rng, rng.choice(_CODES))
    if chance < 0.66:
        return _measure(rng)
    if chance < 0.68:
        return roman(rng.choice((rng.randint(1, 30), rng.randint(1500, 2030)))) + rng.choice(
            ("", ".")
        )
    pool = rng.choice(_POOLS)
    return rng.choice(language.fields[pool])


_POOLS = ("name", "name", "name", "last_name", "address", "address", "address", "city", "company")
_POOLS += ("job", "phone_number", "phone_number", "email", "url", "user_name", "iban")
