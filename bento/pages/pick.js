// What the pages share: a picture is picked, dropped or pasted; answers are rendered by the server only.
// A page's own script defines look(files) and shown(page).
"use strict";

const root = document.documentElement;
const choose = document.getElementById("choose");
const input = document.getElementById("picture");
const status = document.getElementById("status");
const result = document.getElementById("result");
let current = null;

// Asks for a page and shows its result, unless something else was asked for meanwhile; tells whether it was shown.
async function ask(address, options, name, note = "") {
  const before = current;
  const mine = (current = { name, stop: new AbortController() });
  before?.stop.abort();
  const stopped = before ? `Stopped looking at ${before.name}` : "";
  root.classList.add("busy");
  status.textContent = stopped ? `${stopped}; looking at ${name}.` : `Looking at ${name} …`;
  let page = null;
  let content;
  try {
    const answer = await fetch(address, { ...options, signal: mine.stop.signal, headers: { Accept: "text/html" } });
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("result");
    content = found ? [...found.children] : [problem(choose.dataset.broken)];
    if (!found) page = null;
  } catch {
    content = [problem(choose.dataset.lost)];
  }
  if (current !== mine) return false;
  current = null;
  if (page) document.title = page.title;
  status.textContent = [stopped && `${stopped}.`, note].filter(Boolean).join(" ");
  show(content);
  if (page) shown(page);
  return Boolean(page);
}

function show(content) {
  root.classList.remove("busy");
  result.replaceChildren(...content);
  const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  result.scrollIntoView({ block: "nearest", behavior: smooth ? "smooth" : "auto" });
}

function problem(words) {
  const found = document.createElement("p");
  found.className = "problem";
  found.setAttribute("role", "alert");
  found.textContent = words;
  return found;
}

// Refuses a file that the server would refuse, before it is sent.
function tooLarge(file) {
  if (file.size <= Number(choose.dataset.limit)) return false;
  const stopped = current ? `Stopped looking at ${current.name}.` : "";
  current?.stop.abort();
  current = null;
  status.textContent = stopped;
  show([problem(choose.dataset.over)]);
  return true;
}

function noteOn(files) {
  return files.length > 1 ? `Only the first of ${files.length} files was looked at.` : "";
}

function holdsFiles(event) {
  return [...(event.dataTransfer?.types ?? [])].includes("Files");
}

function dragged(event) {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  root.classList.add("dropping");
}

function left(event) {
  if (!event.relatedTarget) root.classList.remove("dropping");
}

function dropped(event) {
  root.classList.remove("dropping");
  if (!holdsFiles(event)) return;
  event.preventDefault();
  if (event.dataTransfer.files.length) look(event.dataTransfer.files);
}

function pasted(event) {
  if (event.clipboardData?.files.length) look(event.clipboardData.files);
}

root.classList.add("script");
input.addEventListener("change", () => {
  if (input.files.length) look([...input.files]);
  input.value = "";
});
document.addEventListener("dragover", dragged);
document.addEventListener("dragleave", left);
document.addEventListener("drop", dropped);
document.addEventListener("paste", pasted);
