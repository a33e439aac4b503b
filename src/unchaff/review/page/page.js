// What a person does, told to the server; what the server knows, shown. One answer is stored after the other.

import { fill, isPlaying, makeCard, showDecision, showMedia, showWaiting } from "./card.js";
import { pickClass, setUpClasses } from "./classes.js";
import { asked, setUpFilters } from "./filters.js";
import { Grid } from "./grid.js";
import { hear } from "./keys.js";
import { showNotes, showProgress } from "./status.js";
import { ask, count, fresh, plural, portions, remember, remembered } from "./talk.js";

const POLL = 4000; // milliseconds
const AT_ONCE = 10000; // samples of one answer
const $ = (id) => document.getElementById(id);
let classes = [];
let version = 0;
let pictures = "opening";
const items = new Map(); // row -> what is known of it
const told = new Map(); // row -> its last decision: a description that comes late may be older
const media = new Map(); // the last ones shown
const selected = new Set();
let anchor = null; // where a range begins
let landed = null; // the row to which the last decision or undo has led
let sending = Promise.resolve();

const grid = new Grid($("grid"), {
  make(row, index, total) {
    const card = makeCard(row, index, total);
    if (items.has(row)) fill(card, items.get(row), classes);
    markSelected(card, row);
    return card;
  },
  arrived(cards) { describe(cards.map((card) => Number(card.dataset.row))); },
});

function fail(error) {
  $("error").textContent = error.message;
  $("error").hidden = false;
}

function showState({ progress, notes, pictures: state }) {
  if (progress) showProgress(progress);
  if (notes) showNotes(notes);
  if (state && state !== pictures) {
    pictures = state;
    describe([...grid.cards.keys()]);
  }
}

function takeChanges({ changed, ...state }) {
  for (const one of changed ?? []) {
    told.set(one.row, one);
    const item = items.get(one.row);
    if (item) Object.assign(item, one);
    const card = grid.cards.get(one.row);
    if (card) showDecision(card, one, classes);
  }
  showState(state);
}

// Ask for what is known of these samples, then for what they look like, as far as they are still in sight.
async function describe(rows) {
  try {
    for (const part of portions(rows.filter((row) => !items.has(row)))) {
      for (const item of (await ask(`samples?rows=${part}`)).items) {
        Object.assign(item, told.get(item.row));
        items.set(item.row, item);
        const card = grid.cards.get(item.row);
        if (card) fill(card, item, classes);
      }
    }
    for (const row of rows) if (media.has(row)) draw(row, media.get(row));
    if (pictures === "opening") return;
    for (const part of portions(rows.filter((row) => !media.has(row)))) {
      const wanted = part.filter((row) => grid.cards.has(row));
      if (!wanted.length) continue;
      const found = await ask(`media?rows=${wanted}`);
      for (const [row, each] of Object.entries(found.media)) draw(Number(row), each);
      showState({ notes: found.notes });
    }
  } catch (error) { fail(error); }
}

function draw(row, each) {
  media.delete(row);
  media.set(row, each);
  if (media.size > 600) media.delete(media.keys().next().value);
  const card = grid.cards.get(row);
  if (card && !isPlaying(card)) showMedia(card, each);
}

let view = 0; // of a quick sequence of filters only the last one is shown
async function show() {
  const mine = ++view;
  const query = asked();
  history.replaceState(null, "", `#${query}`);
  $("grid").setAttribute("aria-busy", "true");
  try {
    const { total, rows, ...state } = await ask(`suspects?${query}`);
    if (mine !== view) return;
    items.clear();
    selected.clear();
    anchor = landed = null;
    grid.show(rows);
    showState(state);
    const part = rows.length < total ? `; the first ${count(rows.length)} are shown` : "";
    $("count").textContent = total ? plural(total, "sample") + part : "No sample is like that.";
    showTarget();
    $("error").hidden = true;
  } catch (error) { fail(error); }
  $("grid").setAttribute("aria-busy", "false");
}

function markSelected(card, row) {
  card.classList.toggle("selected", selected.has(row));
  card.querySelector("input").checked = selected.has(row);
}

function select(rows, wanted) {
  for (const row of rows) {
    if (wanted) selected.add(row); else selected.delete(row);
  }
  for (const [row, card] of grid.cards) markSelected(card, row);
  showTarget();
}

const range = (from, to) => grid.rows.slice(Math.min(from, to), Math.max(from, to) + 1);

function showTarget() {
  $("target").textContent = selected.size ? `${plural(selected.size, "sample")} selected` : "Current sample";
}

function targets() { return selected.size ? [...selected] : grid.row === undefined ? [] : [grid.row]; }

function decide(kind, label = null) {
  const rows = targets();
  if (!rows.length) return;
  const item = items.get(rows[0]);
  if (kind === "relabel" && label === null && rows.length === 1 && item?.given === item?.suggested) {
    fail(new Error("The suggested label is the given one: keep it, or choose a class."));
    return;
  }
  if (rows.length > AT_ONCE) {
    fail(new Error(`At most ${count(AT_ONCE)} samples can be decided at once; select fewer.`));
    return;
  }
  const batch = fresh();
  for (const row of rows) if (grid.cards.has(row)) showWaiting(grid.cards.get(row));
  const moves = !selected.size && kind !== "open";
  select(rows, false);
  if (moves) next();
  landed = moves ? grid.row : null;
  send(async () => {
    const isOpen = (row) => items.get(row)?.decision === null;
    if (kind === "open" && rows.every(isOpen)) { redraw(rows); return; } // nothing that could be undone
    takeChanges(await ask("decide", { batch, rows, kind, label }));
    remember([...remembered(), batch]);
  }, rows);
}

function next() {
  let index = grid.current + 1;
  while (index < grid.rows.length && items.get(grid.rows[index])?.decision) index += 1;
  grid.go(Math.min(index, grid.rows.length - 1));
}

function undo() {
  send(async () => {
    const batches = remembered();
    const batch = batches.pop();
    if (batch === undefined) throw new Error("There is nothing that this tab could undo. Backspace takes back a decision.");
    const given = await ask("undo", { batch });
    remember(batches);
    takeChanges(given);
    const rows = given.changed.map((one) => one.row);
    if (rows.length && !rows.some((row) => grid.rows.includes(row))) await show();
    const index = grid.rows.findIndex((row) => rows.includes(row));
    if (index >= 0) grid.go(index);
    landed = grid.row;
  }, []);
}

// Right after a decision the next sample is the current one already.
function takeBack() {
  if (!selected.size && landed !== null && landed === grid.row) undo();
  else decide("open");
}

function send(work, rows) {
  sending = sending.then(work).then(() => { $("error").hidden = true; }).catch((error) => { fail(error); redraw(rows); });
}

function redraw(rows) {
  for (const row of rows) {
    const card = grid.cards.get(row);
    if (card && items.has(row)) showDecision(card, items.get(row), classes);
  }
}

async function choose() {
  const rows = targets();
  if (!rows.length) return;
  const label = await pickClass();
  grid.card?.focus({ preventScroll: true });
  if (label !== null) decide("relabel", label);
}

function byKey(key) {
  const named = classes.indexOf(key);
  const label = named >= 0 ? named : Number(key) - 1;
  if (label >= 0 && label < classes.length) decide("relabel", label);
}

const ACTS = {
  keep: () => decide("keep"), drop: () => decide("drop"), relabel: () => decide("relabel"), choose, undo,
  all: () => select(grid.rows.slice(0, AT_ONCE), true), none: () => select([...selected], false),
};

function move(by, extends_) {
  if (extends_ && anchor === null) anchor = grid.current;
  grid.go(grid.current + by);
  if (extends_) select(range(anchor, grid.current), true);
  else anchor = null;
}

const KEYS = {
  k: ACTS.keep, d: ACTS.drop, r: ACTS.relabel, c: choose, u: undo,
  j: (event) => move(1, event.shiftKey), p: (event) => move(-1, event.shiftKey),
  ArrowRight: (event) => move(1, event.shiftKey), ArrowLeft: (event) => move(-1, event.shiftKey),
  ArrowDown: (event) => move(grid.columns, event.shiftKey), ArrowUp: (event) => move(-grid.columns, event.shiftKey),
  Home: () => move(-Infinity), End: () => move(Infinity),
  x: () => { if (grid.row !== undefined) select([grid.row], !selected.has(grid.row)); anchor = grid.current; },
  Escape: ACTS.none, Backspace: takeBack,
  "/": () => { $("filter-box").open = true; $("filters").elements.text.focus(); },
  "?": () => $("help").showModal(),
  " ": () => { const audio = grid.card?.querySelector("audio"); if (audio) { if (audio.paused) audio.play(); else audio.pause(); } },
};

hear(KEYS, byKey);

$("grid").addEventListener("click", (event) => {
  const card = event.target.closest("article");
  if (!card) return;
  const index = grid.rows.indexOf(Number(card.dataset.row));
  const box = event.target.closest("input");
  const from = anchor ?? grid.current;
  grid.current = index;
  grid.mark();
  if (box && event.shiftKey) select(range(from, index), box.checked);
  else if (box) { select([grid.row], box.checked); anchor = index; }
  else if (event.target.closest("[data-act]")) {
    select([...selected], false);
    ACTS[event.target.closest("[data-act]").dataset.act]();
  } else if (!event.target.closest("audio, label")) card.focus({ preventScroll: true });
});
$("grid").addEventListener("focusin", (event) => {
  const card = event.target.closest("article");
  if (!card || Number(card.dataset.row) === grid.row) return;
  grid.current = grid.rows.indexOf(Number(card.dataset.row));
  grid.mark();
});
$("actions").addEventListener("click", (event) => ACTS[event.target.closest("button")?.dataset.act]?.());
$("open-help").addEventListener("click", () => $("help").showModal());
$("close-help").addEventListener("click", () => $("help").close());

let typing;
$("filters").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(show, 150); });
$("filters").addEventListener("reset", () => setTimeout(show));
$("filters").addEventListener("submit", (event) => { event.preventDefault(); show(); });

// In turn with the answers: what was asked before one and comes after it would hide it.
async function poll() {
  if (!document.hidden) {
    sending = sending.then(async () => {
      const found = await ask(`changes?since=${version}`);
      version = found.version;
      takeChanges(found);
    }).catch(fail);
    await sending;
  }
  setTimeout(poll, pictures === "opening" ? 400 : POLL);
}

async function begin() {
  try {
    const about = await ask("about");
    classes = about.classes;
    version = about.version;
    document.title = `Review of ${about.name}`;
    document.body.dataset.kind = about.kind;
    $("name").textContent = about.name;
    setUpClasses(classes);
    setUpFilters(classes, about.progress.suspects ? "rejected" : "kept");
    showState(about);
    await show();
    poll();
  } catch (error) { fail(error); }
}

begin();
