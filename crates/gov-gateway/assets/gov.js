// Keeps the page as it is now: fetches the live part and puts in what changed, under the hands of
// whoever reads or writes. Everything works without this file, by reloading.
"use strict";

(() => {
  const EVERY = 2000;
  const live = document.getElementById("live");
  const said = document.getElementById("said");
  const trouble = document.getElementById("trouble");
  const pulse = document.getElementById("pulse");
  const title = document.title;
  // The server's clock, as far as ours is off.
  let ahead = 0;

  const say = (text) => { said.textContent = text; };
  const items = (root, list) => [...root.querySelectorAll(`[data-list="${list}"] > [data-key]`)];
  const cards = () => items(live, "cards");

  // ---- what is new, what is gone, what has changed ----

  function swap(before, after) {
    if (before && after && before.innerHTML !== after.innerHTML) before.replaceChildren(...after.childNodes);
  }

  // Opened details stay open; a part that is being used stays as it is until it is left.
  function swapAround(before, after) {
    if (!before || !after || before.contains(document.activeElement)) return;
    const open = (root) => [...root.querySelectorAll("[data-key]:has(> details[open])")];
    const opened = new Set(open(before).map((it) => it.dataset.key));
    if (opened.size) {
      for (const it of after.querySelectorAll("[data-key] > details")) it.open = opened.has(it.parentElement.dataset.key);
    }
    swap(before, after);
  }

  // What a person may have begun to fill in is never replaced; only what escalating changes is.
  function renew(before, after) {
    for (const part of [".marks", ".meta"]) swap(before.querySelector(part), after.querySelector(part));
  }

  function merge(name, fresh) {
    const list = live.querySelector(`[data-list="${name}"]`);
    const there = fresh.querySelector(`[data-list="${name}"]`);
    if (!list || !there) return { added: [], gone: [] };
    const known = new Map(items(live, name).map((it) => [it.dataset.key, it]));
    const added = [];
    let at = list.firstElementChild;
    for (const item of items(fresh, name)) {
      const mine = known.get(item.dataset.key);
      if (mine) {
        known.delete(item.dataset.key);
        if (name === "cards") renew(mine, item);
        if (mine === at) at = at.nextElementSibling;
        else if (!mine.contains(document.activeElement)) list.insertBefore(mine, at);
      } else {
        item.classList.add("new");
        list.insertBefore(item, at);
        added.push(item);
      }
    }
    const gone = [...known.values()];
    for (const item of gone) leave(item, list);
    return { added, gone };
  }

  // Whoever stood on what goes away is put on what comes next.
  function leave(item, list) {
    const held = item.contains(document.activeElement);
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    if (held) (next ?? list.closest("section")).focus();
  }

  function show(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    // A list that could not be read has no place for items: then the whole part is new.
    const shape = (root) => [...root.querySelectorAll("[data-list]")].map((it) => it.dataset.list).join();
    if (shape(fresh) !== shape(live)) {
      live.replaceChildren(...fresh.body.childNodes);
      tick();
      return;
    }
    ahead = Date.parse(fresh.querySelector("[data-now]").dataset.now) - Date.now();
    swap(live.querySelector("[data-part=halt]"), fresh.querySelector("[data-part=halt]"));
    swapAround(live.querySelector("[data-part=strip]"), fresh.querySelector("[data-part=strip]"));
    swap(live.querySelector("[data-part=count]"), fresh.querySelector("[data-part=count]"));
    const asked = merge("cards", fresh);
    merge("rows", fresh);
    const what = (it) => it.querySelector("h3").textContent.trim();
    const news = [...asked.added.map((it) => `New request: ${what(it)}.`), ...asked.gone.map((it) => `Answered: ${what(it)}.`)];
    if (news.length) say(news.join(" "));
    tick();
  }

  // ---- the beat ----

  let beat = 0;
  async function look() {
    clearTimeout(beat);
    if (document.hidden) {
      pulse.textContent = "Paused while nobody looks.";
      return;
    }
    try {
      const answer = await fetch("/live", { headers: { accept: "text/html" }, redirect: "error", cache: "no-store" });
      if (answer.status === 401) {
        // What is half written stays readable; nothing more can be sent.
        complain("Your session is over. ", "/login", "Log in");
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      show(await answer.text());
      trouble.hidden = true;
      pulse.textContent = "Live.";
    } catch {
      complain("The server does not answer; what you see may be old. Trying again.");
    }
    beat = setTimeout(look, EVERY);
  }

  function complain(text, href, words) {
    pulse.textContent = "Not live.";
    if (!trouble.hidden && trouble.dataset.text === text) return;
    trouble.dataset.text = text;
    trouble.textContent = text;
    if (href) {
      const link = document.createElement("a");
      link.href = href;
      link.textContent = words;
      trouble.append(link);
    }
    trouble.hidden = false;
  }

  function left(seconds) {
    const [d, h, m, s] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
    if (d) return `${d} d ${h} h`;
    if (h) return `${h} h ${m} min`;
    return m ? `${m} min ${s} s` : `${s} s`;
  }

  function tick() {
    const now = Date.now() + ahead;
    for (const it of live.querySelectorAll("[data-until]")) {
      const seconds = Math.max(0, Math.floor((Date.parse(it.dataset.until) - now) / 1000));
      it.textContent = left(seconds);
      it.parentElement.classList.toggle("soon", seconds < 60);
    }
    const waiting = cards().length;
    document.title = waiting ? `(${waiting}) ${title}` : title;
  }

  // ---- keys, only while a request has the focus, so that no stray letter does anything ----

  const KEYS = {
    j: (card) => card.nextElementSibling?.focus(),
    k: (card) => card.previousElementSibling?.focus(),
    a: (card) => card.querySelector("button.approve")?.focus(),
    r: (card) => card.querySelector("button.reject")?.focus(),
    c: (card) => card.querySelector("textarea")?.focus(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("textarea, input")) return;
    if (!Object.hasOwn(KEYS, event.key)) return;
    const card = event.target.closest(".card");
    if (card) KEYS[event.key](card);
    // The first step into the list, from anywhere but another control.
    else if (event.key === "j" && event.target.closest("body, #approvals") && !event.target.closest("a, button, summary")) cards()[0]?.focus();
    else return;
    event.preventDefault();
  });

  // One answer is one answer, however often the button is pressed.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => { for (const it of document.forms) delete it.dataset.sent; });

  document.addEventListener("visibilitychange", look);
  setInterval(tick, 1000);
  ahead = Date.parse(live.querySelector("[data-now]").dataset.now) - Date.now();
  tick();
  beat = setTimeout(look, EVERY);
  pulse.textContent = "Live.";
})();
