"""The documentation's site: `python -m docs.builder` writes it.

`static/katex` is KaTeX 0.19.1 (MIT), unchanged but for the fonts' older formats, which are left out.
"""
