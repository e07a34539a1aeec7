// What the pages can do more with JavaScript: know the viewer's time zone, tick many boxes, and (htmx) be live.
"use strict";
document.documentElement.classList.add("live");
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const base = document.documentElement.dataset.base || "/";
  const secure = location.protocol === "https:" ? "; Secure" : "";
  if (zone) document.cookie = `mailbridge_zone=${zone}; Path=${base}; Max-Age=31536000; SameSite=Lax${secure}`;
  document.addEventListener("change", (event) => {
    const all = event.target.closest("input[data-all]");
    if (!all) return;
    for (const box of document.querySelectorAll(`input[name="${all.dataset.all}"]`)) box.checked = all.checked;
  });
  document.addEventListener("submit", (event) => {
    const words = event.submitter && event.submitter.dataset.confirm;
    if (words && !window.confirm(words)) event.preventDefault();
  });
})();
