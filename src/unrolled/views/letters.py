"""How wide letters are, so that a picture knows its labels' sizes before anybody draws them.

Advance widths in thousandths of the type size, of Times and of the faces made to its measure (Times New
Roman, Liberation Serif, Nimbus Roman). A face that a reader has instead is a little wider at most:
labels have that much room.
"""

from __future__ import annotations

import unicodedata

UPRIGHT = {
    180: "'",
    200: "|",
    250: " ,.·",
    278: "/:;\\ijlt",
    300: "²",
    333: "!()-I[]`fr",
    389: "Js",
    408: '"',
    444: "?acezχ",
    469: "^",
    480: "{}",
    500: "#$*0123456789_bdghknopquvxyαβγδεζηθικλνξπρστυ",
    541: "~",
    549: "÷√≤≥∂",
    556: "FPSμφ",
    564: "+<=>−×",
    611: "ELTZΓΣ",
    667: "BCRψωΔΞ",
    722: "ADGHKNOQUVXYwΘΠΥΛΦΨΩ∑∞",
    778: "&m",
    833: "%",
    889: "M",
    921: "@",
    944: "W",
    1000: "…→⊙∘",
}
SLANTED = {
    214: "'",
    250: " ,.·",
    278: "/\\fijltι",
    333: "!()-:;I`",
    389: "[]rszτ",
    420: '"γεζξλ^{}',
    444: "Jcekvxyνχ",
    500: "#$*0123456789?S_abdghnopquαβδηθκμπρσυ",
    556: "LTYZΥφ",
    611: "ABEFPRVXΓΔΣΛ",
    667: "CKNwψΞ",
    675: "+<=>−×",
    722: "DGHOQUmωΘΠΨΩ",
    770: "&Φ",
    833: "%MW",
    920: "@",
}
OTHER = 720  # what is in neither table
WIDTHS = tuple({c: w for w, letters in table.items() for c in letters} for table in (UPRIGHT, SLANTED))


def width(text: str, size: float, slanted: bool = False) -> float:
    """How wide a text is, in the units of `size`. Marks that stand over a letter take no room.

    >>> width("Wx", 10), width("x", 10, slanted=True)
    (14.44, 4.44)
    """
    found = WIDTHS[slanted]
    return sum(found.get(c, OTHER) for c in text if not unicodedata.combining(c)) * size / 1000
