// Swaps the parts of a page that have changed, as the server renders them. No part of a page is
// made here. A page that nobody sees closes its stream: a browser has few for each server.
"use strict";
(() => {
  const at = document.body.dataset.live;
  const shown = document.getElementById("stream");
  const word = document.getElementById("stream-word");
  let stream = null;
  let again = 0;
  let wait = 1000;

  const tell = (kind, text) => {
    if (!shown) return;
    shown.dataset.kind = kind;
    if (word.textContent !== text) word.textContent = text;
  };

  // What a person has opened, and where the focus is, outlives the swap.
  const swap = (id, html) => {
    const old = document.getElementById(id);
    if (!old) return;
    const made = document.createElement("template");
    made.innerHTML = html;
    if (made.innerHTML === old.innerHTML) return; // the first words of a stream are the page's own
    const active = document.activeElement;
    if (old.contains(active) && active.matches("input, select, textarea")) return;
    const key = (one) => one.id || one.getAttribute("href") || one.textContent;
    const same = () => [...old.querySelectorAll("a, button, summary, [tabindex]")].filter((one) => key(one) === held);
    const held = old.contains(active) ? key(active) : null;
    const place = held === null ? 0 : same().indexOf(active);
    const open = [...old.querySelectorAll("details[open]")].map((one) => one.id);
    old.innerHTML = html;
    for (const one of open) {
      const found = one && document.getElementById(one);
      if (found) found.open = true;
    }
    if (held !== null) {
      const found = same();
      if (found.length) found[Math.max(0, Math.min(place, found.length - 1))].focus({ preventScroll: true });
    }
    document.dispatchEvent(new CustomEvent("part", { detail: old }));
  };

  const later = () => {
    clearTimeout(again);
    again = setTimeout(begin, wait);
    wait = Math.min(wait * 2, 30000);
  };

  const end = () => {
    clearTimeout(again);
    if (stream) stream.close();
    stream = null;
  };

  const begin = () => {
    end();
    if (document.hidden) return;
    stream = new EventSource(at);
    stream.addEventListener("open", () => { wait = 1000; tell("good", "live"); });
    stream.addEventListener("part", (event) => {
      const told = JSON.parse(event.data);
      tell("good", "live");
      swap(told.id, told.html);
    });
    stream.addEventListener("trouble", (event) => tell("warn", JSON.parse(event.data).text));
    stream.addEventListener("left", () => location.reload());
    stream.addEventListener("error", () => {
      tell("warn", "not connected, trying again");
      if (stream && stream.readyState === EventSource.CLOSED) later();
    });
  };

  if (at) {
    tell("idle", "connecting");
    document.addEventListener("visibilitychange", () => (document.hidden ? end() : begin()));
    addEventListener("pagehide", end);
    begin();
  }

  // On a telephone the pages lie side by side, and this one may lie beyond the edge.
  const pages = document.getElementById("nav");
  const here = pages && pages.querySelector("[aria-current]");
  if (here && pages.scrollWidth > pages.clientWidth) pages.scrollLeft = here.offsetLeft - (pages.clientWidth - here.offsetWidth) / 2;

  // A row of a table leads where its first link leads.
  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-row]");
    if (!row || event.target.closest("a, button, summary, input") || String(getSelection())) return;
    const link = row.querySelector("a");
    if (link) link.click();
  });
})();
