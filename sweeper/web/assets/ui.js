// A page shows itself again as it is now; what is chosen in it stays. A log is asked for what is new.
"use strict";
const log = document.querySelector("pre[data-log]");

function chosen(page) {
  return [...page.querySelectorAll("input:checked")].map((box) => box.value);
}

let was = "";

async function again() {
  const now = document.querySelector("main");
  const text = await (await fetch(location.href)).text();
  const then = new DOMParser().parseFromString(text, "text/html").querySelector("main");
  if (!then || then.innerHTML === was) return;
  const boxes = new Set(chosen(now));
  was = then.innerHTML;
  const open = now.querySelector("details[open]") !== null;
  for (const part of then.querySelectorAll("details")) part.open = open;
  for (const box of then.querySelectorAll("input")) box.checked = boxes.has(box.value);
  now.replaceChildren(...then.childNodes);
  times();
}

async function follow() {
  const answer = await (await fetch(`${log.dataset.log}?from=${log.dataset.from}`)).json();
  const below = log.scrollTop + log.clientHeight >= log.scrollHeight - 5;
  log.dataset.from = answer.next;
  if (answer.text) log.textContent = (log.textContent + answer.text).slice(-300000);
  if (below) log.scrollTop = log.scrollHeight;
}

function times() {
  for (const time of document.querySelectorAll("time")) {
    const ago = (Date.now() - new Date(time.dateTime)) / 1000;
    const [amount, unit] = ago < 3600 ? [ago / 60, "minute"] : ago < 86400 ? [ago / 3600, "hour"] : [ago / 86400, "day"];
    time.title = time.dateTime;
    time.textContent = new Intl.RelativeTimeFormat("en").format(-Math.round(amount), unit);
  }
}

times();
if (log) log.scrollTop = log.scrollHeight;
setInterval(() => {
  if (document.hidden) return;
  const note = document.querySelector("nav").dataset;
  again().then(() => delete note.gone, () => (note.gone = " · the server is gone: this is how it was"));
  if (log) follow().catch(() => {});
}, 5000);
