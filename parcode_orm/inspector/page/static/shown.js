"use strict";

// Values as the data has them: a kind and a text.

const INSIDE = new Set(["object", "map", "list", "set"]);
const OPENED = new Set([...INSIDE, "bytes", "array", "unread"]);

function value(kind, text) {
  if (kind === "none") return el("span", { class: "value none", text: "None" });
  if (kind === "text" && text === "") return el("span", { class: "value none", text: "empty text" });
  return el("span", { class: `value ${kind}`, text });
}

function size(node) {
  const word = { object: "field", map: "entry", list: "item", set: "item" }[node.kind];
  return word === undefined ? "" : plural(node.size, word);
}

// The bytes as a person who looks for a mark reads them: place, numbers, letters.
function dump(hex, length) {
  const lines = [];
  for (let at = 0; at < hex.length; at += 32) {
    const part = hex.slice(at, at + 32).match(/../g);
    const letters = part.map((two) => {
      const code = parseInt(two, 16);
      return code >= 32 && code < 127 ? String.fromCharCode(code) : "·";
    }).join("");
    lines.push(`${(at / 2).toString(16).padStart(8, "0")}  ${part.join(" ").padEnd(47)}  ${letters}`);
  }
  const left = length - hex.length / 2;
  return [el("pre", { class: "dump", tabindex: "0", "aria-label": "Bytes", text: lines.join("\n") }), left > 0 ? el("p", { class: "note", text: `and ${plural(left, "byte")} more` }) : null];
}

// What a value without others in it is, at length.
function atLength(found) {
  if (found.hex !== undefined) return dump(found.hex, found.length);
  if (found.lines !== undefined) {
    return [el("pre", { class: "text", tabindex: "0", "aria-label": "Text", text: found.lines }), found.cut ? el("p", { class: "note", text: "It goes on." }) : null];
  }
  return [value(found.kind, found.text)];
}

// A change of a commit: where in the value at `path`, what it was, what it is.
function changed(change, path = "") {
  const where = change.where.startsWith(path) ? change.where.slice(path.length).replace(/^\./, "") : change.where;
  const sign = { added: "+", removed: "−", changed: "~" }[change.kind];
  return el("li", { class: `change ${change.kind}` },
    el("span", { class: "sign", "aria-hidden": "true", text: sign }), el("span", { class: "unseen", text: change.kind }),
    el("code", { class: "where", text: where }),
    el("span", { class: "sides" },
      change.old === undefined ? null : el("del", {}, value(...change.old)),
      change.old !== undefined && change.new !== undefined ? el("span", { class: "to", "aria-label": "became", text: "→" }) : null,
      change.new === undefined ? null : el("ins", {}, value(...change.new))));
}
