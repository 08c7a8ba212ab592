// A picture fits its column. A click, or Enter on it, shows it large over the page, where it can be scrolled; another one, or Escape, puts it back.
document.addEventListener("DOMContentLoaded", () => {
  const shown = () => document.querySelector("figure.picture.whole");
  const turn = (figure) => {
    const other = shown();
    if (other) other.classList.remove("whole");
    if (figure && figure !== other) figure.classList.add("whole");
  };
  for (const figure of document.querySelectorAll("figure.picture")) {
    figure.tabIndex = 0;
    figure.addEventListener("click", () => { if (!String(getSelection())) turn(figure); });
    figure.addEventListener("keydown", (event) => { if (event.key === "Enter") turn(figure); });
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") turn(null); });
  // Words say so where a picture is much smaller than it was drawn. What is folded has no width until it is opened.
  const mark = () => {
    for (const figure of document.querySelectorAll("figure.picture:not(.whole)")) {
      const picture = figure.querySelector("svg");
      if (picture && picture.clientWidth)
        figure.classList.toggle("smaller", picture.clientWidth < 0.75 * picture.viewBox.baseVal.width * 4 / 3);
    }
  };
  addEventListener("resize", mark);
  document.addEventListener("toggle", mark, true);
  mark();
});
