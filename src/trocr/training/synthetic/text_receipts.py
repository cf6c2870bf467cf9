"""Lines of shop receipts and simple invoices, mostly as printed in English-speaking shops."""

from __future__ import annotations

from random import Random

from .phrases import PHRASES
from .text_corpora import Language
from .text_fields import amount, date, filled, time

_RECEIPTS = PHRASES["receipts"]
_BEFORE_PRICE = ("RM", "RM ", "$", "$", "£", "€", "S$", "MYR ", "-", "-$")
_AFTER_PRICE = ("", "", "", "", " SR", " S", " Z", " T", "A", "*", "-", " ZRL", " N")
_AFTER_COMMA = ("", "", " €", "€", " EUR", " A", " B")
_TOTAL_GAPS = (" ", " ", ": ", " : ", ":", " RM ", " (RM): ", " = ")
_CODES = ("#############", "######", "?##", "####", "#######")


def draw_receipt(rng: Random, language: Language) -> str:
    """A cell or a whole line of a receipt; seven in ten in capitals."""
    (draw,) = rng.choices(_DRAWN, weights=_WEIGHTS)
    line = draw(rng, language)
    chance = rng.random()
    if chance < 0.7:
        return line.upper()
    return line.title() if chance < 0.9 else line


def price(rng: Random) -> str:
    """A small amount, with what cash registers put before or after it."""
    number = f"{10 ** rng.uniform(-0.5, 2.6):.2f}"
    chance = rng.random()
    if chance < 0.12:
        return number.replace(".", ",") + rng.choice(_AFTER_COMMA)
    if chance < 0.4:
        return rng.choice(_BEFORE_PRICE) + number
    return number + rng.choice(_AFTER_PRICE)


def _price(rng: Random, language: Language) -> str:
    return price(rng) if rng.random() < 0.85 else amount(rng)


def _total(rng: Random, language: Language) -> str:
    name = rng.choice(_RECEIPTS["totals"])
    if rng.random() < 0.2:
        return f"{name}{rng.choice(('', ':', ' :', ' (RM)', ' RM'))}"
    return f"{name}{rng.choice(_TOTAL_GAPS)}{price(rng)}"


def _fact(rng: Random, language: Language) -> str:
    return filled(rng, rng.choice(_RECEIPTS["facts"]))


def _goods(rng: Random) -> str:
    words = rng.sample(_RECEIPTS["goods"], rng.randint(1, 3))
    if rng.random() < 0.45:
        words.append(filled(rng, rng.choice(_RECEIPTS["sizes"])))
    return rng.choice((" ", " ", " ", "-", "/", ".")).join(words)


def _item(rng: Random, language: Language) -> str:
    form: str = rng.choice(_RECEIPTS["items"])
    return form.format(
        g=_goods(rng),
        n=rng.choice((1, 1, 1, 2, 2, 3, rng.randint(4, 144))),
        p=price(rng),
        q=price(rng),
        c=filled(rng, rng.choice(_CODES)),
        l=rng.randint(1, 20),
    )


def _when(rng: Random, language: Language) -> str:
    if rng.random() < 0.1:
        return f"TIME: {time(rng)}"
    line = f"{rng.randint(1, 31):02}/{rng.randint(1, 12):02}/{rng.randint(2005, 2030)}"
    if rng.random() < 0.4:
        line = date(rng, language)
    line = f"{rng.choice(_RECEIPTS['dates'])}{line}"
    return line if rng.random() < 0.65 else f"{line} {time(rng)}"


def _shop(rng: Random, language: Language) -> str:
    surnames = language.fields["last_name"]
    name = rng.choice((rng.choice(surnames), rng.choice(language.words[:8000])))
    if rng.random() < 0.5:
        name += f" {rng.choice((rng.choice(surnames), rng.choice(_RECEIPTS['goods'])))}"
    return f"{name} {rng.choice(_RECEIPTS['shops'])}"


def _place(rng: Random, language: Language) -> str:
    if rng.random() < 0.35:
        return rng.choice(language.fields["address"])
    names = rng.sample(_RECEIPTS["places"], rng.randint(1, 2))
    form: str = rng.choice(_RECEIPTS["place_forms"])
    return form.format(
        s=" ".join([rng.choice(_RECEIPTS["streets"]), *names]),
        n=filled(rng, rng.choice(_RECEIPTS["numbers"])),
        k=rng.randint(1, 30),
        p=filled(rng, "#####"),
        t=rng.choice(_RECEIPTS["towns"]),
        u=rng.choice(_RECEIPTS["towns"]),
    )


def _text(rng: Random, language: Language) -> str:
    text: str = rng.choice(_RECEIPTS["texts"])
    return text if rng.random() < 0.85 else str(rng.choice(_RECEIPTS["around"])).format(text)


_DRAWN = (_total, _fact, _item, _when, _shop, _place, _text, _price)
_WEIGHTS = (18, 22, 22, 8, 6, 8, 14, 12)
