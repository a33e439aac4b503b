// One sample as an article. Every name goes in as text, never as markup.

const DONE = { keep: "Kept", drop: "Dropped" };

export function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

export function makeCard(row, place, total) {
  const card = element("article", {
    tabindex: "-1", "data-row": row, "aria-posinset": place + 1, "aria-setsize": total, "aria-labelledby": `id-${row}`,
  });
  const box = element("input", { type: "checkbox", tabindex: "-1", "aria-label": "Select" });
  const id = element("bdi", { class: "id", id: `id-${row}`, text: "…" });
  const buttons = element("div", { class: "buttons" });
  for (const [act, text] of [["keep", "Keep"], ["drop", "Drop"], ["relabel", "Suggested"], ["choose", "Other…"]]) {
    buttons.append(element("button", { type: "button", tabindex: "-1", "data-act": act, text }));
  }
  card.append(
    element("figure", { class: "media" }),
    element("div", { class: "top" }, element("label", {}, box, id)),
    element("dl", { class: "labels" }),
    element("p", { class: "why" }),
    element("p", { class: "badge" }),
    buttons,
  );
  return card;
}

export function fill(card, item, classes) {
  const id = card.querySelector(".id");
  id.textContent = item.id;
  id.title = item.id;
  const labels = card.querySelector(".labels");
  labels.replaceChildren();
  const same = item.given === item.suggested;
  for (const [name, label] of [["given", item.given], ["suggested", item.suggested]]) {
    const text = element("bdi", { text: classes[label], title: classes[label] });
    labels.append(element("dt", { text: name }), element("dd", { class: same ? "plain" : "" }, text));
  }
  const quality = `${item.quality}, ${item.kept ? "kept" : "rejected"}`;
  labels.append(element("dt", { text: "quality" }), element("dd", { class: "plain", text: quality }));
  const suggest = card.querySelector("[data-act=relabel]");
  suggest.disabled = same;
  suggest.title = same ? "the suggested label is the given one" : "";
  const why = card.querySelector(".why");
  why.textContent = item.why;
  why.title = item.why; // where it is too long for the card
  showDecision(card, item, classes);
}

export function showDecision(card, { decision, label }, classes) {
  const badge = card.querySelector(".badge");
  card.classList.remove("waiting");
  card.classList.toggle("decided", decision !== null);
  badge.className = `badge ${decision ?? ""}`;
  badge.textContent = DONE[decision] ?? "";
  if (decision === "relabel") badge.append("Relabelled: ", element("bdi", { text: classes[label] }));
}

export function showWaiting(card) {
  card.classList.add("waiting");
  card.querySelector(".badge").textContent = "storing …";
}

export function isPlaying(card) {
  const audio = card.querySelector("audio");
  return audio !== null && !audio.paused;
}

export function showMedia(card, media) {
  const figure = card.querySelector(".media");
  figure.replaceChildren();
  if (media.image) {
    figure.append(element("img", { src: media.image, alt: media.alt, class: media.is_small ? "small" : "" }));
  }
  if (media.sound) {
    figure.append(element("audio", { src: media.sound, controls: "", preload: "auto", tabindex: "-1", "aria-label": media.alt }));
  }
  if (media.text) figure.append(element("p", { class: "text", dir: "auto", text: media.text }));
  if (media.rows.length) {
    const table = element("table", { "aria-label": "Row" });
    for (const [name, value] of media.rows) {
      table.append(element("tr", {}, element("th", { scope: "row", text: name }), element("td", { text: value })));
    }
    figure.append(table);
  }
  if (media.note) figure.append(element("figcaption", { class: "note", text: media.note }));
}
