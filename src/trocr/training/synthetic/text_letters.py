"""Lines of French and English letters, wills and minutes of about 1830 to 1960.

A caret between two letters or digits says that what follows it, up to the next character that is
neither, stands raised: ``M^r``, ``20^e``. The caret itself is not on the paper.
"""

from __future__ import annotations

from random import Random

from .text_corpora import Language, draw_prose, line_length

_ABBREVIATIONS = {
    "fr": "M^r M^rs M^me M^mes M^lle M^lles M^gr D^r S^t S^te N^o n^o C^ie C^t L^t Col^l G^al Cap^ne Sg^t"
    " Rég^t 1^er 1^ère 2^e 3^e 4^e 5^e 8^e 12^e 14^e 19^e 20^e 2^me 3^ème 7^bre 8^bre 9^bre X^bre P^s f^co"
    " c^te M^is B^on V^ve V^e N^tre V^tre not^re s^r h^re arr^t dép^t f^bg b^d av^ue",
    "en": "M^r M^rs D^r S^t Esq^r Esq^re Sen^r Jun^r Gen^l Col^l Cap^t L^t Gov^r Sec^y Hon^ble Rev^d W^m"
    " Jn^o Geo^e Tho^s Rob^t Ch^s Ja^s 1^st 2^nd 3^rd 4^th 5^th 10^th 21^st 22^nd rec^d inst^t ult^o y^r"
    " y^e w^h ob^t serv^t aff^ly D^o N^o C^o acc^t am^t Dec^r Nov^r Oct^r Sept^r Feb^y Jan^y",
}
_MONTHS = {
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "en": "January February March April May June July August September October November December",
}
_TOWNS = {
    "fr": "Paris Lyon Marseille Bordeaux Toulouse Lille Nantes Rouen Genève Bruxelles Versailles Tours Caen"
    " Verdun Reims Amiens Dijon Nancy Orléans Angers Rennes Strasbourg Avignon Alger Londres Épernay",
    "en": "London New\xa0York Boston San\xa0Francisco Oxford Edinburgh Dublin Liverpool Chicago Manchester Bath"
    " Washington Philadelphia Cambridge Bristol Baltimore York Glasgow Palo\xa0Alto Honolulu Albany",
}
_GREETINGS = {
    "fr": "Monsieur,|Madame,|Mon cher ami,|Ma chère Mère,|Mon cher Papa,|Cher Monsieur,|Mes chers parents,"
    "|Ma chère petite femme,|Bien chers tous,|Monsieur le Maire,|Monsieur le Ministre,|Mon Général,"
    "|Chère Mademoiselle,|Mon bien cher frère,|Citoyens,|Messieurs,|Monsieur le Rédacteur,|Chère amie,",
    "en": "Dear Sir,|Dear Madam,|My dear Friend,|My dear Mother,|Dear Sirs:-|Gentlemen:-|Dear Mr. {n},|Sir,"
    "|My dear M^rs {n},|Honored Sir,|Dear Father,|My dearest wife,|To whom it may concern:|Dear Cousin,",
}
_CLOSINGS = {
    "fr": "Veuillez agréer, Monsieur,|l'expression de mes sentiments distingués.|Votre tout dévoué|Bien à vous,"
    "|Je vous embrasse tous bien fort|Mille baisers de ton mari qui t'aime|Votre fils affectionné,|Adieu,"
    "|Recevez, Madame, mes salutations respectueuses|Je suis, Monsieur, votre très humble|et obéissant serviteur."
    "|Fait à {t}, le {d} {m} {y}|Lu et approuvé|Pour copie conforme,|Signé : {n}|Le Maire,|Le Secrétaire,|P. S.",
    "en": "Yours truly,|Yours very truly,|Yours sincerely,|Very respectfully yours,|I remain, dear Sir,"
    "|Your obedient servant,|Your ob^t serv^t|With kind regards to all,|Believe me, yours faithfully,|P. S."
    "|Your affectionate son,|Respectfully,|Signed: {n}|Secretary.|Attest:|Witness my hand this {d}^th day of {m}",
}
_PIECES = {
    "fr": "Je soussigné {n}|né à {t} le {d} {m} {y}|demeurant à {t}|domicilié {a}|sain de corps et d'esprit"
    "|donne et lègue à ma femme {n}|la totalité de ce que je possède|institue pour légataire universelle|je révoque tout testament antérieur"
    "|Ceci est mon testament.|écrit en entier de ma main|soldat au {r} régiment d'infanterie|mobilisé depuis le {d} {m}"
    "|J'ai bien reçu ta lettre du {d} {m}|qui m'a fait grand plaisir|je me porte toujours bien|et j'espère que la présente|vous trouvera de même"
    "|le temps est très mauvais ici|nous partons demain pour {t}|Je n'ai pas encore reçu le colis|que tu m'as envoyé|tu diras bien le bonjour"
    "|à tous les amis et à {n}|je t'écrirai plus longuement dimanche|il fait un froid terrible|la récolte a été bonne cette année"
    "|L'an mil huit cent {w}|le {d} {m} à {h} heures du matin|par devant nous, {n}|officier de l'état civil|est comparu le sieur {n}|âgé de {w} ans, cultivateur"
    "|lequel nous a déclaré|Monsieur le Président donne la parole|à {n}|La séance est ouverte à {h} heures|le procès-verbal est lu et adopté"
    "|la somme de {f} francs|{f} fr. {c}|payable le {d} {m}|reçu de {n}|Étaient présents : {n}|voir page {h}|il y avait autrefois|c'était un homme de bien"
    "|qu'il n'eût pas été possible|à la tête de ses troupes|le peuple de {t} s'était levé|dans les premiers jours de {m}|au milieu de la nuit|elle ne répondit rien",
    "en": "I received your letter of the {d}^th inst^t|and was very glad to hear from you|I am in good health|and hope these few lines|will find you the same"
    "|the weather has been very cold|we leave for {t} on the {d}^th|I have the honor to acknowledge|the receipt of your favor of|{m} {d}^th {y}"
    "|in reply I beg to state|Enclosed please find the sum of|${f}.{c} in payment of|I beg to inform you|that the matter has been referred|to Mr. {n}"
    "|at your earliest convenience|the funeral of the late {n}|it is with deep regret|Resolved, that|be it further resolved|moved by Mr. {n}, seconded|and carried unanimously"
    "|the said {n} of {t}|do hereby give and bequeath|to my beloved wife|all my real and personal estate|Know all men by these presents|born at {t}, {m} {d}, {y}"
    "|we marched about {h} miles today|the enemy retreated towards {t}|tell Mother not to worry|Give my love to all|your loving brother {n}|I have not heard from {n}"
    "|since the {d}^th of {m}|he was a most worthy man|there is nothing new here|page {h}|a meeting was held at {t}|on {m} {d}, {y}, at {h} o'clock|in the matter of the estate",
}
_NUMBERS = {
    "fr": "dix vingt trente quarante cinquante soixante vingt-cinq trente-deux quarante-huit soixante-dix quatre-vingt",
    "en": "ten twenty thirty forty fifty sixty seventy eighty ninety forty-five",
}


def draw_letter(rng: Random, language: Language, prose: Language) -> str:
    """One line: English of an English language, French of any other.

    Args:
        rng: where chance comes from.
        language: gives the names and addresses.
        prose: gives the running text that abbreviations are put into.
    """
    code = "en" if language.code == "en" else "fr"
    chance = rng.random()
    if chance < 0.14:
        line = _dateline(rng, code)
    elif chance < 0.2:
        line = rng.choice(_GREETINGS[code].split("|"))
    elif chance < 0.26:
        line = rng.choice(_CLOSINGS[code].split("|"))
    elif chance < 0.6:
        line = _running(rng, code)
    elif chance < 0.9:
        line = _abbreviated(rng, code, draw_prose(rng, prose))
    else:
        line = _signature(rng, code)
    return _as_written(rng, _completed(rng, line, code, language))


def _dateline(rng: Random, code: str) -> str:
    if code == "fr":
        return rng.choice(("{t}, le {d} {m} {y}", "{t} le {d} {m} {y}", "Le {d} {m} {y}", "{t}, {d} {m} {y}.",
                           "{t} le 1^er {m} {y}", "Ce {d} {m}", "Aux armées, le {d} {m} {y}", "le {d}/{h}/{y}"))  # fmt: skip
    return rng.choice(("{t}, {m} {d}, {y}.", "{t} {m} {d}^th {y}", "{m} {d}th, {y}", "{d}^th {m} {y}.",
                       "{t}, {d}th {m}, {y}", "{m} {d}, 190{k}", "{t}, Cal., {m} {d}, {y}."))  # fmt: skip


def _running(rng: Random, code: str) -> str:
    """Set phrases one after the other, cut as the edge of the paper cuts them."""
    pieces, line = _PIECES[code].split("|"), ""
    target = max(line_length(rng), 12)
    while len(line) < target:
        line += rng.choice((" ", " ", ", ", ". ", "; ")) + rng.choice(pieces)
    return line.lstrip(" ,.;")


def _abbreviated(rng: Random, code: str, line: str) -> str:
    """Prose with one or two abbreviations among its words."""
    words = line.replace("{", "").replace("}", "").split(" ")
    for _ in range(rng.randint(1, 2)):
        short = rng.choice(_ABBREVIATIONS[code].split())
        words.insert(rng.randint(0, len(words)), short + rng.choice(("", "", "", ".", ",")))
    return " ".join(words)


def _signature(rng: Random, code: str) -> str:
    titles = (
        ("", "", "M^r ", "M^me ", "D^r ", "V^ve ", "M. ")
        if code == "fr"
        else ("", "", "M^rs ", "D^r ", "W^m ", "Mr. ")
    )
    return (
        rng.choice(titles)
        + "{n}"
        + rng.choice(("", "", ".", ",", " -", " & C^ie" if code == "fr" else " & C^o"))
    )


def _completed(rng: Random, line: str, code: str, language: Language) -> str:
    if "{" not in line:
        return line
    names = language.fields["name" if rng.random() < 0.5 else "last_name"]
    return line.format(
        t=rng.choice(_TOWNS[code].split(" ")).replace("\xa0", " "),
        d=rng.randint(4, 30),
        m=rng.choice(_MONTHS[code].split()),
        y=rng.randint(1830, 1962),
        n=rng.choice(names),
        a=rng.choice(language.fields["address"]),
        r=f"{rng.randint(2, 150)}^e",
        h=rng.randint(2, 12),
        k=rng.randint(0, 9),
        w=rng.choice(_NUMBERS[code].split()),
        f=rng.choice(
            (
                rng.randint(2, 90),
                f"{rng.randint(1, 30)}00",
                f"{rng.randint(1, 9)}.{rng.randint(100, 999)}",
            )
        ),
        c=f"{rng.randint(0, 99):02}",
    )


def _as_written(rng: Random, line: str) -> str:
    """Marks of drafts: an opening quote or dash, a hyphen, an insertion, a curled apostrophe."""
    if rng.random() < 0.5:
        line = line.replace("'", "’")
    chance = rng.random()
    if chance < 0.05:
        return (
            rng.choice(('"', '" ', "- ", "— ", "-", "« ", "(", "_ ", "+ ", "x ", "→ ", "[")) + line
        )
    if chance < 0.1:
        return line + rng.choice(
            (" -", "-", " —", ".-", ",", " »", '"', " :", ";", ")", " &", "...", "]", " {")
        )
    if chance < 0.12:
        words = line.split(" ")
        words.insert(rng.randint(0, len(words)), "⋎")
        return " ".join(words)
    return line
