// The page of a collection: filters, links and the back button change the wall in place; its address is kept.
"use strict";

const sent = new Map(); // pictures that were sent, by the number that the browser's history remembers
let picture = null;

function look(files) {
  const [file] = files;
  if (tooLarge(file)) return;
  sent.set(sent.size + 1, file);
  forget();
  hang(sent.size, noteOn(files));
}

function forget() {
  choose.elements.url.value = choose.elements.id.value = "";
}

function addressed() {
  const words = new URLSearchParams([...new FormData(choose)].filter(([, value]) => typeof value === "string" && value));
  return `${choose.getAttribute("action").split("#")[0]}${words.size ? "?" : ""}${words}`;
}

// Shows the wall of a picture that was sent; the address holds everything else.
async function hang(number, note = "", kept = false) {
  const file = sent.get(number);
  const body = new FormData();
  body.append(input.name, file, file.name);
  picture = number;
  if (!kept) history.pushState({ picture }, "", addressed());
  await ask(location.href, { method: "POST", body }, file.name, note);
}

async function go(address, name, kept = false) {
  picture = null;
  if (!kept) history.pushState({}, "", address);
  await ask(address, {}, name);
}

// Takes over what the server says of the form: which filters are set, and which artwork is meant.
function shown(page) {
  for (const ours of choose.querySelectorAll("input[id]:not([type=file])")) {
    const theirs = page.getElementById(ours.id);
    // A rare label is only offered where it is chosen: theirs may lack it, or have another in its place.
    if (ours.type === "checkbox") ours.checked = theirs?.value === ours.value && theirs.checked;
    else if (theirs && ours !== document.activeElement) ours.value = theirs.value;
  }
  for (const place of ["others", ...[...page.querySelectorAll("summary span")].map(span => span.id)]) {
    const [theirs, ours] = [page, document].map(one => one.getElementById(place));
    if (theirs && ours) ours.replaceChildren(...theirs.childNodes);
  }
  status.textContent = [status.textContent, result.querySelector("#count span")?.textContent].filter(Boolean).join(" ");
}

function submitted(event) {
  event.preventDefault();
  if (input.files.length) return look(input.files);
  if (choose.elements.url.value) choose.elements.id.value = "";
  if (picture && !choose.elements.url.value && !choose.elements.id.value) return hang(picture);
  go(addressed(), choose.elements.url.value || "the collection");
}

function followed(event) {
  const link = event.target.closest?.("#result a, #others a");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (picture && link.dataset.n) {
    choose.elements.n.value = link.dataset.n;
    return hang(picture);
  }
  const near = link.closest(".wall");
  go(link.getAttribute("href"), link.dataset.name || "the collection").then(() => {
    if (near) result.scrollIntoView({ block: "start" });
  });
}

function returned(event) {
  const number = event.state?.picture;
  if (!number) return go(location.href, "the collection", true);
  if (sent.has(number)) {
    forget();
    return hang(number, "", true);
  }
  go(location.href, "the collection", true);
}

choose.addEventListener("submit", submitted);
choose.addEventListener("change", event => {
  if (event.target.type === "checkbox") choose.requestSubmit();
});
document.addEventListener("click", followed);
document.addEventListener("click", event => {
  for (const open of document.querySelectorAll("details[open].facet")) if (!open.contains(event.target)) open.open = false;
});
document.addEventListener("keydown", event => {
  const open = event.key === "Escape" && document.querySelector("details[open].facet");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});
window.addEventListener("popstate", returned);
