r"""LaTeX in pieces: commands, letters, numbers, words, signs, each with its place in the text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from ..errors import CellError, quote

FUNCTIONS = {
    "sigma": "sigmoid",
    "sigmoid": "sigmoid",
    "sigm": "sigmoid",
    "logistic": "sigmoid",
    "tanh": "tanh",
    "erf": "erf",
    "elu": "elu",
    "ELU": "elu",
    "silu": "silu",
    "SiLU": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "GELU": "gelu",
    "sign": "sign",
    "sgn": "sign",
    "round": "round",
    "clip": "clip",
    "relu": "relu",
    "ReLU": "relu",
    "softmax": "softmax",
    "softplus": "softplus",
    "exp": "exp",
    "log": "log",
    "ln": "log",
    "sin": "sin",
    "cos": "cos",
    "LN": "layer_norm",
    "LayerNorm": "layer_norm",
    "mean": "mean",
    "norm": "norm",
    "cumsum": "cumsum",
    "cumax": "cumax",
    "max": "maximum",
    "min": "minimum",
    "sg": "stop_gradient",
    "identity": "identity",
    "concat": "concat",
    "diag": "diag",
}
ZONE = re.compile(
    r"\$\$.*?\$\$|\$.*?\$|\\\[.*?\\\]|\\\(.*?\\\)"
    r"|\\begin\{((?:align|gather|equation|eqnarray|multline|flalign)(?:ed|at)?\*?)\}.*?\\end\{\1\}",
    re.S,
)
OUTER = (
    r"\\(?:begin|end)"
    r"\{(?:align|aligned|alignat|gather|gathered|equation|eqnarray|multline|flalign|split|array)\*?\}"
)
SILENT = re.compile(
    OUTER + r"(?:\{[lrc|\s]*\})?|%[^\n]*|\\(?:label|tag|cite|ref|eqref|vspace|hspace)\*?\{[^}]*\}"
    r"|\\(?:nonumber|notag|displaystyle|textstyle|limits|left\.|right\.|left(?![a-zA-Z])|right(?![a-zA-Z])"
    r"|[bB]igg?[lr]?(?![a-zA-Z])"
    r"|(?:mathbf|boldsymbol|bm|mathit|mathcal|vec|bf|rm)(?![a-zA-Z])|[,:;!> ])|~|\{\s*\}|[ \t\r\f\v\u00a0]+"
)
WORD = re.compile(r"\\(?:mathrm|text|textrm|textit|textbf|operatorname\*?|mathsf|mbox)\s*\{([^{}]*)\}")
BARE = sorted((name for name in FUNCTIONS if len(name) > 2 and name != "sigma"), key=len, reverse=True)
PLAIN = re.compile(rf"(?:{'|'.join(BARE)})(?![a-zA-Z])")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?|\.\d+")
ENVIRONMENT = re.compile(r"(\\begin|\\end)\{(\w+)\*?\}")
COMMAND = re.compile(r"\\(?:[a-zA-Z]+|.)", re.S)
LETTERS = (
    "σ\\sigma ⊙\\odot ∘\\circ ×\\times ·\\cdot ⋅\\cdot ∗* −- –- τ\\tau α\\alpha β\\beta "
    "γ\\gamma δ\\delta ε\\epsilon θ\\theta λ\\lambda μ\\mu ρ\\rho ≤\\leq ≥\\geq ≠\\neq ∧\\land ∨\\lor "
    "φ\\phi ϕ\\phi ψ\\psi ω\\omega ℓ\\ell ⊤\\top"
)
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀ", "0123456789+-T"))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-aehijklmnoprstuvx"))
DECIMAL = re.compile(r"(?<![\w.,])(\d+),(\d+)(?![\d,.])")
UNICODE = {pair[0]: pair[1:] for pair in LETTERS.split()}


@dataclass(frozen=True)
class LatexToken:
    """One piece. kind: command, letter, number, word (several letters), sign, line (a line's end); of \\begin
    and \\end, what is begun."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class LatexSource:
    """The text as it was pasted and what it is called, to quote from."""

    text: str
    name: str
    unbraced: list[str] = field(default_factory=list, compare=False)  # W_hh and the like, as they are read

    @cached_property
    def timed(self) -> bool:
        """Whether a moment t stands somewhere: x_t, x_{t-1}, h_{i,t}, x^{(t)}, x(t)."""
        return (
            re.search(r"[_^]\s*t(?![a-zA-Z])|[_^]\s*\{[^{}]*(?<![a-zA-Z])t(?![a-zA-Z])|\(t(-1)?\)", self.text)
            is not None
        )

    def gives(self, letter: str) -> bool:
        """Whether a letter without a moment is a value of a net without time: its input x,
        or what stands left of =.
        """
        return not self.timed and (
            letter in "xX" or re.search(rf"(?<![a-zA-Z_^{{\\]){letter}\s*=", self.text) is not None
        )

    def wrong(self, at: int, message: str) -> CellError:
        """The error with the line that holds character `at`, and a caret below that character."""
        at = min(at, max(len(self.text.rstrip()) - 1, 0))
        start = self.text.rfind("\n", 0, at) + 1
        line = self.text[start:].split("\n", 1)[0].replace("\t", " ")
        return CellError(quote(self.name, self.text.count("\n", 0, at) + 1, line.rstrip(), at - start, message))


def tokens_of(source: LatexSource) -> list[LatexToken]:
    """The tokens of all mathematics in the text. Raises CellError at a letter that has no meaning here."""
    text, found, at = _mathematics(source), [], 0
    while at < len(text):
        silent = SILENT.match(text, at)
        if silent and silent.end() > at:
            at = silent.end()
            continue
        script = _script(text, at)
        if script:
            found += script
            at += len(script) - 3
            continue
        token, at = _decimal(source, text, at) or _token(source, text, at)
        found.append(token)
    return found


def _kind(letter: str) -> str:
    return "number" if letter.isdigit() else "letter" if letter.isalpha() else "sign"


def _script(text: str, at: int) -> list[LatexToken]:
    """Unicode's own small letters: hₜ₋₁ is h_{t-1}, x² is x^{2}."""
    for sign, letters in (("^", RAISED), ("_", LOWERED)):
        end = at
        while end < len(text) and text[end] in letters:
            end += 1
        if end > at:
            inside = [LatexToken(_kind(letters[text[k]]), letters[text[k]], k) for k in range(at, end)]
            return [
                LatexToken("sign", sign, at),
                LatexToken("sign", "{", at),
                *inside,
                LatexToken("sign", "}", at),
            ]
    return []


def _decimal(source: LatexSource, text: str, at: int) -> tuple[LatexToken, int] | None:
    """0,5 and 0{,}5 where a comma cannot stand between two values."""
    typeset = re.compile(r"(\d+)\{,\}(\d+)").match(text, at)
    found = typeset or DECIMAL.match(text, at)
    if not found:
        return None
    if not typeset:
        around = _opened(re.sub(r"\\(?:left|right)(?![a-zA-Z])", "", text[max(0, at - 2000) : at]))
        last = text[text.rfind("\n", 0, at) + 1 : at]
        if any(re.search(r"\[$|[_^]\{$", before) for before in around) or re.search(
            r"[ijklmnrt]\s*=\s*$", last
        ):
            return None
        if around and re.search(r"\\?(max|min)\s*\($", around[-1]):
            raise source.wrong(
                at,
                f"{found[0]} may be one number or two values. Write {found[1]}.{found[2]}, or {found[1]},"
                f" {found[2]} with a space.",
            )
    return LatexToken("number", f"{found[1]}.{found[2]}", at), found.end()


def _opened(text: str) -> list[str]:
    """The text up to each bracket that is open at its end, the outermost first."""
    found: list[str] = []
    for k, c in enumerate(text):
        if c in "([{":
            found.append(text[: k + 1])
        elif c in ")]}" and found:
            found.pop()
    return found


def _token(source: LatexSource, text: str, at: int) -> tuple[LatexToken, int]:
    environment = ENVIRONMENT.match(text, at)
    if environment:
        return LatexToken(environment[2], environment[1], at), environment.end()
    for kind, pattern in (("word", WORD), ("word", PLAIN), ("number", NUMBER), ("command", COMMAND)):
        match = pattern.match(text, at)
        if match:
            said = match[1] if pattern is WORD else match[0]
            return LatexToken(kind, said.strip(), at), match.end()
    sign = text[at]
    if sign in UNICODE:
        known = UNICODE[sign]
        return LatexToken("command" if known[0] == "\\" else "sign", known, at), at + 1
    if sign == "\n":
        return LatexToken("line", sign, at), at + 1
    if sign.isascii() and sign.isalpha():
        _one_letter_each(source, text, at)
        return LatexToken("letter", sign, at), at + 1
    if sign in "+-*/=()[]{}_^,;.'&|<>:":
        return LatexToken("sign", sign, at), at + 1
    called = f"U+{ord(sign):04X}" if not sign.isascii() else repr(sign)
    raise source.wrong(
        at,
        (
            f"{sign!r} ({called}) is not a sign of this language. Write it as a LaTeX command, e.g. \\odot or"
            " \\tilde{c}."
            if not sign.isascii()
            else f"{sign!r} has no meaning in an equation. Take it out."
        ),
    )


def _one_letter_each(source: LatexSource, text: str, at: int) -> None:
    """Ux_t is U times x_t; a run such as `slow` can only be meant as one name."""
    run = re.compile(r"[a-zA-Z]+").match(text, at)[0]
    if (
        len(run) > 2
        and run[1:].islower()
        and not (at and text[at - 1].isalpha())
        and not re.search(r"[_^]\{[^{}]*$", text[:at])
    ):
        raise source.wrong(
            at,
            f"{run} would be the product of {len(run)} letters. For one name of several letters write "
            f"\\mathrm{{{run}}}; words around equations go outside of $...$ or into \\text{{...}}.",
        )


def _mathematics(source: LatexSource) -> str:
    """The text with everything outside of $...$ and environments blanked, letter for
    letter; all of it without any.
    """
    text = re.sub(r"(?<!\\)%[^\n]*", lambda m: " " * len(m[0]), source.text)
    zones = list(ZONE.finditer(text))
    if not zones:
        if "$" in text:
            raise source.wrong(
                text.index("$"), "this $ has no partner. Close it with a second one, or take it out."
            )
        return text
    outside = ZONE.sub(lambda m: " " * len(m[0]), text)
    if "$" in outside:
        raise source.wrong(
            outside.index("$"), "this $ has no partner. Close it with a second one, or take it out."
        )
    kept = ["\n" if c == "\n" else " " for c in text]
    for zone in zones:
        start, end = zone.span()
        if "=" in zone[0] or "\\leftarrow" in zone[0] or "\\in" in zone[0] and "\\mathbb" in zone[0]:
            marks = 0 if zone[0].startswith("\\begin") else 2 if zone[0][:2] in ("$$", "\\[", "\\(") else 1
            inner = range(start + marks, end - marks)
            kept[start:end] = [text[k] if k in inner else "\n" for k in range(start, end)]
    return "".join(kept)
