"use strict";

// What an object was in earlier commits, what changed between two, and what is damaged.

async function historyShown(given) {
  const list = el("ol", { class: "history" });
  const more = el("p", {});
  const load = async (before) => {
    more.replaceChildren(el("span", { class: "of", text: "Comparing commits…" }));
    const found = await ask("history", { path: given.path, before });
    list.append(...found.commits.map((commit) => changesOf(commit, given)));
    more.replaceChildren(found.before === null ? (list.children.length === 0 ? "No commit changed it." : "")
      : el("button", { type: "button", text: "Look at earlier commits", on: { click: () => load(found.before) } }));
  };
  await load(null);
  return [el("p", { class: "lead", text: "The commits that changed this value, the newest first." }), list, more];
}

function changesOf(commit, given) {
  return el("li", {},
    el("div", { class: "head" }, link(`Commit ${commit.sequence}`, "data", { path: given.path, at: commit.sequence === state.data.at ? null : commit.sequence }),
      el("time", { datetime: commit.time, text: time(commit.time) }), el("span", { class: "message", text: commit.message })),
    commit.problem === null ? null : el("p", { class: "note", text: commit.problem }),
    el("ul", { class: "changes" }, commit.changes.map((each) => changed(each, given.path))),
    commit.more ? link("All changes of this value", "changes", { path: given.path, a: commit.sequence - 1, b: commit.sequence }) : null);
}

async function viewChanges(given) {
  const newest = state.data.at;
  const b = given.b ?? String(newest);
  const a = given.a ?? String(Math.max(1, Number(b) - 1));
  const form = comparison(a, b, given);
  let found;
  try {
    found = await ask("diff", { path: given.path, a, b });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return el("section", {}, el("h2", { text: "Changes" }), form, problem(error.error));
  }
  const told = found.changes.length === 0 ? "Nothing changed." : `${plural(found.changes.length, "change")}${found.more ? ", and more" : ""}.`;
  return el("section", {}, el("h2", { text: "Changes" }), form,
    el("p", { class: "lead" }, `From commit ${found.a.sequence}, ${time(found.a.time)}, to commit ${found.b.sequence}, ${time(found.b.time)}. ${told}`),
    found.problems.map((each) => problem({ type: "Not compared", message: each })),
    found.schemas.length === 0 ? null : el("ul", { class: "note" }, found.schemas.map((each) => el("li", { text: each }))),
    el("ul", { class: "changes" }, found.changes.map((each) => changed(each))));
}

function comparison(a, b, given) {
  const field = (name, label, value, type) => el("span", { class: "field" }, el("label", { for: name, text: label }), el("input", { id: name, type, value, min: type === "number" ? "1" : null, max: type === "number" ? String(state.data.at) : null, placeholder: type === "text" ? "all of the file" : null, spellcheck: "false" }));
  const submit = (event) => {
    event.preventDefault();
    const of = (name) => document.getElementById(name).value.trim();
    go("changes", { a: of("from"), b: of("to"), path: of("path") }, "from");
  };
  return el("form", { class: "compare", on: { submit } }, field("from", "From commit", a, "number"), field("to", "to commit", b, "number"), field("path", "Path", given.path ?? "", "text"), el("button", { type: "submit", text: "Compare" }));
}

// -- damage ------------------------------------------------------------------------------------------------------------

function viewDamage() {
  const { report } = state.data;
  const result = el("div", { class: "result" });
  const check = async (event) => {
    event.target.disabled = true;
    result.replaceChildren(el("p", { class: "of", text: "Reading every byte…" }));
    try {
      result.replaceChildren(...verified(await ask("verify")));
    } catch (error) {
      result.replaceChildren(problem(error instanceof Refusal ? error.error : { message: String(error) }));
    }
    event.target.disabled = false;
    say("Verified");
  };
  return el("section", {}, el("h2", { text: "Damage" }),
    report.problems.length === 0 ? el("p", { class: "lead", text: "Nothing that was read for this page is damaged. Values were not read." })
      : [el("p", { class: "lead", text: "Found on the way through the file:" }), problemTable(report.problems)],
    embedded !== null ? el("p", { text: "parcode verify reads every byte." })
      : el("p", {}, el("button", { type: "button", text: "Verify every byte", on: { click: check } })),
    result);
}

function verified(found) {
  const head = found.ok ? el("p", { class: "good", text: `No damage: ${plural(found.commits, "commit")}, ${plural(found.chunks, "chunk")}, ${bytes(found.size)}.` })
    : el("p", { class: "bad", text: `${plural(found.count, "problem")} in ${bytes(found.size)}. parcode recover saves the rest.` });
  return [head, found.problems.length === 0 ? "" : problemTable(found.problems), ...found.notes.map((note) => el("p", { class: "note", text: note }))];
}

function problemTable(problems) {
  return table("Damaged places", [{ text: "Offset", class: "number" }, { text: "Owner" }, { text: "What is wrong" }, { text: "Commit", class: "number" }], problems.map((each) =>
    el("tr", {}, el("th", { scope: "row", class: "number", text: count(each.offset) }), el("td", {}, el("code", { text: each.where })), el("td", { class: "message", text: each.what }), el("td", { class: "number", text: each.commit === 0 ? "" : String(each.commit) }))));
}
