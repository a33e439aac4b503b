// Keys, heard where no field, dialog or player takes them.

export function hear(acts, byDigit) {
  addEventListener("keydown", (event) => {
    const at = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (at.closest("select, textarea, audio") || (at.closest("input") && at.type !== "checkbox")) return;
    if (event.key === " " && at.closest("button, input, a, summary")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const act = acts[key] ?? (/^[0-9]$/.test(key) ? () => byDigit(key) : null);
    if (!act) return;
    event.preventDefault();
    act(event);
  });
}
