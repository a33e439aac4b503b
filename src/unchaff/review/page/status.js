// How far the review has come, and what a person has to know about the data.

import { element } from "./card.js";
import { count } from "./talk.js";

const $ = (id) => document.getElementById(id);
const percent = (share) => `${Math.round(share * 100)}\u00a0%`;

export function showProgress(progress) {
  $("bar").hidden = !progress.suspects;
  $("bar").max = Math.max(progress.suspects, 1);
  $("bar").value = progress.reviewed;
  const text = said(progress);
  if ($("progress").textContent !== text) $("progress").textContent = text;
}

export function showNotes(notes) {
  const shown = [...$("notes").children].map((each) => each.textContent);
  if (shown.join("\n") !== notes.join("\n")) $("notes").replaceChildren(...notes.map((text) => element("li", { text })));
  $("notes").hidden = !notes.length;
}

function said(progress) {
  if (!progress.suspects) return `${count(progress.decided)} reviewed`;
  let text = `${count(progress.reviewed)} of ${count(progress.suspects)} reviewed`;
  if (progress.reviewed) {
    const [low, high] = progress.interval;
    text += `; ${percent(progress.wrong / progress.reviewed)} of the suspects were truly wrong so far`;
    text += ` (${Math.round(low * 100)}\u2013${percent(high)})`;
  }
  const others = progress.decided - progress.reviewed;
  if (others) text += `; and ${count(others)} that the run kept`;
  return text;
}
