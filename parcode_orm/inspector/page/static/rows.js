"use strict";

// The rows of a collection: a page of them, filtered and sorted.

const PAGE = 50;
const UNSORTED = new Set(["object", "list", "map", "set", "bytes", "array", "other", "unread"]);

async function rowsShown(given) {
  const filter = given.where ?? "";
  const at = { path: given.path, at: given.at };
  let found = null;
  let failed = null;
  try {
    found = await ask("rows", { ...at, where: filter, order: given.order, offset: given.offset ?? "0", limit: String(PAGE) });
  } catch (error) {
    failed = error instanceof Refusal ? error.error : { message: String(error) };
    if (filter !== "" || (given.order ?? "") !== "") {
      found = await ask("rows", { ...at, limit: "1" }).catch(() => null); // for the names of the fields
    }
  }
  return el("div", { class: "rows" }, filterForm(given, found, failed),
    failed !== null ? (filter === "" ? problem(failed, (given.order ?? "") === "" ? null : link("Show the rows in their order", "data", { ...given, order: "" })) : null) : [paging(given, found), rowTable(given, found), found.rows.length > 20 ? paging(given, found) : null]);
}

function filterForm(given, found, failed) {
  const input = el("input", {
    id: "where", name: "where", type: "text", value: given.where ?? "", placeholder: example(found), spellcheck: "false", autocomplete: "off", autocapitalize: "off",
    "aria-describedby": "where-said", "aria-invalid": failed !== null && (given.where ?? "") !== "" ? "true" : null,
  });
  const submit = (event) => {
    event.preventDefault();
    go("data", { ...given, where: input.value.trim(), offset: 0 }, "where");
  };
  return el("form", { class: "filter", role: "search", on: { submit } },
    el("label", { for: "where", text: "Filter" }), input,
    el("button", { type: "submit", text: "Apply" }),
    (given.where ?? "") === "" ? null : link("Clear", "data", { ...given, where: "", offset: 0 }),
    el("div", { id: "where-said", class: "said" },
      failed !== null && (given.where ?? "") !== "" ? filterProblem(given.where, failed) : el("p", { text: hint(found) })));
}

// The error of a filter, and a mark below the column where it is.
function filterProblem(text, error) {
  const column = error.column ?? 0;
  const line = text.replace(/\s/g, " ");
  return el("div", { class: "problem", role: "alert" },
    column > 0 ? el("pre", { text: `${line}\n${" ".repeat(column - 1)}^` }) : null,
    el("p", { text: error.message }));
}

// A field of a kind that has a value in the first rows, and that value.
function sample(found, wanted) {
  for (const [at, column] of (found?.columns ?? []).entries()) {
    const row = found.rows.find((each) => each.cells[at][0] === wanted && each.cells[at][1].length < 24 && /^[\w .-]+$/.test(each.cells[at][1]));
    if (column.order !== null && row !== undefined) return [column.order, row.cells[at][1]];
  }
  return null;
}

function example(found) {
  if (embedded !== null) return "any text";
  const number = sample(found, "number");
  const text = sample(found, "text");
  return number !== null ? `${number[0]} > ${number[1]}` : text !== null ? `${text[0]} == "${text[1]}"` : "a condition";
}

function hint(found) {
  if (embedded !== null) return `Rows whose text contains the filter, of the first ${count(Math.min(embedded.most, found?.count ?? 0))} of ${count(found?.count ?? 0)} rows. parcode serve asks all of them, with conditions.`;
  const [number, text] = [sample(found, "number"), sample(found, "text")];
  const parts = [number === null ? null : `${number[0]} > ${number[1]}`, text === null ? null : `${text[0]} in ("${text[1]}", "…")`].filter((each) => each !== null);
  const more = text !== null ? `, startswith(${text[0]}, "${text[1].slice(0, 1)}")` : "";
  return parts.length === 0 ? "A condition as in Python, of the fields of a row." : `Conditions as in Python: ${parts.join(" and ")}${more}`;
}

function paging(given, found) {
  const first = found.offset + 1;
  const last = found.offset + found.rows.length;
  const filtered = found.total !== found.count && embedded === null ? ` (of ${count(found.count)})` : "";
  const text = found.rows.length === 0 ? `No rows${filtered}` : `Rows ${count(first)} to ${count(last)} of ${count(found.total)}${filtered}`;
  const to = (text, offset, can) => (can ? link(text, "data", { ...given, offset }) : el("span", { class: "off", "aria-hidden": "true", text }));
  const end = Math.max(0, Math.floor((found.total - 1) / PAGE) * PAGE);
  return el("nav", { class: "paging", "aria-label": "Pages" }, el("span", { text }),
    el("span", { class: "steps" }, to("First", 0, found.offset > 0), to("Previous", Math.max(0, found.offset - PAGE), found.offset > 0),
      to("Next", found.offset + PAGE, last < found.total), to("Last", end, last < found.total)));
}

function rowTable(given, found) {
  const keyed = found.key.order !== null;
  const columns = [columnHead(given, found.key, "key", keyed ? null : "number", true), ...found.columns.map((each, at) => {
    const kinds = new Set(found.rows.map((row) => row.cells[at][0]));
    return columnHead(given, each, at, kinds.has("number") ? "number" : null, ![...kinds].some((kind) => UNSORTED.has(kind)));
  })];
  const rows = found.rows.map((row) => el("tr", {},
    el("th", { scope: "row", class: keyed ? null : "number" }, row.path === null || embedded !== null ? el("span", { text: row.key, title: row.key }) : link(row.key === "" ? "empty text" : row.key, "data", { path: row.path, at: given.at }, { title: row.key })),
    row.cells.map(([kind, text]) => el("td", { class: kind === "number" ? "number" : null, title: text.length > 24 ? text : null }, value(kind, text)))));
  return [table(`Rows of ${given.path}`, columns, rows, { class: "data" }),
    found.more_columns > 0 ? el("p", { class: "note", text: `and ${plural(found.more_columns, "field")} more: open a row to see them` }) : null];
}

function columnHead(given, column, at, kind, sorts) {
  if (column.order === null || !sorts) return { text: column.name, class: kind };
  const now = given.order === column.order ? "ascending" : given.order === `-${column.order}` ? "descending" : null;
  const next = { ascending: `-${column.order}`, descending: "", null: column.order }[now];
  const button = el("button", { type: "button", class: "plain", on: { click: () => go("data", { ...given, order: next, offset: 0 }, `order-${at}`) }, id: `order-${at}` },
    column.name, el("span", { class: "arrow", "aria-hidden": "true", text: { ascending: " ↑", descending: " ↓", null: "" }[now] }));
  return { class: kind, head: button, sort: now };
}
