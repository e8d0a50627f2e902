// Buttons that copy a text: `data-copy` holds it. Without a script, or where a browser does not let
// us, they are not there, and the text beside them is selected by hand.
"use strict";
(() => {
  if (!navigator.clipboard) return;
  document.documentElement.classList.add("copies");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied";
    }
    setTimeout(() => { button.textContent = before; }, 1500);
  });
})();
