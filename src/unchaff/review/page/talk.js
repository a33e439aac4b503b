// Requests to the server, numbers as a reader wants to see them, and what this tab can undo.

const PORTION = 24; // samples that are asked for at once
const UNDO = "unchaff-undo"; // kept as long as the tab
export const count = (number) => number.toLocaleString("en").replaceAll(",", "\u202f");
export const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

export async function ask(path, given) {
  const options = given === undefined ? {} : {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(given),
  };
  let reply;
  try {
    reply = await fetch(path, { ...options, credentials: "omit", cache: "no-store" });
  } catch {
    throw new Error("The program does not answer any more. Start unchaff review again, and open its new address.");
  }
  const said = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Error(said.error ?? `The program refused (${reply.status}).`);
  return said;
}

export function* portions(rows) {
  for (let start = 0; start < rows.length; start += PORTION) yield rows.slice(start, start + PORTION);
}

export function fresh() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function remembered() { return JSON.parse(sessionStorage.getItem(UNDO) ?? "[]"); }

export function remember(batches) { sessionStorage.setItem(UNDO, JSON.stringify(batches.slice(-1000))); }

