// A list of very many samples of which only those in sight, and a few around them, are in the page.

const AROUND = 1.5; // heights of the window

export class Grid {
  constructor(place, { make, arrived }) {
    this.place = place;
    this.make = make; // (row, index, total) -> article
    this.arrived = arrived; // articles that have just come into sight
    this.rows = [];
    this.cards = new Map(); // row -> article
    this.columns = 1;
    this.current = 0; // index
    let waiting = false;
    const later = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; this.draw(); });
    };
    addEventListener("scroll", later, { passive: true });
    new ResizeObserver(() => { this.measure(); later(); }).observe(place);
  }

  show(rows) {
    this.rows = rows;
    this.current = 0;
    for (const card of this.cards.values()) card.remove();
    this.cards.clear();
    this.measure();
    this.draw();
    this.mark();
  }

  measure() {
    const style = getComputedStyle(document.body);
    const pixels = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const length = (name) => parseFloat(style.getPropertyValue(name)) * pixels; // all are in rem
    const gap = length("--gap");
    const width = this.place.clientWidth;
    this.columns = Math.max(1, Math.floor((width + gap) / (length("--width") + gap)));
    this.wide = (width - gap * (this.columns - 1)) / this.columns;
    this.gap = gap;
    this.step = length("--card-height") + gap;
    const height = `${Math.ceil(this.rows.length / this.columns) * this.step}px`;
    if (this.place.style.height !== height) this.place.style.height = height;
  }

  draw() {
    const top = -this.place.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor((top - innerHeight * AROUND) / this.step)) * this.columns;
    const last = Math.ceil((top + innerHeight * (1 + AROUND)) / this.step) * this.columns;
    const seen = this.rows.slice(first, Math.max(last, 0));
    const wanted = new Set(seen);
    for (const [row, card] of this.cards) {
      if (!wanted.has(row)) { card.remove(); this.cards.delete(row); }
    }
    const fresh = [];
    let before = this.place.firstElementChild;
    seen.forEach((row, offset) => {
      let card = this.cards.get(row);
      if (!card) {
        card = this.make(row, first + offset, this.rows.length);
        this.cards.set(row, card);
        this.place.insertBefore(card, before); // in the order of reading
        fresh.push(card);
      } else {
        before = card.nextElementSibling;
      }
      this.put(card, first + offset);
    });
    if (fresh.length) { this.mark(); this.arrived(fresh); }
  }

  put(card, index) {
    const x = (index % this.columns) * (this.wide + this.gap);
    const y = Math.floor(index / this.columns) * this.step;
    const at = `translate(${x}px, ${y}px)`;
    if (card.style.transform !== at) card.style.transform = at;
    const width = `${this.wide}px`;
    if (card.style.width !== width) card.style.width = width;
  }

  get row() { return this.rows[this.current]; }

  get card() { return this.cards.get(this.row); }

  go(index) {
    if (!this.rows.length) return;
    this.current = Math.max(0, Math.min(index, this.rows.length - 1));
    const top = this.place.getBoundingClientRect().top + Math.floor(this.current / this.columns) * this.step;
    const bottom = innerHeight - document.getElementById("actions").offsetHeight - this.gap;
    if (top < this.gap) scrollBy(0, top - this.gap);
    else if (top + this.step > bottom) scrollBy(0, top + this.step - bottom);
    this.draw();
    this.mark();
    this.card?.focus({ preventScroll: true });
  }

  mark() {
    for (const [row, card] of this.cards) {
      const isCurrent = row === this.row;
      card.setAttribute("aria-current", isCurrent ? "true" : "false");
      card.tabIndex = isCurrent ? 0 : -1;
      for (const each of card.querySelectorAll("button, input, audio")) each.tabIndex = isCurrent ? 0 : -1;
    }
  }
}
