"use strict";

// The bytes of the file as areas: a part is as large as it is in the file. The table below says the same.

const REST = new Set(["head", "catalog", "schemas", "history", "gaps", "structure"]);
const HUES = [185, 75, 285, 30, 245, 135, 345, 105];
const TITLE = 23; // pixels of the title of a part that shows its own parts
const KINDS = {
  root: "root", entities: "entities", list: "list", map: "dictionary", model: "object", column: "column", blob: "large value",
  keys: "keys", index: "index", head: "head", catalog: "catalog", schemas: "schemas", history: "dead", gaps: "gaps",
  structure: "tree and heads",
};

function viewSize(given) {
  const way = wayTo(given.part ?? "");
  const here = way.at(-1);
  const parts = partsOf(here.entry, here.part);
  const aside = el("aside", { class: "details", "aria-label": "The chosen part" });
  const map = el("div", { class: "treemap", role: "group", "aria-label": "Treemap. Arrow keys move, Enter goes down, Escape goes up." });
  const rows = new Map();
  const choose = (each) => {
    for (const [part, row] of rows) row.classList.toggle("chosen", part === each.part);
    for (const tile of map.children) tile.classList.toggle("chosen", tile.dataset.part === each.part);
    aside.replaceChildren(...details(each.entry, each.part));
  };
  const list = table(`Parts of ${here.entry.name}`, [
    { text: "Part" }, { text: "Kind" }, { text: "Type" }, { text: "Rows", class: "number" }, { text: "Bytes", class: "number" },
    { text: "Uncompressed", class: "number" }, { text: "Share of the file", class: "share" },
  ], parts.map((each) => {
    const row = partRow(each, () => choose(each));
    rows.set(each.part, row);
    return row;
  }), { class: "parts" });
  aside.replaceChildren(...details(here.entry, here.part));
  const shown = el("section", { class: "size" },
    el("h2", { class: "unseen", text: "Size" }),
    crumbs(way),
    el("div", { class: "beside" }, parts.length === 0 ? el("p", { class: "empty", text: "This part has no parts." }) : map, aside),
    parts.length === 0 ? null : list);
  if (parts.length > 0) placed(map, parts, here, choose);
  return shown;
}

// -- parts ---------------------------------------------------------------------------------------------------------

function whole() {
  const report = state.data.report;
  return { name: "the whole file", path: "", kind: "file", type: "", rows: null, stored: report.size, raw: null, share: 1, compression: {}, encodings: {}, notes: report.notes ?? [], children: report.entries, chunks: null, height: null, shared: 0, offset: 0 };
}

// A part is named by the places of entries in each other: "0.3" is the fourth of the first.
function wayTo(part) {
  const way = [{ entry: whole(), part: "" }];
  for (const place of part === "" ? [] : part.split(".")) {
    const { entry } = way.at(-1);
    if (!(Number(place) in entry.children)) break;
    way.push({ entry: entry.children[Number(place)], part: way.length === 1 ? place : `${way.at(-1).part}.${place}` });
  }
  return way;
}

function partsOf(entry, part) {
  const found = entry.children.map((each, place) => ({ entry: each, part: part === "" ? `${place}` : `${part}.${place}` }));
  const left = entry.stored - entry.children.reduce((sum, each) => sum + each.stored, 0);
  if (found.length > 0 && left > 0 && entry.kind !== "file") {
    found.push({ entry: { ...whole(), name: "tree and heads", kind: "structure", path: entry.path, stored: left, share: left / state.data.report.size, children: [], notes: [], offset: null }, part: `${part}.rest` });
  }
  return found.filter((each) => each.entry.stored > 0).sort((one, other) => other.entry.stored - one.entry.stored);
}

function hue(part) {
  const place = Number(part.split(".")[0]);
  const data = state.data.report.entries.map((each, at) => [each, at]).filter(([each]) => !REST.has(each.kind));
  const at = data.findIndex(([, index]) => index === place);
  return at < 0 ? null : HUES[at % HUES.length];
}

// An index is called after the field that it finds.
function called(entry) {
  return entry.kind === "index" ? `${entry.name} · index` : entry.name;
}

function canBrowse(entry) {
  return entry.path !== "" && !entry.path.includes("[]") && !REST.has(entry.kind) && hasData(entry.path);
}

function crumbs(way) {
  return el("nav", { class: "crumbs", "aria-label": "Where this is" }, el("ol", {}, way.map(({ entry, part }, place) =>
    el("li", {}, place === way.length - 1 ? el("span", { "aria-current": "page", text: entry.name }) : link(entry.name, "size", { part })))));
}

function details(entry, part) {
  const few = (named) => Object.entries(named).sort(([, a], [, b]) => b - a).map(([name, size]) => `${name} ${bytes(size)}`).join(", ");
  const saved = entry.raw !== null && entry.raw > entry.stored ? `, ${bytes(entry.raw)} without compression` : "";
  const { report } = state.data;
  return [
    el("h3", { text: called(entry) }),
    entry.path !== "" && entry.path !== entry.name ? el("p", { class: "path" }, el("code", { text: entry.path })) : null,
    definitions([
      entry.kind === "file" ? null : ["Kind", KINDS[entry.kind] ?? entry.kind],
      ["Type", entry.type === "" ? "" : el("code", { text: entry.type })],
      ["Rows", entry.rows === null ? "" : count(entry.rows)],
      ["Bytes", `${count(entry.stored)}${saved}`],
      ...(entry.kind === "file" ? ofFile(report) : [["Share", percent(entry.share)]]),
      ["Compression", few(entry.compression)],
      ["Encodings", few(entry.encodings)],
      ["Chunks", entry.chunks === null ? "" : count(entry.chunks)],
      ["Height", entry.height === null ? "" : `${entry.height}`],
      ["Shared", entry.shared > 0 ? `${bytes(entry.shared)} count for another part` : ""],
      ["Offset", entry.offset === null || entry.kind === "file" ? "" : count(entry.offset)],
    ]),
    ...entry.notes.map((note) => el("p", { class: "note", text: note })),
    el("p", { class: "actions" },
      entry.children.length > 0 && part !== "" && part !== asked().given.part ? link("Its parts", "size", { part }) : null,
      canBrowse(entry) ? link(entry.kind === "column" || entry.kind === "blob" ? "The value" : "The data", "data", { path: entry.path }) : null),
  ].filter((each) => each !== null);
}

function ofFile(report) {
  return [
    ["Live", `${bytes(report.live)}, ${percent(report.live / (report.size || 1))}`],
    ["Dead", `${bytes(report.dead)}${report.dead > 0 ? ", of earlier commits" : ""}`],
    ["Format", report.format],
    ["UUID", report.uuid === "" ? "" : el("code", { text: report.uuid })],
    ["Place", el("code", { text: report.path })],
    ["Read", `${bytes(report.bytes_read)} for this view`],
  ];
}

function partRow({ entry, part }, choose) {
  const name = entry.children.length > 0 ? link(called(entry), "size", { part })
    : el("button", { type: "button", class: "plain", text: called(entry), on: { click: choose } });
  return el("tr", { on: { pointerenter: choose } },
    el("th", { scope: "row", vars: { "--hue": hue(part) ?? 0 }, class: hue(part) === null ? "rest" : null }, el("i", { class: "swatch" }), name),
    el("td", { text: KINDS[entry.kind] ?? entry.kind }),
    el("td", {}, el("code", { text: entry.type })),
    el("td", { class: "number", text: entry.rows === null ? "" : count(entry.rows) }),
    el("td", { class: "number", text: bytes(entry.stored) }),
    el("td", { class: "number", text: entry.raw === null || entry.raw === entry.stored ? "" : bytes(entry.raw) }),
    el("td", { class: "share" }, el("meter", { value: String(entry.share), text: percent(entry.share) }), el("span", { text: percent(entry.share) })));
}

// -- tiles -----------------------------------------------------------------------------------------------------------

function placed(map, parts, here, choose) {
  let width = 0;
  const draw = () => {
    if (map.clientWidth === 0 || map.clientWidth === width) return;
    width = map.clientWidth;
    const held = map.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    map.replaceChildren(...tiles(parts, { x: 0, y: 0, w: width, h: map.clientHeight }, choose));
    const first = [...map.children].find((tile) => tile.dataset.part === held) ?? map.children[0];
    if (first !== undefined) first.tabIndex = 0;
    if (held !== null || state.byKeyboard) first?.focus();
    state.byKeyboard = false;
  };
  new ResizeObserver(draw).observe(map);
  map.addEventListener("keydown", (event) => moved(event, map, here));
  map.addEventListener("focusin", (event) => {
    for (const tile of map.children) tile.tabIndex = tile === event.target ? 0 : -1;
  });
}

function tiles(parts, area, choose) {
  const made = [];
  for (const [each, box] of squared(parts, area)) {
    const inner = partsOf(each.entry, each.part);
    const roomy = inner.length > 1 && box.w > 90 && box.h > 70;
    made.push(tile(each, box, choose, roomy ? "whole" : "leaf"));
    if (!roomy) continue;
    const inside = { x: box.x + 4, y: box.y + TITLE, w: box.w - 8, h: box.h - TITLE - 4 };
    for (const [below, place] of squared(inner, inside)) {
      if (place.w > 3 && place.h > 3) made.push(tile(below, place, choose, "inner"));
    }
  }
  return made;
}

function tile(each, box, choose, role) {
  const { entry, part } = each;
  const deeper = entry.children.length > 0;
  const said = `${called(entry)}, ${KINDS[entry.kind] ?? entry.kind}, ${bytes(entry.stored)}, ${percent(entry.share)} of the file${deeper ? ", has parts" : ""}`;
  const large = box.w > 44 && box.h > (role === "whole" ? 0 : 20);
  const color = hue(part);
  return el("button", {
    type: "button", class: `tile ${role}${large ? " large" : ""}${color === null ? " rest" : ""}`, "data-part": part, tabIndex: -1, "aria-label": said, title: said,
    vars: { "--x": `${box.x}px`, "--y": `${box.y}px`, "--w": `${box.w}px`, "--h": `${box.h}px`, "--hue": color ?? 0 },
    on: {
      click: (event) => (deeper ? goTo(part, event.detail === 0) : choose(each)),
      focus: () => choose(each), pointerenter: () => choose(each),
    },
  }, large ? el("span", { class: "name", text: called(entry) }) : null,
  large && (role === "whole" ? box.w > 130 : box.h > 40 && box.w > 62) ? el("span", { class: "of", text: bytes(entry.stored) }) : null);
}

// Show another part; a tile of it has the keyboard then, if the keyboard asked for it.
function goTo(part, byKeyboard) {
  state.byKeyboard = byKeyboard;
  location.hash = address("size", { part });
}

// The next tile in a direction: the nearest one whose middle lies that way.
function moved(event, map, here) {
  if (event.key === "Escape" || event.key === "Backspace") {
    if (here.part !== "") goTo(here.part.split(".").slice(0, -1).join("."), true);
    return;
  }
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (way === undefined || !map.contains(document.activeElement)) return;
  event.preventDefault();
  const middle = (tile) => {
    const box = tile.getBoundingClientRect();
    return [box.x + box.width / 2, tile.classList.contains("whole") ? box.y + TITLE / 2 : box.y + box.height / 2];
  };
  const [x, y] = middle(document.activeElement);
  let best = null;
  let least = Infinity;
  for (const tile of map.children) {
    const [a, b] = middle(tile);
    const along = (a - x) * way[0] + (b - y) * way[1];
    const aside = Math.abs((a - x) * way[1]) + Math.abs((b - y) * way[0]);
    if (along > 1 && along + 2 * aside < least) [best, least] = [tile, along + 2 * aside];
  }
  if (best !== null) best.focus();
}

// The squarified treemap of Bruls, Huizing and van Wijk: rows of areas that are as square as they get.
function squared(parts, area) {
  const total = parts.reduce((sum, each) => sum + each.entry.stored, 0);
  const scale = (area.w * area.h) / (total || 1);
  const left = { ...area };
  const found = [];
  let row = [];
  let sum = 0;
  const worst = (sizes, all, side) => Math.max(...sizes.map((size) => Math.max((side * side * size) / (all * all), (all * all) / (side * side * size))));
  const lay = () => {
    const wide = left.w >= left.h;
    const depth = sum / (wide ? left.h : left.w);
    let at = wide ? left.y : left.x;
    for (const [each, size] of row) {
      const length = size / depth;
      found.push([each, wide ? { x: left.x, y: at, w: depth, h: length } : { x: at, y: left.y, w: length, h: depth }]);
      at += length;
    }
    if (wide) [left.x, left.w] = [left.x + depth, left.w - depth];
    else [left.y, left.h] = [left.y + depth, left.h - depth];
    [row, sum] = [[], 0];
  };
  for (const each of parts) {
    const size = each.entry.stored * scale;
    const side = Math.min(left.w, left.h);
    const sizes = row.map(([, known]) => known);
    if (row.length > 0 && worst([...sizes, size], sum + size, side) > worst(sizes, sum, side)) lay();
    row.push([each, size]);
    sum += size;
  }
  if (row.length > 0) lay();
  return found;
}
