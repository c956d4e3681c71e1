"use strict";

// Which view is shown, what stands above all of them, and how the page begins.

const TABS = [["size", "Size"], ["data", "Data"], ["schema", "Schema"], ["commits", "Commits"], ["damage", "Damage"]];
const VIEWS = { size: viewSize, data: viewData, schema: viewSchema, commits: viewCommits, changes: viewChanges, damage: viewDamage };
const EVERY = 10_000; // milliseconds until the page asks again whether the file went on

let asking = 0;

// Go to another view; the element `focus` of it has the keyboard then.
function go(view, given, focus = null) {
  const to = address(view, given);
  state.focus = focus;
  if (location.hash === to) show();
  else location.hash = to;
}

async function show() {
  const { view, given } = asked();
  const name = Object.hasOwn(VIEWS, view) ? view : "size";
  const mine = (asking += 1);
  const main = document.getElementById("main");
  for (const tab of document.querySelectorAll("#tabs a")) {
    if (tab.dataset.view === (name === "changes" ? "commits" : name)) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  main.setAttribute("aria-busy", "true");
  let made;
  try {
    made = await VIEWS[name](given);
  } catch (error) {
    made = problem(error instanceof Refusal ? error.error : { type: "Error of this page", message: String(error) });
  }
  if (mine !== asking) return; // another view was asked for meanwhile
  const before = main.dataset.place;
  const place = `${name} ${given.path ?? given.part ?? ""}`;
  const held = main.contains(document.activeElement);
  main.replaceChildren(made);
  main.dataset.place = place;
  main.removeAttribute("aria-busy");
  document.title = `${TABS.find(([each]) => each === name)?.[1] ?? "Changes"} · ${state.data.name}`;
  const focused = state.focus == null ? null : document.getElementById(state.focus);
  if (focused !== null) focused.focus();
  else if (held) main.focus({ preventScroll: true }); // what had the keyboard is gone
  state.focus = null;
  if (before !== place) window.scrollTo(0, 0);
}

function head() {
  const { report, name } = state.data;
  document.getElementById("name").textContent = name;
  const live = report.size === 0 ? "" : ` · ${percent(report.live / report.size)} live`;
  document.getElementById("facts").textContent = `${bytes(report.size)} · ${plural(report.commit_count, "commit")}${live} · format ${report.format || "unknown"}`;
  document.getElementById("tabs").replaceChildren(...TABS.map(([view, text]) => el("a", { href: address(view), "data-view": view }, text,
    view === "damage" && report.problems.length > 0 ? el("span", { class: "badge bad", text: count(report.problems.length) }) : null)));
  const notices = [];
  if (state.data.unread !== undefined) notices.push(["bad", `The newest commit cannot be read: ${state.data.unread.error.message}. ${state.data.at === null ? "" : `Commit ${count(state.data.at)} is shown.`}`]);
  if (state.data.recovered) notices.push(["", state.data.recovered]);
  if (embedded !== null) notices.push(["", `A copy of what parcode inspect found, with the first ${count(embedded.most)} rows of each collection.`]);
  document.getElementById("notices").replaceChildren(...notices.map(([kind, text]) => el("p", { class: `notice ${kind}`, text })));
}

async function load(given = {}) {
  state.data = await ask("report", given);
  head();
  await show();
}

// The file may go on while the page is open: it says so, and shows the new commit if it is asked to.
async function watch() {
  if (document.hidden || document.getElementById("newer") !== null) return;
  const { newer } = await ask("newer").catch(() => ({ newer: null }));
  if (newer === null) return;
  const reload = () => load({ newest: "1" });
  document.getElementById("notices").append(el("p", { class: "notice", id: "newer" },
    newer === 0 ? "The file is another one by now. " : `Commit ${count(newer)} is there by now. `,
    el("button", { type: "button", text: "Show it", on: { click: reload } })));
}

async function begin() {
  if (embedded === null) takeToken();
  window.addEventListener("hashchange", () => {
    if (location.hash.startsWith("#token=")) location.reload(); // the address of another run
    else show();
  });
  try {
    await load();
  } catch (error) {
    document.getElementById("main").replaceChildren(problem(error instanceof Refusal ? error.error : { type: "Error of this page", message: String(error) }));
    return;
  }
  if (embedded === null) {
    setInterval(watch, EVERY);
    document.addEventListener("visibilitychange", watch);
  }
}

begin();
