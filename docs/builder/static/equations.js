// Sets every equation of the page with KaTeX, which is beside this file: nothing is fetched from elsewhere.
document.addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll(".math")) {
    katex.render(place.textContent, place, { displayMode: place.tagName === "DIV", throwOnError: false, strict: "ignore", maxExpand: 100000 });
  }
});
