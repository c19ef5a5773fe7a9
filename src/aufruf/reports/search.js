"use strict";
// Adds what a page cannot do without a script: a search box, and telling a screen reader how many texts are left.
(() => {
  const box = document.getElementById("search");
  const cards = [...document.querySelectorAll(".finding")];
  const fold = (said) => said.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const texts = cards.map((card) => fold(card.textContent));
  const told = document.querySelector(".tally"), of = told.textContent;
  told.classList.add("told");
  told.setAttribute("role", "status");
  told.parentNode.prepend(told);
  const tell = () => {
    told.textContent = cards.filter((card) => card.offsetParent !== null).length.toLocaleString("en") + of;
  };
  const find = () => {
    const words = fold(box.value).split(/\s+/).filter(Boolean);
    cards.forEach((card, at) => card.classList.toggle("missed", !words.every((word) => texts[at].includes(word))));
    tell();
  };
  box.closest("[hidden]").hidden = false;
  box.addEventListener("input", find);
  document.querySelector(".filters").addEventListener("change", tell);
  find(); // a browser that comes back to the page has kept what was typed
})();
