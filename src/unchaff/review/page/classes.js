// A list of all classes to choose one from, which can be searched.

import { element } from "./card.js";

const $ = (id) => document.getElementById(id);
const MOST = 200; // shown at once
let names = [];
let found = []; // numbers of the classes that are shown
let at = 0;
let answer = () => {};

export function setUpClasses(classes) {
  names = classes;
  $("class-search").addEventListener("input", list);
  $("class-search").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      mark(at + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      finish(found[at] ?? null);
    }
  });
  $("class-list").addEventListener("click", (event) => {
    const line = event.target.closest("li");
    if (line) finish(Number(line.dataset.label));
  });
  $("close-classes").addEventListener("click", () => finish(null));
  $("classes").addEventListener("close", () => { answer(null); answer = () => {}; });
}

export function pickClass() {
  $("class-search").value = "";
  $("classes").showModal();
  list();
  $("class-search").focus();
  return new Promise((resolve) => { answer = resolve; });
}

function finish(label) {
  answer(label);
  answer = () => {};
  $("classes").close();
}

function list() {
  const text = $("class-search").value.toLowerCase();
  const all = names.map((_, label) => label).filter((label) => names[label].toLowerCase().includes(text));
  found = all.sort((one, other) => rank(one, text) - rank(other, text) || one - other).slice(0, MOST);
  $("class-list").replaceChildren(...found.map((label) => element(
    "li", { role: "option", id: `class-${label}`, "data-label": label, dir: "auto", text: names[label] },
  )));
  mark(0);
}

function rank(label, text) { return names[label].toLowerCase().startsWith(text) ? 0 : 1; }

function mark(index) {
  at = Math.max(0, Math.min(index, found.length - 1));
  [...$("class-list").children].forEach((line, place) => {
    line.setAttribute("aria-selected", place === at ? "true" : "false");
    if (place === at) line.scrollIntoView({ block: "nearest" });
  });
  $("class-search").setAttribute("aria-activedescendant", found.length ? `class-${found[at]}` : "");
}
