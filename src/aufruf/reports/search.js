"use strict";
// Adds what a page cannot do without a script: a search box, and the filters kept in the address. It only hides and shows.
(() => {
  const box = document.getElementById("search");
  const cards = [...document.querySelectorAll(".finding")];
  const fold = (said) => said.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const texts = cards.map((card) => fold(card.textContent));
  const find = () => {
    const words = fold(box.value).split(/\s+/).filter(Boolean);
    cards.forEach((card, at) => card.classList.toggle("missed", !words.every((word) => texts[at].includes(word))));
  };
  box.closest("[hidden]").hidden = false;
  box.addEventListener("input", find);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      box.focus();
    }
  });
  find(); // a browser that comes back to the page has kept what was typed
})();
