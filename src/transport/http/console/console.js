"use strict";
// Keys, and a form that is sent once. Every page does without.
(() => {
  const keys = document.getElementById("keys");
  const search = document.getElementById("q");
  const on = document.getElementById("keys-on");
  const show = document.getElementById("show-keys");
  const OFF = "purser-keys-off";

  on.checked = localStorage.getItem(OFF) === null;
  on.addEventListener("change", () => {
    if (on.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  });
  show.hidden = false;
  show.addEventListener("click", () => keys.showModal());

  const links = [...document.querySelectorAll("nav a[data-key]")];
  const pages = Object.fromEntries(links.map((link) => [link.dataset.key, link.href]));
  const acts = {
    "/": () => { search.focus(); search.select(); },
    "?": () => keys.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, select, textarea, dialog");
    if (!on.checked || isTyping || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key in acts) {
      event.preventDefault();
      acts[event.key]();
    } else if (event.key in pages) {
      location.href = pages[event.key];
    }
  });

  // What goes on is looked at again every two seconds, but not under somebody's hands, and not once it is over.
  const reader = (page) => page.querySelector("form.who span")?.textContent;
  const live = document.getElementById("live");
  const pause = document.getElementById("pause");
  if (live && pause && !("over" in live.dataset)) {
    let isPaused = false;
    pause.hidden = false;
    pause.addEventListener("click", () => {
      isPaused = !isPaused;
      pause.textContent = isPaused ? "Refresh again" : "Stop refreshing";
    });
    // Not a reload: of a page that answered a form it would send the form again. Where the form has an address of its own,
    // the page that it was on says where that is.
    const again = () => location.replace(live.dataset.at ?? location.href.split("#")[0]);
    const look = async () => {
      if (!isPaused && !document.hidden && !live.contains(document.activeElement)) {
        if (live.dataset.at) return again();
        try {
          const answer = await fetch(location.href, { headers: { "purser-refresh": "1" } });
          // Signed out in another tab, or somebody else is signed in there by now, or it is kept no more.
          if ([401, 403, 404].includes(answer.status) || (!answer.ok && "once" in live.dataset)) return again();
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          const newer = page.getElementById("live");
          if (answer.ok && (!newer || "over" in newer.dataset || reader(page) !== reader(document))) return again();
          if (newer) live.replaceChildren(...newer.childNodes);
        } catch {
          // The server is away: what was seen last stands, and the next look tells.
        }
      }
      setTimeout(look, 2000);
    };
    setTimeout(look, 2000);
  }

  // The key within the form keeps a second one from moving anything; this spares whoever clicks twice the question.
  const sent = new WeakSet();
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    if (sent.has(event.target)) event.preventDefault();
    sent.add(event.target);
  });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
