"use strict";

// The commits: what each added to the file, and how much of the file was live after it.

const BAND = { top: 132, bottom: 120, gap: 34, left: 62, right: 8 };

function viewCommits() {
  const commits = [...state.data.report.commits].reverse();
  const { report } = state.data;
  const more = report.commit_count > commits.length ? ` The newest ${count(commits.length)} of ${count(report.commit_count)} are shown.` : "";
  const readout = el("p", { class: "readout", "aria-live": "polite" });
  const rows = new Map();
  const choose = (commit) => {
    for (const [each, row] of rows) row.classList.toggle("chosen", each === commit.sequence);
    readout.replaceChildren(el("strong", { text: `Commit ${commit.sequence}` }), ` ${time(commit.time)} · added ${bytes(commit.size)} · ${bytes(commit.live)} live, ${bytes(commit.dead)} dead`);
  };
  const list = table("Commits", [
    { text: "Commit", class: "number" }, { text: "Time" }, { text: "Message" }, { text: "Added", class: "number" },
    { text: "Live", class: "number" }, { text: "Dead", class: "number" }, { text: "Kind" }, { text: "Look" },
  ], [...commits].reverse().map((commit) => {
    const row = commitRow(commit, () => choose(commit));
    rows.set(commit.sequence, row);
    return row;
  }));
  const drawing = el("div", { class: "chart", tabindex: "0", role: "group", "aria-label": "Bytes of the commits. Arrow keys go from commit to commit. The table below has the same numbers." });
  if (commits.length > 0) {
    charted(drawing, commits, choose);
    choose(commits.at(-1));
  }
  return el("section", {},
    el("h2", { text: "Commits" }),
    el("p", { class: "lead", text: `A commit appends what changed. Bytes that only earlier commits use are dead: compacting drops them, and these commits with them.${more}` }),
    commits.length > 0 ? [el("div", { class: "legend" }, el("span", { class: "added", text: "added by the commit" }), el("span", { class: "live", text: "live" }), el("span", { class: "dead", text: "dead" })), drawing, readout] : null,
    list);
}

function commitRow(commit, choose) {
  const message = state.data.messages[commit.sequence] ?? "";
  const isNewest = commit.sequence === state.data.at;
  return el("tr", { on: { pointerenter: choose } },
    el("th", { scope: "row", class: "number", text: String(commit.sequence) }),
    el("td", {}, el("time", { datetime: commit.time, text: time(commit.time) })),
    el("td", { class: "message", text: message }),
    el("td", { class: "number", text: bytes(commit.size) }),
    el("td", { class: "number", text: bytes(commit.live) }),
    el("td", { class: "number", text: bytes(commit.dead) }),
    el("td", { text: commit.kind }),
    el("td", { class: "actions" }, embedded !== null ? null : [
      link("Data", "data", { at: isNewest ? null : commit.sequence }, { "aria-label": `Data as of commit ${commit.sequence}` }),
      commit.sequence > 1 ? link("Changes", "changes", { a: commit.sequence - 1, b: commit.sequence }, { "aria-label": `Changes of commit ${commit.sequence}` }) : null,
    ]));
}

function charted(place, commits, choose) {
  let chosen = commits.length - 1;
  let width = 0;
  const columns = [];
  const mark = (index) => {
    columns[chosen]?.classList.remove("chosen");
    chosen = Math.max(0, Math.min(commits.length - 1, index));
    columns[chosen]?.classList.add("chosen");
    choose(commits[chosen]);
  };
  const draw = () => {
    if (place.clientWidth === 0 || place.clientWidth === width) return;
    width = place.clientWidth;
    columns.length = 0;
    place.replaceChildren(chart(commits, width, columns, mark));
    columns[chosen]?.classList.add("chosen");
  };
  new ResizeObserver(draw).observe(place);
  place.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, Home: 0, End: commits.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    mark(to);
  });
}

function chart(commits, width, columns, mark) {
  const height = BAND.top + BAND.gap + BAND.bottom + 24;
  const step = (width - BAND.left - BAND.right) / commits.length;
  const bar = Math.max(1, Math.min(28, step * 0.72));
  const middle = (index) => BAND.left + step * (index + 0.5);
  const added = axis(commits.map((each) => each.size), BAND.top, true);
  const sizes = axis(commits.map((each) => each.live + each.dead), BAND.bottom, false);
  const base = BAND.top + BAND.gap + BAND.bottom;
  const made = drawn("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  for (const [{ ticks, y }, foot] of [[added, BAND.top], [sizes, base]]) {
    for (const tick of ticks) {
      made.append(drawn("line", { class: "grid", x1: BAND.left, x2: width - BAND.right, y1: foot - y(tick), y2: foot - y(tick) }),
        drawn("text", { class: "tick", x: BAND.left - 8, y: foot - y(tick) + 4, "text-anchor": "end" }, bytes(tick).replace(" bytes", " B")));
    }
  }
  commits.forEach((commit, index) => {
    const x = middle(index) - bar / 2;
    const box = (foot, tall, kind) => drawn("rect", { class: kind, x, y: foot - tall, width: bar, height: Math.max(tall, 0.5) });
    const live = sizes.y(commit.live);
    const group = drawn("g", { on: { pointerenter: () => mark(index), click: () => mark(index) } },
      drawn("rect", { class: "behind", x: middle(index) - step / 2, y: 0, width: step, height: base }),
      box(BAND.top, added.y(commit.size), "added"),
      box(base, live, "live"), box(base - live, sizes.y(commit.live + commit.dead) - live, "dead"));
    columns.push(group);
    made.append(group);
  });
  const every = Math.max(1, Math.ceil(commits.length / Math.max(2, Math.floor((width - BAND.left) / 60))));
  commits.forEach((commit, index) => {
    if (index % every === 0) made.append(drawn("text", { class: "tick", x: middle(index), y: base + 17, "text-anchor": "middle" }, String(commit.sequence)));
  });
  return made;
}

// Sizes as heights. Where the largest is far above the others, the heights are logarithmic: each tick is ten times the last.
function axis(sizes, tall, mayBeLogarithmic) {
  const most = Math.max(1, ...sizes);
  const middle = [...sizes].sort((one, other) => one - other)[Math.floor(sizes.length / 2)];
  if (mayBeLogarithmic && most > 20 * Math.max(1, middle)) {
    const low = Math.floor(Math.log10(Math.max(1, Math.min(...sizes)))) - 0.3;
    const high = Math.log10(most);
    const ticks = [];
    for (let power = Math.ceil(low); power <= high; power += 1) ticks.push(10 ** power);
    return { ticks, y: (size) => (size < 1 ? 0 : ((Math.log10(size) - low) / (high - low)) * (tall - 8)) };
  }
  const power = 10 ** Math.floor(Math.log10(most));
  const gap = [0.2, 0.5, 1, 2].map((part) => part * power).find((each) => most / each <= 4.5);
  const ticks = [];
  for (let tick = 0; tick <= most; tick += gap) ticks.push(tick);
  return { ticks, y: (size) => (size / most) * (tall - 8) };
}
