"use strict";
// Airflow shows the page in a frame that may open no tab: there the links that leave the page are opened by Airflow's own document.
if (window.top !== window.self) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[target]");
    if (!link || event.button !== 0) return;
    let outer;
    try { outer = window.top.document; } catch { return; }
    event.preventDefault();
    const twin = outer.createElement("a");
    twin.href = link.href;
    twin.target = "_blank";
    twin.rel = "noopener noreferrer";
    twin.click();
  });
}
