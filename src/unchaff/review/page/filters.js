// Which samples are asked for; kept in the address, so that a reload asks for the same.

import { element } from "./card.js";

const form = document.getElementById("filters");

export function asked() {
  const given = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value !== "") given.set(name, value);
  return given;
}

export function setUpFilters(classes, split) {
  const usual = [...form.elements.split.options].find((option) => option.value === split);
  usual.defaultSelected = usual.selected = true;
  for (const name of ["given", "suggested"]) {
    form.elements[name].append(...classes.map((text, value) => element("option", { value, text })));
  }
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const field = form.elements.namedItem(name);
    if (field && !(field instanceof RadioNodeList)) field.value = value;
  }
  if (matchMedia("(max-width: 30rem)").matches) document.getElementById("filter-box").open = false;
}
