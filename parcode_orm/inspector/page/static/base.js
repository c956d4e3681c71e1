"use strict";

// What all views use: elements, numbers as people read them, and the data. Text of the file is only ever textContent.

const embedded = readEmbedded();
const state = { data: null, token: null };

function readEmbedded() {
  const found = document.getElementById("data");
  return found === null ? null : JSON.parse(found.textContent);
}

// -- elements --------------------------------------------------------------------------------------------------------

function el(name, given = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "text") made.textContent = value;
    else if (key === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (key === "vars") for (const [each, to] of Object.entries(value)) made.style.setProperty(each, to);
    else if (key in made && typeof value !== "string" && typeof value !== "number") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((each) => each !== null && each !== undefined));
  return made;
}

function drawn(name, given = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(given)) {
    if (key === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// A table that scrolls sideways by itself, also by keyboard, with a caption for those who hear it.
function table(caption, columns, rows, given = {}) {
  const head = el("tr", {}, columns.map((each) => el("th", { scope: "col", class: each.class, "aria-sort": each.sort }, each.head ?? each.text)));
  const made = el("table", given, el("caption", { class: "unseen", text: caption }), el("thead", {}, head), el("tbody", {}, rows));
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption }, made);
}

function definitions(pairs) {
  return el("dl", { class: "facts" }, pairs.filter((pair) => pair !== null && pair[1] !== "" && pair[1] !== null).map(([name, value]) =>
    el("div", {}, el("dt", { text: name }), el("dd", {}, typeof value === "string" ? document.createTextNode(value) : value))));
}

function say(text) {
  document.getElementById("said").textContent = text;
}

function problem(error, retry = null) {
  return el("div", { class: "problem", role: "alert" }, el("strong", { text: error.type || "Error" }),
    el("p", { text: error.message }), retry === null ? null : el("p", {}, retry));
}

// -- numbers, times ----------------------------------------------------------------------------------------------------

const grouped = new Intl.NumberFormat("en");
const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

function count(number) {
  return grouped.format(number);
}

function bytes(number) {
  let unit = 0;
  let value = number;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  if (unit === 0) return number === 1 ? "1 byte" : `${count(number)} bytes`;
  return `${value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

function percent(share) {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${value >= 99.95 || value === 0 ? Math.round(value) : value.toFixed(1)} %`;
}

function plural(number, word) {
  return `${count(number)} ${number === 1 ? word : word.endsWith("y") ? `${word.slice(0, -1)}ies` : `${word}s`}`;
}

function time(iso) {
  const when = new Date(iso);
  if (Number.isNaN(when.getTime())) return iso;
  const two = (number) => String(number).padStart(2, "0");
  return `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())} ` +
    `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`;
}

// -- addresses within the page ----------------------------------------------------------------------------------------

function address(view, given = {}) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(given)) {
    if (value !== null && value !== undefined && value !== "" && value !== 0) query.set(key, value);
  }
  const text = query.toString();
  return `#/${view}${text === "" ? "" : `?${text}`}`;
}

function link(text, view, given = {}, more = {}) {
  return el("a", { href: address(view, given), text, ...more });
}

function asked() {
  const [view, query] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { view, given: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

// -- data --------------------------------------------------------------------------------------------------------------

// The token stands behind "#", so that no server and no log sees it. It is kept for other tabs and a reload.
function takeToken() {
  const found = /^#token=([\w-]+)$/.exec(location.hash);
  try {
    if (found !== null) localStorage.setItem("token", found[1]);
    state.token = found === null ? localStorage.getItem("token") : found[1];
  } catch {
    state.token = found === null ? null : found[1];
  }
  if (found !== null) history.replaceState(null, "", location.pathname);
}

class Refusal extends Error {
  constructor(error) {
    super(error.message);
    this.error = error;
  }
}

async function ask(route, given = {}) {
  if (embedded !== null) return askEmbedded(route, given);
  const query = new URLSearchParams(Object.entries(given).filter(([, value]) => value !== null && value !== undefined && value !== ""));
  let answer;
  try {
    answer = await fetch(`/api/${route}?${query}`.replace(/\?$/, ""), { headers: { Authorization: `Bearer ${state.token}` } });
  } catch {
    throw new Refusal({ type: "No answer", message: "parcode serve does not answer: it has ended. Start it again, and open the address that it prints." });
  }
  const found = await answer.json();
  if (found.error !== undefined && !answer.ok) throw new Refusal(found.error);
  return found;
}

// Whether there is something to show at a path: in a copy, only the collections that it holds.
function hasData(path) {
  return embedded === null ? state.data.at !== null : Object.hasOwn(embedded.rows, path);
}

function askEmbedded(route, given) {
  if (route === "report") return embedded.report;
  if (route === "rows") return rowsEmbedded(Object.hasOwn(embedded.rows, given.path) ? embedded.rows[given.path] : undefined, given);
  throw new Refusal({ type: "Not in this file", message: "This is a copy of a part of the file: parcode serve shows all of it." });
}

// Of the first rows of a collection, those whose texts hold the filter.
function rowsEmbedded(found, given) {
  if (found === undefined) throw new Refusal({ type: "Not in this file", message: "This page holds the first rows of collections alone." });
  if (found.error !== undefined) throw new Refusal(found.error);
  const words = (given.where ?? "").toLowerCase();
  const rows = found.rows.filter((row) => words === "" || row.key.toLowerCase().includes(words) ||
    row.cells.some(([, text]) => text.toLowerCase().includes(words)));
  const offset = Number(given.offset ?? 0);
  return { ...found, total: rows.length, offset, limit: Number(given.limit), rows: sortedRows(rows, found, given.order ?? "").slice(offset, offset + Number(given.limit)) };
}

function sortedRows(rows, found, order) {
  const by = order.replace(/^-/, "");
  const place = found.columns.findIndex((each) => each.order === by);
  const cell = (row) => (place < 0 ? ["text", row.key] : row.cells[place]);
  if (by === "" || (place < 0 && by !== found.key.order)) return rows;
  const sign = order.startsWith("-") ? -1 : 1;
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  return [...rows].sort((one, other) => {
    const [[kind, a], [, b]] = [cell(one), cell(other)];
    return sign * (kind === "number" ? Number(a) - Number(b) : compare(a, b));
  });
}
