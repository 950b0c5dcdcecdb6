// What a browser adds to the page's forms: drop, paste, a busy state. Answers are rendered by the server only.
"use strict";

const root = document.documentElement;
const choose = document.getElementById("choose");
const input = document.getElementById("picture");
const status = document.getElementById("status");
const result = document.getElementById("result");
let current = null;

async function send(form, body, name, note = "") {
  const before = current;
  const mine = (current = { name, stop: new AbortController() });
  before?.stop.abort();
  const stopped = before ? `Stopped looking at ${before.name}` : "";
  root.classList.add("busy");
  status.textContent = stopped ? `${stopped}; looking at ${name}.` : `Looking at ${name} …`;
  let shown;
  try {
    shown = await ask(form, body, mine.stop.signal);
  } catch {
    shown = [problem(choose.dataset.lost)];
  }
  if (current !== mine) return;
  current = null;
  status.textContent = [stopped && `${stopped}.`, note].filter(Boolean).join(" ");
  show(shown);
}

async function ask(form, body, signal) {
  const answer = await fetch(form.action, { method: "POST", body, signal, headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = page.getElementById("result");
  if (!found) return [problem(choose.dataset.broken)];
  document.title = page.title;
  return [...found.children];
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

function look(files) {
  const [file] = files;
  if (file.size > Number(choose.dataset.limit)) {
    const stopped = current ? `Stopped looking at ${current.name}.` : "";
    current?.stop.abort();
    current = null;
    status.textContent = stopped;
    return show([problem(choose.dataset.over)]);
  }
  const body = new FormData();
  body.append(input.name, file, file.name);
  send(choose, body, file.name, files.length > 1 ? `Only the first of ${files.length} files was looked at.` : "");
}

function submitted(event) {
  event.preventDefault();
  const form = event.target;
  const shown = event.submitter?.querySelector("img");
  if (form === choose && input.files.length) look(input.files);
  else send(form, new FormData(form, event.submitter), shown ? `the example ${shown.alt}` : "your picture");
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
for (const form of document.forms) form.addEventListener("submit", submitted);
document.addEventListener("dragover", dragged);
document.addEventListener("dragleave", left);
document.addEventListener("drop", dropped);
document.addEventListener("paste", pasted);
