"""Fields of forms, invoices and address lines: amounts, dates, codes, names, addresses."""

from __future__ import annotations

from random import Random

from .phrases import PHRASES
from .text_corpora import Language

_FIELDS = PHRASES["fields"]
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARKS = {"#": "0123456789", "?": _UPPER, "*": _UPPER.lower()}
_ROMAN = {1000: "M", 900: "CM", 500: "D", 400: "CD", 100: "C", 90: "XC", 50: "L", 40: "XL"}
_ROMAN |= {10: "X", 9: "IX", 5: "V", 4: "IV", 1: "I"}
_LABEL_ENDS = (": ", ":", " : ", " ", ". ", " - ", " = ")
_BETWEEN = (" ", ", ", " - ", " / ", "; ")


def draw_field(rng: Random, language: Language) -> str:
    """One field, often with its label, sometimes two beside each other."""
    value = _value(rng, language)
    chance = rng.random()
    if chance < 0.2:
        labels = _FIELDS["labels"]
        label = rng.choice(labels.get(language.code, labels["en"]))
        return f"{label}{rng.choice(_LABEL_ENDS)}{value}"
    if chance < 0.3:
        return value + rng.choice(_BETWEEN) + _value(rng, language)
    if chance < 0.34:
        return str(rng.choice(_FIELDS["around"])).format(value)
    return value


def _value(rng: Random, language: Language) -> str:
    chance = rng.random()
    if chance < 0.2:
        return amount(rng)
    if chance < 0.36:
        return date(rng, language)
    if chance < 0.4:
        return time(rng)
    if chance < 0.6:
        return filled(rng, rng.choice(_FIELDS["codes"]))
    if chance < 0.66:
        return _measure(rng)
    if chance < 0.68:
        number = rng.choice((rng.randint(1, 30), rng.randint(1500, 2030)))
        return roman(number) + rng.choice(("", "."))
    return rng.choice(language.fields[rng.choice(_FIELDS["pools"])])


def amount(rng: Random) -> str:
    """A number of money, with the separators of some country and often a currency."""
    cents = int(10 ** rng.uniform(0, 7.5))
    thousands, point = rng.choice((",.", ",.", ",.", ".,", " ,", "'.", "_.", "_,"))
    number = f"{cents // 100:,}".replace(",", thousands.strip("_"))
    if rng.random() < 0.8:
        number += f"{point}{cents % 100:02}"
    else:
        number += rng.choice(("", "", ".-", ",-", ",--"))
    chance = rng.random()
    if chance < 0.35:
        return number
    currency, gap = rng.choice(_FIELDS["currencies"]), rng.choice(("", " "))
    line = f"{currency}{gap}{number}" if chance < 0.65 else f"{number}{gap}{currency}"
    return line if rng.random() < 0.9 else rng.choice(("-{}", "({})", "+ {}", "= {}")).format(line)


def date(rng: Random, language: Language) -> str:
    """A date in digits or with the name of the month, sometimes with a time."""
    day, month, year = rng.randint(1, 31), rng.randint(1, 12), rng.randint(1850, 2035)
    if rng.random() < 0.5:
        line = _in_digits(rng, day, month, year)
    else:
        name = rng.choice(language.fields["month_name"])
        line = rng.choice(_FIELDS["dates"]).format(
            d=day,
            m=name,
            s=name[:3],
            y=year,
            t=f"{year % 100:02}",
            w=rng.choice(language.fields["day_of_week"]),
        )
    return line if rng.random() < 0.85 else f"{line} {time(rng)}"


def _in_digits(rng: Random, day: int, month: int, year: int) -> str:
    short = f"{year % 100:02}" if rng.random() < 0.3 else str(year)
    parts = [f"{day:02}", f"{month:02}", short]
    chance = rng.random()
    if chance < 0.2:
        parts = [str(day), str(month), short]
    elif chance < 0.35:
        parts = [str(year), f"{month:02}", f"{day:02}"]
    return rng.choice("//..-- ").join(parts)


def time(rng: Random) -> str:
    """A time of day."""
    hour, minute, second = rng.randrange(24), f"{rng.randrange(60):02}", f"{rng.randrange(60):02}"
    if rng.random() < 0.25:
        half = rng.choice(("AM", "am", "a.m.") if hour < 12 else ("PM", "pm", "p.m."))
        shown = rng.choice((f":{minute}", f":{minute}:{second}", ""))
        return f"{hour % 12 or 12}{shown}{rng.choice((' ', ''))}{half}"
    forms = (f"{hour:02}:{minute}", f"{hour:02}:{minute}:{second}", f"{hour}h{minute}")
    return rng.choice((*forms, f"{hour} h {minute}"))


def filled(rng: Random, pattern: str) -> str:
    """A pattern with a digit for each ``#``, a capital for ``?``, a small letter for ``*``."""
    return "".join(rng.choice(_MARKS[mark]) if mark in _MARKS else mark for mark in pattern)


def roman(number: int) -> str:
    """A number from 1 to 3999 in Roman numerals."""
    numeral = ""
    for value, sign in _ROMAN.items():
        count, number = divmod(number, value)
        numeral += sign * count
    return numeral


def _measure(rng: Random) -> str:
    number = f"{10 ** rng.uniform(-1, 4):.{rng.choice((0, 0, 1, 2))}f}"
    if rng.random() < 0.4:
        number = number.replace(".", ",")
    return f"{number}{rng.choice(('', ' '))}{rng.choice(_FIELDS['units'])}"
