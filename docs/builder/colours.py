"""The pictures' colours for a page whose reader has chosen light or dark with the page's own switch."""

from __future__ import annotations

from unrolled.views.ink import INK


def picture_rules() -> str:
    """CSS. The pictures follow the system by themselves; the switch of the page (furo's
    `data-theme`) goes before it.

    >>> print(picture_rules()[:40])
    body[data-theme="light"] :is(.unrolled-p
    """
    sides = [
        f'body[data-theme="{theme}"] :is(.unrolled-picture,.unrolled-figure){{'
        + "".join(f"--{name}:{pair[side]};" for name, pair in INK.items())
        + "}"
        for side, theme in enumerate(("light", "dark"))
    ]
    return f"@media screen{{{''.join(sides)}}}\n"
