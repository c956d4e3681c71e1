"use strict";

// The data: collections and roots, their rows, and one object as a tree whose parts are read when they are opened.

const AT_ONCE = 100;

async function viewData(given) {
  const { collections } = state.data;
  if (state.data.at === null) return el("section", {}, el("h2", { text: "Data" }), problem(state.data.unread.error));
  if (embedded !== null && !collections.some((each) => each.rows !== undefined)) return el("section", {}, el("h2", { text: "Data" }), el("p", { class: "empty", text: "The file holds no collections. parcode serve shows its roots." }));
  if (collections.length === 0) return el("section", {}, el("h2", { text: "Data" }), el("p", { class: "empty", text: "The file holds no roots and no entities." }));
  const path = given.path ?? startingPath(collections);
  const shown = await dataAt({ ...given, path });
  return el("section", { class: "data-view" }, el("h2", { class: "unseen", text: "Data" }), placesList(collections, path, given), el("div", { class: "place" }, shown));
}

function startingPath(collections) {
  return [...collections].sort((one, other) => (other.rows ?? -1) - (one.rows ?? -1))[0].path;
}

function placesList(collections, path, given) {
  return el("nav", { class: "places", "aria-label": "Roots and collections" }, el("ul", {}, collections.filter((each) => embedded === null || each.rows !== undefined).map((each) =>
    el("li", {}, el("a", { href: address("data", { path: each.path, at: given.at }), "aria-current": each.path === path ? "true" : null }, breakable(each.path)),
      el("span", { class: "of", text: each.kind === "root" ? "root" : each.rows === undefined ? "damaged" : count(each.rows) })))));
}

// A path that may be broken before a dot.
function breakable(path) {
  return path.split(/(?=\.)/).flatMap((part) => [el("wbr"), part]).slice(1);
}

async function dataAt(given) {
  const old = given.at === undefined || Number(given.at) === state.data.at ? null
    : el("p", { class: "then" }, `As of commit ${given.at}. `, link("Show the newest", "data", { ...given, at: null }));
  if (embedded !== null) return [el("h3", { class: "path" }, el("code", { text: given.path })), await rowsShown(given)];
  let found;
  try {
    found = await ask("value", { path: given.path, at: given.at, limit: String(AT_ONCE) });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return [old, pathForm(given), problem(error.error)];
  }
  const show = given.show ?? (found.rows ? "rows" : "tree");
  const views = [found.rows ? ["rows", "Rows"] : null, ["tree", "Tree"], ["history", "History"]].filter((each) => each !== null);
  const body = { rows: rowsShown, history: historyShown, tree: () => treeShown(found, given.at) }[show] ?? (() => treeShown(found, given.at));
  return [old, pathForm({ ...given, path: found.path }), way(found, given),
    el("div", { class: "subtabs" }, views.map(([name, text]) => link(text, "data", { path: given.path, at: given.at, show: name }, { "aria-current": name === show ? "page" : null })),
      el("span", { class: "of" }, found.type === undefined ? null : el("code", { text: found.type }), ` ${size(found)}`)),
    await body({ ...given, path: found.path })];
}

function pathForm(given) {
  const input = el("input", { id: "path", type: "text", value: given.path, spellcheck: "false", autocomplete: "off", autocapitalize: "off" });
  const submit = (event) => {
    event.preventDefault();
    go("data", { path: input.value.trim(), at: given.at }, "path");
  };
  return el("form", { class: "goto", on: { submit } }, el("label", { for: "path", text: "Path" }), input, el("button", { type: "submit", text: "Go" }));
}

function way(found, given) {
  return el("nav", { class: "crumbs", "aria-label": "Where this is" }, el("ol", {}, found.way.map((each, place) => el("li", {}, place === found.way.length - 1
    ? el("span", { "aria-current": "page", text: each.name }) : link(each.name, "data", { path: each.path, at: given.at })))));
}

// -- the tree ------------------------------------------------------------------------------------------------------

function treeShown(found, at) {
  if (!INSIDE.has(found.kind)) return el("div", { class: "alone" }, atLength(found));
  if (found.size === 0) return el("p", { class: "empty", text: "There is nothing in it." });
  const tree = el("ul", { class: "tree", role: "tree", "aria-label": `What is in ${found.path}` });
  tree.append(...items(found, at));
  const first = tree.querySelector("[role=treeitem]");
  if (first !== null) first.tabIndex = 0;
  tree.addEventListener("keydown", (event) => treeKey(event, tree));
  tree.addEventListener("focusin", (event) => {
    const item = event.target.closest("[role=treeitem]");
    for (const other of tree.querySelectorAll("[role=treeitem][tabindex='0']")) other.tabIndex = -1;
    if (item !== null) item.tabIndex = 0;
  });
  return tree;
}

function items(found, at) {
  const made = found.children.map((each) => item(each, at));
  const next = found.offset + found.children.length;
  if (next < found.size) made.push(moreItem(found, next, at));
  return made;
}

function canOpen(node) {
  return node.path !== null && node.size !== 0 && (OPENED.has(node.kind) || (node.kind === "text" && node.text.endsWith("…")));
}

function item(node, at) {
  const opens = canOpen(node);
  const own = el("li", { role: "treeitem", tabIndex: -1, "aria-expanded": opens ? "false" : null },
    el("div", { class: "line", on: { click: (event) => event.target.closest("a") === null && toggle(own) } },
      el("span", { class: "toggle", "aria-hidden": "true", text: opens ? "▸" : "" }),
      node.name === "" ? null : el("span", { class: "name", text: node.name, title: node.name }),
      INSIDE.has(node.kind) ? [el("span", { class: "type", text: node.type }), el("span", { class: "of", text: size(node) }), el("span", { class: "value brief", text: node.kind === "object" ? "" : node.text })] : value(node.kind, node.text),
      INSIDE.has(node.kind) && node.path !== null ? link("open", "data", { path: node.path, at }, { class: "visit", tabIndex: -1, "aria-label": `Open ${node.name}` }) : null));
  own.node = node;
  own.at = at;
  return own;
}

function moreItem(found, next, at) {
  const left = found.size - next;
  const own = el("li", { role: "treeitem", tabIndex: -1, class: "more" }, el("div", { class: "line" }, el("button", { type: "button", class: "plain", tabIndex: -1, text: `Show ${count(Math.min(AT_ONCE, left))} more of ${count(left)}`, on: { click: () => more() } })));
  const more = async () => {
    const later = await ask("value", { path: found.path, at, offset: String(next), limit: String(AT_ONCE) });
    const added = items(later, at);
    own.replaceWith(...added);
    added[0]?.focus();
  };
  own.more = more;
  return own;
}

async function toggle(own) {
  if (own.getAttribute("aria-expanded") === null) return;
  const open = own.getAttribute("aria-expanded") === "false";
  own.setAttribute("aria-expanded", String(open));
  own.querySelector(".toggle").textContent = open ? "▾" : "▸";
  let group = own.querySelector(":scope > ul");
  if (group === null && open) {
    group = el("ul", { role: "group" });
    own.append(group);
    try {
      const found = await ask("value", { path: own.node.path, at: own.at, limit: String(AT_ONCE) });
      group.append(...(found.children === undefined ? [el("li", { role: "none", class: "alone" }, atLength(found))] : items(found, own.at)));
      say(`${own.node.name}: ${size(found) || found.kind}`);
    } catch (error) {
      group.append(el("li", { role: "none" }, problem(error instanceof Refusal ? error.error : { message: String(error) })));
    }
  }
  if (group !== null) group.hidden = !open;
}

function treeKey(event, tree) {
  const now = event.target.closest("[role=treeitem]");
  if (now === null || event.target.matches("a, pre")) return;
  const seen = [...tree.querySelectorAll("[role=treeitem]")].filter((each) => each.closest("ul[hidden]") === null);
  const place = seen.indexOf(now);
  const expanded = now.getAttribute("aria-expanded");
  const act = {
    ArrowDown: () => seen[place + 1]?.focus(),
    ArrowUp: () => seen[place - 1]?.focus(),
    Home: () => seen[0].focus(),
    End: () => seen.at(-1).focus(),
    ArrowRight: () => (expanded === "false" ? toggle(now) : now.querySelector("[role=treeitem]")?.focus()),
    ArrowLeft: () => (expanded === "true" ? toggle(now) : now.parentElement.closest("[role=treeitem]")?.focus()),
    Enter: () => (now.more === undefined ? toggle(now) : now.more()),
    " ": () => toggle(now),
  }[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
}
