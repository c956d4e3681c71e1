"use strict";

// The classes of the newest commit, as the file says.

function viewSchema() {
  const { schema } = state.data;
  if (!Array.isArray(schema)) return el("section", {}, el("h2", { text: "Schema" }), problem(schema.error));
  const places = new Map(schema.map((each, at) => [each.name, at]));
  const order = { root: 0, entities: 1, "": 2 };
  const sorted = [...schema].sort((one, other) => order[one.stored] - order[other.stored]);
  const stored = state.data.report.schemas;
  return el("section", {},
    el("h2", { text: "Schema" }),
    el("p", { class: "lead", text: "The classes that wrote the newest commit. parcode schema gives them as Python source." }),
    el("div", { class: "classes" }, sorted.map((each) => oneClass(each, places))),
    stored.length === 0 ? null : [el("h3", { text: "Stored schemas" }),
      table("Stored schemas", [{ text: "Fingerprint" }, { text: "Classes" }, { text: "Bytes", class: "number" }], stored.map((each) =>
        el("tr", {}, el("th", { scope: "row" }, el("code", { text: each.fingerprint.slice(0, 16) })), el("td", { class: "message", text: each.classes.join(", ") }), el("td", { class: "number", text: bytes(each.stored) }))))]);
}

function oneClass(found, places) {
  const word = { root: "root", entities: "entities" }[found.stored] ?? found.kind;
  return el("article", { class: "class", id: `class-${places.get(found.name)}` },
    el("h3", {}, el("code", { text: found.name }), el("span", { class: "badge", text: word }),
      found.stored === "" || !hasData(pathOf(found)) ? null : link("Data", "data", { path: pathOf(found) }, { "aria-label": `Data of ${found.name}` })),
    found.fields.length === 0 ? el("p", { class: "empty", text: "No fields." })
      : el("table", {}, el("caption", { class: "unseen", text: `Fields of ${found.name}` }), el("thead", { class: "unseen" }, el("tr", {}, ["Field", "Type", "Marker"].map((text) => el("th", { scope: "col", text })))),
        el("tbody", {}, found.fields.map((field) => el("tr", {}, el("th", { scope: "row" }, el("code", { text: field.name })), el("td", {}, typed(field.type, places)), el("td", { class: "mark", text: field.mark.replace("default=None, ", "").replace("()", "") }))))));
}

function pathOf(found) {
  return state.data.collections.find((each) => each.of === found.name)?.path ?? found.name;
}

// A type whose classes lead to where they are.
function typed(text, places) {
  return el("code", {}, text.split(/([\p{L}_][\p{L}\p{N}_.]*)/u).map((part) => {
    if (!places.has(part)) return document.createTextNode(part);
    const go = () => document.getElementById(`class-${places.get(part)}`)?.scrollIntoView({ block: "nearest" });
    return el("button", { type: "button", class: "plain", text: part, on: { click: go } });
  }));
}
