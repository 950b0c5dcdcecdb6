// The page of a model: what is picked, or an example, is sent and its result shown in place.
"use strict";

function shown() {}

function look(files) {
  const [file] = files;
  if (tooLarge(file)) return;
  const body = new FormData();
  body.append(input.name, file, file.name);
  ask(choose.action, { method: "POST", body }, file.name, noteOn(files));
}

function submitted(event) {
  event.preventDefault();
  const form = event.target;
  const example = event.submitter?.querySelector("img");
  if (form === choose && input.files.length) return look(input.files);
  const body = new FormData(form, event.submitter);
  ask(form.action, { method: "POST", body }, example ? `the example ${example.alt}` : "your picture");
}

for (const form of document.forms) form.addEventListener("submit", submitted);
