// The page "Explore the runs".  It shows what docs/explorer.py wrote into explorer_data.js and computes nothing of the science:
// means, untuned settings and covariance tables come from the library.  A plain script, because a browser loads no module into a page that lies in a file.
(() => {
"use strict";
const data = window.PC_RUNS;
const $ = id => document.getElementById(id);
if (!data || !window.uPlot || !$("explorer")) return;        // the page then keeps the words for readers without JavaScript

const SHAPES = {                                            // markers of matplotlib as paths around 0, about one unit large
  "o": "M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0Z", "s": "M-.85-.85H.85V.85H-.85Z", "D": polygon(4, 0, 1.15), "d": "M0-1.25L.75 0 0 1.25-.75 0Z",
  "^": polygon(3, 0, 1.2), "v": polygon(3, 180, 1.2), "<": polygon(3, -90, 1.2), ">": polygon(3, 90, 1.2),
  "P": "M-.35-1.05H.35V-.35H1.05V.35H.35V1.05H-.35V.35H-1.05V-.35H-.35Z", "X": "M-1-.5-.5-1 0-.5.5-1 1-.5.5 0 1 .5.5 1 0 .5-.5 1-1 .5-.5 0Z",
  "*": polygon(10, 0, 1.3, .55), "p": polygon(5, 0, 1.1), "h": polygon(6, 0, 1.1), "H": polygon(6, 30, 1.1), "8": polygon(8, 22.5, 1.1)};
const DASHES = {"-": [], "--": [7, 4], ":": [2, 3], "-.": [7, 3, 2, 3]};
const KINDS = {paper: "Of the paper", nudged: "With centre nudging (CN)", rivals: "Rivals"};
const SEEDS = ["o", "s", "^", "D", "v", "P"];               // markers and lines of the runs of one cell, by seed
const looks = Object.fromEntries(data.rows.map(row => [row.name, row]));
const charts = new Map();                                   // by the element that holds them
const state = {};
let waiting = 0;                                            // for a pause, before the address changes

// Words and elements

/** An element with attributes; a function listens to the event after "on". */
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}

/** A regular polygon as an SVG path; with a second radius a star. */
function polygon(corners, turn, outer, inner = outer) {
  const points = Array.from({length: corners}, (_, i) => {
    const angle = (turn - 90 + 360 * i / corners) * Math.PI / 180, radius = i % 2 ? inner : outer;
    return `${(radius * Math.cos(angle)).toFixed(3)} ${(radius * Math.sin(angle)).toFixed(3)}`;
  });
  return `M${points.join("L")}Z`;
}

const percent = share => (100 * share).toFixed(1);
const counted = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
const unique = values => [...new Set(values)];
const network = model => data.networks[model] || model;

/** A number of any size in a few characters. */
function short(value) {
  if (typeof value !== "number") return value === null ? "none" : String(value);
  const plain = value === 0 || Number.isInteger(value) || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5);
  return plain ? String(Number(value.toPrecision(6))) : Number(value.toPrecision(3)).toExponential().replace("e+", "e");
}

/** Settings in one line. */
const listed = settings => Object.entries(settings).map(([name, value]) => `${name} ${short(value)}`).join(", ");

/** What a CSS variable of the theme comes to, as rgb(...). */
function ink(variable) {
  const probe = document.body.appendChild(el("span", {style: `color: var(${variable})`}));
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/** The colour of a row.  Black would be lost on a dark page, so it becomes the colour of the text. */
const colourOf = look => look.colour === "#000000" ? ink("--color-foreground-primary") : look.colour;

/** Line and marker of a row as a small picture. */
function sign(look) {
  const colour = look.colour === "#000000" ? "currentColor" : look.colour;
  const picture = document.createElement("span");
  picture.innerHTML = `<svg class="sign" viewBox="0 0 42 16" aria-hidden="true"><path d="M1 8H41" stroke="${colour}" stroke-width="2" stroke-dasharray="${
    DASHES[look.style].join(" ")}"/><path d="${SHAPES[look.marker]}" transform="translate(21 8) scale(5)" fill="${
    look.hollow ? "var(--color-background-primary)" : colour}" stroke="${colour}" stroke-width=".35"/></svg>`;
  return picture.firstChild;
}

// Which runs

const inScale = () => data.runs.filter(run => run.scale === state.scale);
const inView = () => inScale().filter(run => run.views.includes(state.view));
const shown = () => inView().filter(run => state.rows.has(run.row));
const scaleNow = () => data.scales.find(scale => scale.id === state.scale);

/** The networks of some runs, the shallowest first. */
function networksOf(runs) {
  const depths = new Map(runs.map(run => [run.model, run.layers]));
  return [...depths.keys()].sort((a, b) => depths.get(a) - depths.get(b));
}

/** The rows that are shown, in the order of the paper's figures. */
const rowsOf = runs => data.rows.filter(row => runs.some(run => run.row === row.name));

// The state, and the address that keeps it

/** The state of somebody who has chosen nothing. */
function initial() {
  const middle = list => list[Math.floor((list.length - 1) / 2)];
  return {scale: data.start, view: "none", rows: new Set(data.rows.filter(row => row.kind === "paper").map(row => row.name)), network: null, cell: null,
          alpha: .1, k: 1, T: middle(data.figure1.steps), L: data.figure1.layers[0]};
}

/** Take over what the address says; what it does not say, or says wrongly, is as at first. */
function readHash() {
  const told = new URLSearchParams(location.hash.slice(1)), allowed = {
    scale: data.scales.map(scale => scale.id), view: Object.keys(data.views), network: Object.keys(data.networks), cell: Object.keys(data.groups),
    alpha: data.figure1.alphas, k: data.figure1.rates, T: data.figure1.steps, L: data.figure1.layers};
  Object.assign(state, initial());
  for (const [name, values] of Object.entries(allowed)) {
    const value = values.find(one => String(one) === told.get(name));
    if (value !== undefined) state[name] = value;
  }
  if (told.has("rows")) state.rows = new Set(told.get("rows").split(",").filter(name => name in looks));
}

/** The state as a hash. */
function asHash() {
  const told = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) if (value !== null) told.set(name, name === "rows" ? [...value].join(",") : value);
  return `#${told}`;
}

/** Keep the state in the address, once a slider rests: browsers refuse hundreds of changes a minute.  The history gets no entry. */
function keepHash() {
  clearTimeout(waiting);
  waiting = setTimeout(() => history.replaceState(null, "", asHash()), 150);
}

/** The state after a choice, without what the choice has made meaningless. */
function choose(change) {
  Object.assign(state, change);
  showRuns();
  keepHash();
}

/** Replace a view, network or cell that the present scale does not have. */
function settle() {
  const views = unique(inScale().flatMap(run => run.views));
  if (!views.includes(state.view)) state.view = Object.keys(data.views).find(view => views.includes(view));
  const there = networksOf(inView());
  if (!there.includes(state.network)) state.network = there[there.length - 1];
  if (!shown().some(run => run.group === state.cell)) state.cell = null;
}

// Charts

/** Draw a chart into `holder`, in place of the one that is there.
 *
 * plan: xs; lines [{look, ys}]; marks [{x, y, look, shape, size, hollow, faint, text}], whose text is shown when the pointer is near; xTitle, yTitle;
 * about: words for those who do not see it; log, xLog: whether an axis is logarithmic; range [low, high] of the y axis; level: a dotted line. */
function draw(holder, plan) {
  erase(holder);
  if (!plan.lines.length) {
    holder.append(el("p", {class: "none"}, "No run: nothing in the store fits what is chosen."));
    return;
  }
  const hint = el("p", {class: "hint", hidden: true});
  holder.setAttribute("role", "img");
  holder.setAttribute("aria-label", plan.about);
  const made = new uPlot(options(holder, plan, hint), [plan.xs, ...plan.lines.map(line => line.ys)], holder);
  holder.append(hint);
  const watch = new ResizeObserver(() => holder.clientWidth && made.setSize({width: holder.clientWidth, height: made.height}));
  watch.observe(holder);
  charts.set(holder, () => { watch.disconnect(); made.destroy(); });
}

/** Remove the chart of an element. */
function erase(holder) {
  if (charts.has(holder)) charts.get(holder)();
  charts.delete(holder);
  holder.removeAttribute("role");
  holder.removeAttribute("aria-label");
  holder.replaceChildren();
}

/** What uPlot is told of a chart. */
function options(holder, plan, hint) {
  const text = ink("--color-foreground-primary"), font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const grid = {stroke: ink("--color-background-border"), width: 1};
  const axis = {stroke: text, font, labelFont: font, grid, ticks: grid, labelSize: 20, filter: (_, splits) => splits};
  return {
    width: holder.clientWidth, height: plan.height || 320, legend: {show: false}, padding: [12, 14, 0, 0],
    cursor: {x: false, y: false, points: {show: false}, drag: {x: false, y: false}},
    scales: {x: {time: false, distr: plan.xLog ? 3 : 1, log: 2, range: () => padded(plan)}, y: {distr: plan.log ? 3 : 1, range: () => plan.range}},
    axes: [{...axis, label: plan.xTitle, size: 34, ...whole(plan)},
           {...axis, label: plan.yTitle, size: plan.log ? 52 : 44, ...(plan.log ? decades(plan.range) : {})}],
    series: [{}, ...plan.lines.map(line => ({stroke: colourOf(line.look), width: 2, dash: DASHES[line.look.style], spanGaps: true, points: {show: false}}))],
    hooks: {draw: [chart => paint(chart, plan)], setCursor: [chart => point(chart, plan, hint)]}};
}

/** The ends of the x axis, a little beyond the values. */
function padded({xs, xLog}) {
  const [first, last] = [xs[0], xs[xs.length - 1]];
  return xLog ? [first / 1.25, last * 1.25] : [first - Math.max(.04 * (last - first), .4), last + Math.max(.04 * (last - first), .4)];
}

/** Ticks of the x axis at whole numbers: the values themselves where they are few. */
function whole({xs, xLog}) {
  const step = Math.ceil(xs.length / 12);
  const some = xLog || xs.length <= 12 ? xs : xs.filter((_, i) => (i + 1) % step === 0);
  return {splits: () => some, values: () => some.map(String)};
}

/** Ticks of a logarithmic axis at powers of ten, at most seven. */
function decades([low, high]) {
  const [first, last] = [Math.round(Math.log10(low)), Math.round(Math.log10(high))], step = Math.ceil((last - first) / 6) || 1;
  const powers = [];
  for (let power = last; power >= first; power -= step) powers.unshift(power);
  const raised = power => [...String(power)].map(sign => "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign] || "⁻").join("");
  return {splits: () => powers.map(power => 10 ** power), values: () => powers.map(power => `10${raised(power)}`)};
}

/** The markers, above the lines that uPlot has drawn, and the level. */
function paint(chart, plan) {
  const {ctx, bbox} = chart, ratio = devicePixelRatio, page = ink("--color-background-primary");
  ctx.save();
  if (plan.level > plan.range[0]) {
    const y = chart.valToPos(plan.level, "y", true);
    ctx.setLineDash([2 * ratio, 4 * ratio]);
    ctx.strokeStyle = ink("--color-foreground-secondary");
    ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
    ctx.setLineDash([]);
  }
  for (const mark of plan.marks) {
    ctx.save();
    ctx.translate(chart.valToPos(mark.x, "x", true), chart.valToPos(mark.y, "y", true));
    ctx.scale(mark.size * ratio, mark.size * ratio);
    ctx.globalAlpha = mark.faint ? .65 : 1;
    ctx.strokeStyle = colourOf(mark.look);
    ctx.fillStyle = mark.hollow ? page : ctx.strokeStyle;
    ctx.lineWidth = 1.4 / mark.size;
    const shape = new Path2D(SHAPES[mark.shape]);
    ctx.fill(shape); ctx.stroke(shape);
    ctx.restore();
  }
  ctx.restore();
}

/** Say what the mark nearest to the pointer is. */
function point(chart, plan, hint) {
  const {left, top} = chart.cursor;
  const away = mark => Math.hypot(chart.valToPos(mark.x, "x") - left, chart.valToPos(mark.y, "y") - top);
  const near = left < 0 ? null : plan.marks.reduce((best, mark) => !best || away(mark) < away(best) ? mark : best, null);
  hint.hidden = !near || away(near) > 24;
  if (hint.hidden) return;
  hint.textContent = near.text;
  const x = chart.over.offsetLeft + chart.valToPos(near.x, "x") + 10, y = chart.over.offsetTop + chart.valToPos(near.y, "y") - 34;
  hint.style.left = `${Math.max(0, Math.min(x, chart.width - hint.offsetWidth))}px`;
  hint.style.top = `${Math.max(0, y)}px`;
}

/** Where runs of one cell differ in more than the seed, a word on it. */
const differing = group => listed(data.groups[group].differs);

/** Chart 1: test accuracy over depth. */
function depthPlan(runs) {
  const depths = unique(runs.map(run => run.layers)).sort((a, b) => a - b), scored = runs.filter(run => run.test !== null);
  const lines = [], marks = [];
  for (const look of rowsOf(scored)) {
    const main = scored.filter(run => run.row === look.name && data.groups[run.group].main);
    const means = depths.map(depth => main.find(run => run.layers === depth)).map(run => run ? 100 * data.groups[run.group].mean : null);
    lines.push({look, ys: means});
    depths.forEach((x, i) => means[i] !== null && marks.push({x, y: means[i], look, shape: look.marker, size: 5, hollow: look.hollow,
      text: `${look.name}, ${x} layers: ${means[i].toFixed(1)} %, mean of ${counted(data.groups[main.find(run => run.layers === x).group].n, "seed")}`}));
  }
  for (const run of scored) {
    const apart = differing(run.group);
    marks.push({x: run.layers, y: 100 * run.test, look: looks[run.row], shape: "o", size: 2.2, faint: true, hollow: !data.groups[run.group].main,
      text: `${run.row}, ${run.layers} layers, seed ${run.seed}: ${percent(run.test)} %${apart && `, ${apart}`}`});
  }
  const level = 100 * (data.chance[scaleNow().dataset] || 0), ys = marks.map(mark => mark.y);
  const range = [Math.max(0, Math.floor((Math.min(...ys) - 2) / 10) * 10), Math.min(100, Math.ceil((Math.max(...ys) + 2) / 10) * 10)];
  const xLog = depths[depths.length - 1] > 8 * depths[0];    // muPC networks have from 9 to 129 layers
  return {xs: depths, xLog, lines, marks: marks.reverse(), level, range, xTitle: "layers", yTitle: "test accuracy (%)",
          about: "Chart of test accuracy over depth, a line for each algorithm. The table below has the same numbers."};
}

/** Where guessing lies in chart 1, whose axis may begin above it. */
function levelInWords({lines, level, range: [low]}) {
  if (!lines.length || !level) return "";
  return low < level ? "The dotted line is the accuracy of guessing." : `The axis begins at ${low}; guessing has ${level}.`;
}

/** The mean on a logarithmic axis; an energy below the library's floor counts as the floor. */
const floored = energy => Math.max(energy, data.floor);
const geometric = values => Math.exp(values.reduce((sum, value) => sum + Math.log(floored(value)), 0) / values.length);

/** The energies of a network by row: seeds and their mean, layer by layer. */
function energiesOf(runs) {
  const some = runs.filter(run => run.model === state.network && data.groups[run.group].main && run.energies.every(Number.isFinite));
  return rowsOf(some).map(look => {
    const seeds = some.filter(run => run.row === look.name);
    return {look, seeds, means: seeds[0].energies.map((_, layer) => geometric(seeds.map(run => run.energies[layer])))};
  });
}

/** Chart 2: layer energies over layers. */
function energyPlan(energies) {
  const xs = energies.length ? energies[0].means.map((_, i) => i + 1) : [], few = xs.length <= 40, marks = [];
  for (const {look, seeds, means} of energies) {
    const every = Math.ceil(xs.length / 20);
    for (const run of few ? seeds : [])
      run.energies.forEach((energy, i) => marks.push({x: i + 1, y: floored(energy), look, shape: "o", size: 1.8, faint: true,
        text: `${look.name}, layer ${i + 1}, seed ${run.seed}: ${short(energy)}`}));
    means.forEach((y, i) => i % every || marks.push({x: i + 1, y, look, shape: look.marker, size: 4.2, hollow: look.hollow,
      text: `${look.name}, layer ${i + 1}: ${short(y)}, mean of ${counted(seeds.length, "seed")}`}));
  }
  const powers = marks.map(mark => Math.log10(mark.y));
  const range = [10 ** Math.floor(Math.min(...powers)), 10 ** Math.ceil(Math.max(...powers) + .01)];
  return {xs, lines: energies.map(({look, means}) => ({look, ys: means})), marks, range, log: true, xTitle: "layer", yTitle: "energy",
          about: `Chart of the layer energies of ${network(state.network)} in the last epoch, a line for each algorithm. The numbers stand below it.`};
}

/** The numbers of chart 2 as a table. */
function energyNumbers(energies) {
  if (!energies.length) return el("p", {}, "No run.");
  const layers = energies[0].means.map((_, i) => i + 1);
  return el("table", {}, el("caption", {class: "quiet"}, "Means over seeds, on the logarithmic axis"),
    el("thead", {}, el("tr", {}, el("th", {scope: "col"}, "algorithm"), ...layers.map(layer => el("th", {scope: "col", class: "number"}, `layer ${layer}`)))),
    el("tbody", {}, ...energies.map(({look, means}) => el("tr", {}, el("th", {scope: "row"}, look.name),
      ...means.map(value => el("td", {class: "number"}, short(Number(value.toPrecision(3)))))))));
}

// The table of cells

/** One group of runs in a cell: a button with mean, seeds and what sets the group apart. */
function groupButton(look, model, group) {
  const {mean, n, diverged, untuned} = data.groups[group], apart = differing(group);
  const score = n ? `${percent(mean)} %` : "diverged";
  const notes = [counted(n + diverged, "seed"), diverged && n ? `${diverged} diverged` : "", untuned ? "untuned" : "", apart].filter(Boolean).join(", ");
  const press = () => choose({cell: state.cell === group ? null : group});
  return el("button", {type: "button", "data-group": group, "aria-pressed": String(group === state.cell), onclick: press,
    "aria-label": `${look.name}, ${network(model)}: ${score}, ${notes}. Show the runs.`}, score, el("small", {}, notes));
}

/** All groups of one row and network; "no run" where there is none. */
function cell(look, model, runs) {
  const groups = unique(runs.filter(run => run.row === look.name && run.model === model).map(run => run.group));
  groups.sort((a, b) => data.groups[b].main - data.groups[a].main);
  return groups.length ? el("td", {}, ...groups.map(group => groupButton(look, model, group))) : el("td", {class: "empty"}, "no run");
}

/** Algorithm × network. */
function accuracyTable(runs) {
  const models = networksOf(inView()), rows = data.rows.filter(row => state.rows.has(row.name) && inScale().some(run => run.row === row.name));
  if (!rows.length) return el("p", {class: "quiet"}, "No run: choose an algorithm.");
  return el("table", {},
    el("thead", {}, el("tr", {}, el("th", {scope: "col"}, "algorithm"), ...models.map(model => el("th", {scope: "col"}, network(model))))),
    el("tbody", {}, ...rows.map(look => el("tr", {}, el("th", {scope: "row"}, sign(look), ` ${look.name}`), ...models.map(model => cell(look, model, runs))))));
}

// The runs of one cell

/** A list of settings. */
function settingsList(settings) {
  return el("dl", {class: "settings"}, ...Object.entries(settings).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, short(value)))));
}

/** Facts about the runs of a group, a line a run. */
function runsTable(runs) {
  const orNone = (value, words) => value === null ? "none" : words(value);
  const columns = {
    "seed": run => run.seed,
    "test (%)": run => orNone(run.test, percent),
    "validation (%)": run => orNone(run.validation, percent),
    "selected epoch": run => orNone(run.best, best => `${best} of ${run.accuracy.length}`),
    "outcome": run => run.outcome,
    "seconds": run => Math.round(run.seconds),
    "device": run => run.device,
    "commit": run => (run.commit || "unknown").split(" + ").map(one => one.slice(0, 7)).join(" + ") + (run.dirty ? ", files differed" : ""),
    "date": run => (run.date || "").slice(0, 10),
    "key": run => run.key,
    "versions": run => run.versions};
  return el("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": "Facts about the runs"}, el("table", {},
    el("thead", {}, el("tr", {}, ...Object.keys(columns).map(name => el("th", {scope: "col"}, name)))),
    el("tbody", {}, ...runs.map(run => el("tr", {}, ...Object.values(columns).map(value => el("td", {}, String(value(run)))))))));
}

/** Chart 3: one number of each run, epoch by epoch; a filled mark is the selected epoch. */
function curvePlan(runs, name, factor, yTitle) {
  const epochs = Math.max(...runs.map(run => run[name].length)), xs = Array.from({length: epochs}, (_, i) => i + 1), marks = [];
  const lines = runs.map((run, i) => {
    const look = seedLook(run, i), ys = xs.map((_, i) => Number.isFinite(run[name][i]) ? factor * run[name][i] : null);
    ys.forEach((y, at) => y !== null && marks.push({x: at + 1, y, look, shape: look.marker, size: at + 1 === run.best ? 5 : 3, hollow: at + 1 !== run.best,
      text: `seed ${run.seed}, epoch ${at + 1}: ${Number(y.toPrecision(4))}`}));
    return {look, ys};
  });
  const values = marks.map(mark => mark.y), [low, high] = [Math.min(...values), Math.max(...values)], room = .06 * (high - low || 1);
  return {xs, lines, marks, range: [Math.max(0, low - room), high + room], xTitle: "epoch", yTitle, height: 240,
          about: `Chart of ${yTitle} by epoch, a line for each seed. The table above has the numbers of the selected epoch.`};
}

/** A piece of Python with a button that copies it. */
function commandBlock(run) {
  const text = `import pc_precision as pc\n${run.command}`, code = el("pre", {}, el("code", {}, text));
  const button = el("button", {type: "button", "aria-label": `Copy the Python of seed ${run.seed}`, onclick: () => copy(text, code, button)}, "Copy");
  return el("div", {class: "command"}, code, button);
}

/** Copy a text.  Where a browser gives a page from a file no clipboard, the text is selected, so that a key copies it. */
async function copy(text, code, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
  }
}

/** Line and marker of the i-th run of a cell: the colour of its row, a line of its own. */
const seedLook = (run, i) => ({...looks[run.row], style: Object.keys(DASHES)[i % 4], marker: SEEDS[i % SEEDS.length], hollow: true});

/** Which line is which seed. */
function seedKey(runs) {
  const signs = runs.map((run, i) => el("span", {}, sign(seedLook(run, i)), `seed ${run.seed}`));
  return el("p", {class: "key"}, ...signs, el("span", {}, "A filled mark is the selected epoch."));
}

/** Everything about the runs of the chosen cell, under the table. */
function showCell() {
  const panel = $("explorer-runs"), runs = data.runs.filter(run => run.group === state.cell).sort((a, b) => a.seed - b.seed);
  for (const holder of panel.querySelectorAll(".plot")) erase(holder);
  panel.hidden = !runs.length;
  panel.replaceChildren();
  $("explorer-chosen").textContent = runs.length ? `${counted(runs.length, "run")} of ${runs[0].row} in ${network(runs[0].model)}:` : "No cell is chosen.";
  for (const button of document.querySelectorAll("#explorer-table [data-group]"))
    button.setAttribute("aria-pressed", String(button.dataset.group === state.cell));
  if (!runs.length) return;
  const [first] = runs, group = data.groups[state.cell], apart = differing(state.cell);
  const spread = group.std === null ? "" : `, standard deviation ${percent(group.std)} percentage points`;
  const accuracy = el("div", {class: "plot"}), loss = el("div", {class: "plot"});
  panel.append(
    el("h3", {id: "explorer-runs-title"}, `${first.row}, ${network(first.model)}, ${data.views[first.views[0]]}${apart && `, ${apart}`}`),
    el("p", {}, `${counted(runs.length, "run")}; ${group.n ? `mean test accuracy ${percent(group.mean)} %${spread}` : "every run diverged"}. ${
      group.untuned ? "Untuned: nobody searched these settings." : "Somebody searched these settings."}`),
    runsTable(runs),
    el("h4", {}, "Learning curves"), el("div", {class: "pair"}, accuracy, loss), seedKey(runs),
    el("h4", {}, "Settings"), settingsList(first.settings),
    el("h4", {}, "To reproduce"),
    el("p", {class: "quiet"}, "In a clone, this reads the run from the store. With the name of a new folder as store it trains the run anew."),
    ...runs.map(commandBlock));
  draw(accuracy, curvePlan(runs, "accuracy", 100, "test accuracy (%)"));
  draw(loss, curvePlan(runs, "loss", 1, "training loss"));
}

// Filters

/** Options of a select, `chosen` among them. */
function fill(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, label]) => el("option", {value, selected: value === chosen}, label)));
}

/** The checkboxes of the algorithms: once, because a box that is replaced loses the focus. */
function makeRows() {
  for (const [kind, title] of Object.entries(KINDS)) {
    const some = data.rows.filter(row => row.kind === kind);
    if (!some.length) continue;
    const box = row => el("input", {type: "checkbox", name: "row", value: row.name, onchange: chooseRows});
    const boxes = some.map(row => el("label", {}, box(row), sign(row), row.name, el("small")));
    $("explorer-rows").append(el("div", {class: "kind", role: "group", "aria-label": title}, el("span", {}, title), el("div", {}, ...boxes)));
  }
  for (const button of document.querySelectorAll("[data-rows]")) button.addEventListener("click", () => chooseMany(button.dataset.rows));
}

/** Take over the checkboxes. */
function chooseRows() {
  choose({rows: new Set([...document.querySelectorAll("#explorer-rows input:checked")].map(box => box.value))});
}

/** All algorithms, those of the paper, or none. */
function chooseMany(which) {
  choose({rows: new Set(data.rows.filter(row => which === "all" || row.kind === which).map(row => row.name))});
}

/** Make the filters say what the state is, and how many runs each choice has. */
function showFilters() {
  const count = (runs, test) => runs.filter(test).length, viewed = inView();
  fill($("explorer-scale"), data.scales.map(scale => [scale.id, `${scale.label} (${counted(scale.runs, "run")})`]), state.scale);
  const views = Object.entries(data.views).map(([view, label]) => ({view, label, runs: count(inScale(), run => run.views.includes(view))}));
  fill($("explorer-view"), views.filter(({runs}) => runs).map(({view, label, runs}) => [view, `${label} (${counted(runs, "run")})`]), state.view);
  fill($("explorer-network"), networksOf(viewed).map(model => [model, network(model)]), state.network);
  for (const box of document.querySelectorAll("#explorer-rows input")) {
    const runs = count(viewed, run => run.row === box.value);
    box.checked = state.rows.has(box.value);
    box.parentElement.querySelector("small").textContent = runs ? counted(runs, "run") : "no run";
  }
}

/** Filters, counts, charts, table and cell, all from the state. */
function showRuns() {
  settle();
  showFilters();
  const runs = shown(), energies = energiesOf(runs), below = energies.some(({seeds}) => seeds.some(run => run.energies.some(energy => energy < data.floor)));
  $("explorer-count").textContent = `${runs.length} of ${counted(data.runs.length, "run")} are shown: ${counted(rowsOf(runs).length, "algorithm")}, ${
    counted(networksOf(runs).length, "network")}, ${counted(unique(runs.map(run => run.seed)).length, "seed")}.`;
  $("explorer-shared").textContent = `All runs of this scale share: ${listed(scaleNow().shared)}.`;
  $("explorer-key").replaceChildren(...rowsOf(runs).map(look => el("span", {}, sign(look), look.name)));
  const depths = depthPlan(runs);
  draw($("explorer-depth"), depths);
  $("explorer-depth-told").textContent = `Test accuracy (%) over the number of layers. ${levelInWords(depths)}`;
  draw($("explorer-energy"), energyPlan(energies));
  $("explorer-energy-told").textContent = `Energy of each layer in the last epoch, on a logarithmic axis; layer 1 is next to the input.${
    below ? ` An energy below ${data.floor} is drawn there.` : ""}`;
  $("explorer-energy-numbers").replaceChildren(energyNumbers(energies));
  const focus = document.activeElement.dataset.group;
  $("explorer-table").replaceChildren(accuracyTable(runs));
  if (focus) document.querySelector(`#explorer-table [data-group="${focus}"]`)?.focus({preventScroll: true});
  showCell();
}

// Figure 1 with sliders

const SLIDERS = {alpha: "alphas", k: "rates", T: "steps"};   // the values of each slider, by their name in the data

/** rgb(...) or #rrggbb as three numbers. */
function channels(colour) {
  return colour[0] === "#" ? [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16)) : colour.match(/[\d.]+/g).slice(0, 3).map(Number);
}

/** The relative luminance of a colour, from 0 to 1. */
function luminance(rgb) {
  const [red, green, blue] = rgb.map(value => value / 255).map(value => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4);
  return .2126 * red + .7152 * green + .0722 * blue;
}

/** Background and text of a cell.  Before the front it is paler; an infinite covariance has no colour at all. */
function cellColours(value, early, page) {
  const [low, high] = data.figure1.limits.map(Math.log), colours = data.figure1.colours;
  const at = value === null ? 0 : Math.round((colours.length - 1) * Math.max(0, Math.min(1, (Math.log(value) - low) / (high - low))));
  const full = value === null ? page : channels(colours[at]), back = early ? full.map((channel, i) => Math.round(.35 * channel + .65 * page[i])) : full;
  return `background: rgb(${back.join(",")}); color: ${luminance(back) > .179 ? "#000" : "#fff"}`;
}

/** A covariance in at most five characters, as in the figures of the library. */
function covariance(value) {
  if (value === null) return "∞";
  if (value >= 10 && value < 99999.5) return String(Math.round(value));
  return value >= 1e-3 && value < 10 ? String(Number(value.toPrecision(2))) : value.toExponential(0).replace("e+", "e");
}

/** A table of covariances: a row a layer, the output at the top, a column a step. */
function heatMap(table, caption) {
  const {T, L} = state, front = data.figure1.front[L], page = channels(ink("--color-background-primary")), layers = Array.from({length: L}, (_, i) => L - i);
  const steps = Array.from({length: T}, (_, t) => t);
  const one = (layer, t) => {
    const arrives = t === front[layer - 1];
    return el("td", {style: cellColours(table[t][layer - 1], t < front[layer - 1], page), title: arrives ? "The front arrives." : null,
      class: arrives ? `arrives${layer === 1 ? " last" : ""}` : null}, covariance(table[t][layer - 1]));
  };
  return el("table", {class: "heat"}, el("caption", {}, caption),
    el("thead", {}, el("tr", {}, el("th", {scope: "col"}, "step t"), ...steps.map(t => el("th", {scope: "col"}, String(t))))),
    el("tbody", {}, ...layers.map(layer => el("tr", {}, el("th", {scope: "row"}, `layer ${layer}`), ...steps.map(t => one(layer, t))))));
}

/** One sentence on what the present choice does; its numbers come from the tables. */
function choiceInWords(decaying) {
  const {alpha, k, T, L} = state, lost = data.figure1.unreached[`${T},${L}`], rest = Math.round(100 * decaying[0][L - 1] / decaying[1][L - 1]);
  const spike = alpha === 1 ? "the spike is as low as every other step, so that the spiking schedule is the constant one" :
    `a layer’s precision is ${Number((1 / alpha).toPrecision(2))} times as high at the one step at which the front reaches it`;
  const decay = `with k = ${k} it falls to ${rest || "less than 1"} % of its value at every step after the front`;
  const idle = lost.length === 1 ? "layer 1 does" : `layers 1 to ${lost.length} do`;
  const reach = lost.length ? `T = ${T} steps are too few for ${L} layers, so that ${idle} not learn` : `T = ${T} steps take the error to all ${L} layers`;
  return `With α = ${alpha} ${spike}; ${decay}; and ${reach}.`;
}

/** The explanation of colours and line. */
function heatKey() {
  const {limits: [low, high], colours} = data.figure1;
  return [el("span", {}, el("b"), "front: the step at which the error of the output reaches a layer"),
          el("span", {}, String(low), el("i", {style: `background: linear-gradient(to right, ${colours.join(",")})`}), `${high.toLocaleString("en")} and more`),
          el("span", {}, "paler: before the front"), el("span", {}, "∞: the precision is zero")];
}

/** Sliders, sentence and tables, all from the state. */
function showSchedules() {
  const {alpha, k, T, L} = state, size = `${T},${L}`, told = data.figure1;
  for (const [name, values] of Object.entries(SLIDERS)) {
    const slider = $(`schedules-${name}`);
    slider.value = told[values].indexOf(state[name]);
    slider.setAttribute("aria-valuetext", state[name]);
    slider.parentElement.querySelector("output").textContent = state[name];
  }
  for (const radio of document.querySelectorAll("#schedules-L input")) radio.checked = Number(radio.value) === L;
  const spiking = told.spiking[size][told.alphas.indexOf(alpha)], decaying = told.decaying[size][told.rates.indexOf(k)];
  $("schedules-told").textContent = choiceInWords(decaying);
  $("schedules-spiking").replaceChildren(heatMap(spiking, `Spiking (S), α = ${alpha}`));
  $("schedules-decaying").replaceChildren(heatMap(decaying, `Decaying (D), k = ${k}`));
  $("schedules-constant").replaceChildren(heatMap(told.constant[size], "Constant (PC and F)"));
}

/** Let sliders and radio buttons change the state. */
function makeSchedules() {
  for (const [name, values] of Object.entries(SLIDERS)) {
    const slider = $(`schedules-${name}`);
    slider.max = data.figure1[values].length - 1;
    slider.addEventListener("input", () => { state[name] = data.figure1[values][slider.value]; showSchedules(); keepHash(); });
  }
  $("schedules-L").append(...data.figure1.layers.map(L => el("label", {},
    el("input", {type: "radio", name: "L", value: L, onchange: () => { state.L = L; showSchedules(); keepHash(); }}), ` ${L}`)));
  document.querySelector(".heat-key").append(...heatKey());
}

// Begin

/** Draw everything anew, as after a change of the theme: a canvas does not follow CSS. */
function showAll() {
  showRuns();
  showSchedules();
}

function begin() {
  for (const part of document.querySelectorAll(".explorer-without")) part.hidden = true;
  $("schedules").hidden = false;
  $("explorer").hidden = !data.runs.length;
  makeRows();
  makeSchedules();
  readHash();
  if (data.runs.length) showAll(); else showSchedules();
  $("explorer-scale").addEventListener("change", event => choose({scale: event.target.value, network: null}));
  $("explorer-view").addEventListener("change", event => choose({view: event.target.value}));
  $("explorer-network").addEventListener("change", event => choose({network: event.target.value}));
  for (const form of document.querySelectorAll("#explorer-filters, #schedules-choices")) form.addEventListener("submit", event => event.preventDefault());
  // a link to a heading has a hash, too, but no state
  addEventListener("hashchange", () => { if (location.hash.includes("=")) { readHash(); showAll(); } });
  new MutationObserver(showAll).observe(document.body, {attributeFilter: ["data-theme"]});
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showAll);
}

begin();
})();
