// A picture wider than its column scrolls; a click, or Enter on it, shows the whole of it over the page, and another one puts it back.
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
  // What is folded has no width until it is opened.
  const mark = () => {
    for (const figure of document.querySelectorAll("figure.picture:not(.whole)"))
      if (figure.clientWidth) figure.classList.toggle("wider", figure.scrollWidth > figure.clientWidth + 1);
  };
  addEventListener("resize", mark);
  document.addEventListener("toggle", mark, true);
  mark();
});
