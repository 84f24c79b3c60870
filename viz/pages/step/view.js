// Size and folding: at load the whole graph is seen, as large as it fits; what is folded is as little as that allows.

const READABLE = 10 / 12; // the scale at which the smallest type has 10 px
const LARGEST = 2.4;
const depth = Math.max(-1, ...units.map((unit) => unit.level)) + 1; // fold levels: 0 is all open
let scale = 1;
let isFitted = true; // until the reader zooms
let isChosen = false; // once the reader has folded or opened something

function foldTo(level) {
  opened.clear();
  units.forEach((unit, u) => {
    if (unit.level >= level) opened.add(u);
  });
}

// The level at which everything is folded alike; undefined where the reader has folded or opened single units.
const foldLevel = () => [...Array(depth + 1).keys()].find((f) => units.every((unit, u) => opened.has(u) === unit.level >= f));

const roomFor = ({ width, height }) => Math.min((picture.clientWidth - 2) / width, (picture.clientHeight - 2) / height);

// From left to right, in several lines where the graph is long, or from top to bottom where that is clearly larger.
function planned() {
  let across = plan(false);
  if (roomFor(across) >= READABLE * 1.1 || across.list.length > 300) return across;
  if (across.list.length <= 60) {
    const most = picture.clientWidth > picture.clientHeight ? 5 : 2; // edges that turn and can still be followed
    for (let lines = 2; lines <= 4; lines++) {
      const wrapped = plan(false, lines);
      if (wrapped.turning <= most && roomFor(wrapped) > roomFor(across) * 1.15) across = wrapped;
    }
  }
  const down = plan(true);
  return roomFor(down) > roomFor(across) * 1.12 ? down : across;
}

function chooseView() {
  let best = null;
  for (let level = 0; level <= depth; level++) {
    foldTo(level);
    best = planned();
    const isBands = level < depth && units.every((unit) => unit.level !== level || unit.kind === "band");
    if (roomFor(best) >= (isBands ? READABLE * 0.84 : READABLE)) break; // bands mean nothing, and are the last resort
  }
  apply(best);
}

function apply(what) {
  drawPicture(what);
  if (isFitted) fit();
  else zoom(scale, true);
  const level = foldLevel();
  find("detail").value = level === undefined ? "" : String(level);
}

function zoom(to, keep = false) {
  const centre = [picture.scrollLeft + picture.clientWidth / 2, picture.scrollTop + picture.clientHeight / 2];
  const wanted = Math.min(Math.max(to, 0.08), 4);
  const ratio = wanted / scale;
  scale = wanted;
  svg.setAttribute("width", (drawing.width * scale).toFixed(1));
  svg.setAttribute("height", (drawing.height * scale).toFixed(1));
  if (!keep) picture.scrollTo(centre[0] * ratio - picture.clientWidth / 2, centre[1] * ratio - picture.clientHeight / 2);
  find("natural").textContent = `${Math.round(scale * 100)} %`;
}

function fit() {
  isFitted = true;
  zoom(Math.min(roomFor(drawing), LARGEST));
}

function refold(act, focus) {
  isChosen = true;
  act();
  apply(planned());
  show();
  focus?.();
}

function toggleUnit(u) {
  refold(() => {
    if (!opened.delete(u)) for (const outer of units[u].chain) opened.add(outer);
  }, () => svg.querySelector(`.fold[data-unit="${u}"]`)?.focus());
}

function buildView() {
  const select = find("detail");
  const folds = (level, ...kinds) => units.some((unit) => unit.level === level - 1 && kinds.includes(unit.kind));
  const named = (level) => {
    if (level === 0) return "All open";
    if (folds(level, "layer")) return "Layers folded";
    return folds(level, "neuron", "tree") ? "Neurons folded" : level === 1 ? "Groups folded" : "Larger groups folded";
  };
  select.append(make("option", { value: "", hidden: true }, "Mixed"));
  for (let level = 0; level <= depth; level++) select.append(make("option", { value: String(level) }, named(level)));
  select.parentElement.hidden = depth === 0;
  select.addEventListener("change", () => refold(() => foldTo(Number(select.value))));
  find("smaller").addEventListener("click", () => { isFitted = false; zoom(scale / 1.2); });
  find("larger").addEventListener("click", () => { isFitted = false; zoom(scale * 1.2); });
  find("natural").addEventListener("click", () => { isFitted = false; zoom(1); });
  find("fit").addEventListener("click", fit);
  let waiting = 0;
  let size = [picture.clientWidth, picture.clientHeight];
  new ResizeObserver(() => {
    if (Math.abs(picture.clientWidth - size[0]) + Math.abs(picture.clientHeight - size[1]) < 4) return;
    size = [picture.clientWidth, picture.clientHeight];
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (!isFitted) return;
      const focused = document.activeElement?.closest?.("svg") ? document.activeElement : null;
      const key = focused?.getAttribute("data-node");
      if (isChosen) apply(planned());
      else chooseView();
      paint();
      if (key !== null && key !== undefined) svg.querySelector(`.value[data-node="${key}"]`)?.focus();
    }, 120);
  }).observe(picture);
  dragging();
}

let travelled = 0;
function dragging() {
  let drag = null;
  picture.addEventListener("pointerdown", (event) => {
    travelled = 0;
    if (event.button || event.pointerType === "touch") return;
    drag = [event.clientX, event.clientY, picture.scrollLeft, picture.scrollTop];
  });
  addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [dx, dy] = [event.clientX - drag[0], event.clientY - drag[1]];
    travelled = Math.max(travelled, Math.hypot(dx, dy));
    picture.classList.toggle("dragged", travelled > 4);
    if (travelled > 4) picture.scrollTo(drag[2] - dx, drag[3] - dy);
  });
  addEventListener("pointerup", () => {
    drag = null;
    picture.classList.remove("dragged");
  });
}
