// Sets every equation of the page with KaTeX, which is beside this file: nothing is fetched from elsewhere. Where it is wider than its
// column, what is said to the right of its rows goes below them; then it is made smaller, as far as it can be read, and then it scrolls
// in its own box.
document.addEventListener("DOMContentLoaded", () => {
  const set = (place, tex) => {
    if (place.set === tex) return;
    place.set = tex;
    katex.render(tex, place, { displayMode: place.tagName === "DIV", throwOnError: false, strict: "ignore", maxExpand: 100000 });
  };
  const SAID = / && (\\text\{(?:[^{}]|\{[^{}]*\})*\})(?=\s*(?:\\\\|\\end))/g;
  for (const place of document.querySelectorAll(".math")) {
    place.wide = place.textContent;
    place.narrow = place.wide.replace(SAID, " \\\\[-.2em]\n  &\\quad {\\footnotesize $1}");
    set(place, place.wide);
  }
  const SCREEN = 0.5, PRINT = 0.35; // of its size, at least
  const PAGE = 180 * 96 / 25.4, PRINTED = 13.33 / 16; // a printed page's width in pixels, and its letters' size beside the screen's
  const fit = (printed) => {
    const places = [...document.querySelectorAll("div.math")];
    for (const place of places) {
      place.style.fontSize = "";
      set(place, place.wide);
    }
    if (!printed) for (const place of places.filter((p) => p.clientWidth && p.scrollWidth > p.clientWidth)) set(place, place.narrow);
    const scales = places.map((place) => {
      if (!place.clientWidth) return 1;
      if (printed) return Math.max(PRINT, Math.min(1, PAGE / (place.scrollWidth * PRINTED)));
      return place.scrollWidth > place.clientWidth ? Math.max(SCREEN, 0.99 * place.clientWidth / place.scrollWidth) : 1;
    });
    places.forEach((place, n) => { if (scales[n] < 1) place.style.fontSize = `${scales[n]}em`; });
  };
  document.fonts.ready.then(() => fit(false));
  document.fonts.addEventListener("loadingdone", () => fit(false)); // letters that were asked for only when equations were set
  addEventListener("resize", () => fit(false));
  document.addEventListener("toggle", () => fit(false), true);
  addEventListener("beforeprint", () => fit(true));
  addEventListener("afterprint", () => fit(false));
});
