// Asks while the page stays: each ticked tier on its own, its answer shown as it comes. What comes
// is text and nothing else; the table of prices is rendered by the server.
"use strict";
(() => {
  const form = document.getElementById("play");
  if (!form) return;
  const stop = document.getElementById("stop");
  const only = document.getElementById("local_only");
  const boxes = [...form.querySelectorAll("[data-tier]")];
  let running = new AbortController();
  let pricing = null;

  const usd = (text) => {
    const value = Number(text);
    return value === 0 || value >= 0.01 ? `$${value.toFixed(2)}` : `$${value.toFixed(6).replace(/0+$/, "")}`;
  };
  const took = (seconds) => seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;

  const body = (tier) => {
    const fields = new URLSearchParams(new FormData(form));
    if (tier) fields.set("tier", tier);
    return fields;
  };

  // Each line of an answer that comes line by line.
  const lines = async (url, tier, signal, hear) => {
    const answer = await fetch(url, { method: "POST", body: body(tier), signal });
    if (!answer.ok || !answer.body) throw new Error(`refused (${answer.status}); load the page again`);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      for (const part of parts) if (part) hear(JSON.parse(part));
    }
  };

  const card = (tier) => {
    const found = [...document.querySelectorAll("[data-answer]")].find((one) => one.dataset.answer === tier);
    const field = (name) => found.querySelector(`[data-field="${name}"]`);
    return { found, field, set: (name, text) => { field(name).textContent = text; } };
  };

  const empty = (one) => {
    one.found.hidden = false;
    for (const name of ["text", "thinking", "error"]) one.set(name, "");
    for (const name of ["cost", "first", "seconds", "tokens", "rate"]) one.set(name, "–");
    one.field("error").hidden = true;
    one.field("thought").hidden = true;
    one.found.setAttribute("aria-busy", "true");
  };

  const fail = (one, text) => {
    one.set("state", "no whole answer");
    one.set("error", text);
    one.field("error").hidden = false;
  };

  const hear = (one, told, began) => {
    if (told.kind === "text" || told.kind === "thinking") {
      if (one.field("first").textContent === "–") one.set("first", took((performance.now() - began) / 1000));
      one.field(told.kind).append(told.text);
      if (told.kind === "thinking") one.field("thought").hidden = false;
      one.set("state", told.kind === "text" ? "answering" : "thinking");
    } else if (told.kind === "head") {
      one.set("model", told.model);
      one.set("state", told.fallback ? `reading; ${told.fallback}` : "reading");
    } else if (told.kind === "error") {
      fail(one, told.message);
      if (told.cost_usd) one.set("cost", usd(told.cost_usd));
    } else {
      one.set("state", told.finish === "length" ? "done: cut at the most tokens" : "done");
      if (told.cost_usd !== undefined) one.set("cost", usd(told.cost_usd) + (told.estimated ? " (estimated)" : ""));
      if (told.first_token_seconds != null) one.set("first", took(told.first_token_seconds));
      if (told.seconds !== undefined) one.set("seconds", took(told.seconds));
      if (told.output_tokens !== undefined) one.set("tokens", `${told.prompt_tokens.toLocaleString("en")} + ${told.output_tokens.toLocaleString("en")}`);
      if (told.tokens_per_second) one.set("rate", `${Math.round(told.tokens_per_second)} tokens/s`);
    }
  };

  const ask = async (tier, signal) => {
    const one = card(tier);
    const began = performance.now();
    empty(one);
    one.set("state", "waiting");
    const clock = setInterval(() => one.set("seconds", took((performance.now() - began) / 1000)), 100);
    try {
      await lines(form.dataset.stream, tier, signal, (told) => {
        if (told.kind === "end" || told.kind === "error") clearInterval(clock);
        hear(one, told, began);
      });
    } catch (error) {
      fail(one, error.name === "AbortError" ? "stopped by you; what was said until then is paid for" : error.message);
    } finally {
      clearInterval(clock);
      one.found.removeAttribute("aria-busy");
    }
  };

  form.addEventListener("submit", async (event) => {
    if (event.submitter && event.submitter.id === "quote-now") {
      event.preventDefault();
      price();
      return;
    }
    event.preventDefault();
    const tiers = boxes.filter((box) => box.checked && !box.disabled).map((box) => box.dataset.tier);
    if (!tiers.length) { boxes[0].focus(); return; }
    running.abort();
    running = new AbortController();
    for (const one of document.querySelectorAll("[data-answer]")) one.hidden = !tiers.includes(one.dataset.answer);
    stop.hidden = false;
    await Promise.all(tiers.map((tier) => ask(tier, running.signal)));
    stop.hidden = true;
  });
  stop.addEventListener("click", () => running.abort());

  const price = async () => {
    clearTimeout(pricing);
    if (!form.elements.prompt.value.trim()) return;
    const place = document.getElementById("quotes");
    try {
      await lines(form.dataset.quotes, "", undefined, (told) => {
        if (told.error) place.textContent = told.error;
        else place.innerHTML = told.html;
      });
    } catch (error) {
      place.textContent = error.message;
    }
  };
  const later = () => { clearTimeout(pricing); pricing = setTimeout(price, 700); };
  form.addEventListener("input", later);

  const hold = () => { for (const box of boxes) if ("paid" in box.dataset) box.disabled = only.checked; };
  only.addEventListener("change", hold);
  hold();
})();
