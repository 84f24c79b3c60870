// What happens when.

$("play").addEventListener("click", () => play(!state.playing));
$("step").addEventListener("click", () => {
  play(false);
  if (!state.points.length) return say("There is nothing to learn from: add points first.", true);
  say("");
  if (steps(1)) { redraw(true); remember(); }
  return undefined;
});
$("reset").addEventListener("click", () => { play(false); say(""); restart(); remember(); });
$("link").addEventListener("click", async () => {
  play(false);
  remember();
  const address = location.href.split("#")[0] + link();
  try {
    await navigator.clipboard.writeText(address);
    say("The link is on the clipboard.");
  } catch {
    say("The link is in the address bar.");
  }
});
$("data").addEventListener("change", (event) => {
  if (event.target.value !== "own") { state.data = event.target.value; state.points = setup.sets[state.data]; restart(); showSettings(); }
});
for (const id of ["activation", "loss", "optimizer"]) $(id).addEventListener("change", (event) => change(id, event.target.value));
for (const id of ["rate", "batch"]) $(id).addEventListener("change", (event) => change(id, Number(event.target.value)));
$("seed").addEventListener("change", (event) => {
  try {
    change("seed", whole(event.target.value.trim() || "x", 0, Number.MAX_SAFE_INTEGER, "seed"));
    say("");
  } catch (error) {
    say(`${error.message}.`, true);
    event.target.value = state.settings.seed;
  }
});
$("fewer").addEventListener("click", () => resize(state.settings.layers.slice(0, -1)));
$("more").addEventListener("click", () => resize([...state.settings.layers, state.settings.layers.at(-1) || 4]));
$("clear").addEventListener("click", () => own([]));
$("use").addEventListener("click", () => {
  try {
    own(parse($("csv").value));
    say(`${state.points.length} points.`);
  } catch (error) {
    say(error.message, true);
  }
});
$("map").addEventListener("click", clicked);
$("map").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step || !state.points.length) return;
  event.preventDefault();
  event.stopPropagation();
  state.sample = (state.sample + step + state.points.length) % state.points.length;
  redraw();
});
$("graph").addEventListener("click", (event) => {
  if (event.target.closest("button")) return;
  const box = $("edges").getBoundingClientRect();
  const edge = nearestEdge(event.clientX - box.left, event.clientY - box.top);
  if (edge) choose(edge);
});
for (const part of ["layer", "neuron", "input"]) {
  $(`which-${part}`).addEventListener("change", (event) => choose({ ...state.chosen, [part]: Number(event.target.value) }));
}
$("log").addEventListener("change", () => redraw());
$("python").addEventListener("toggle", () => { $("code").textContent = code(); }, true);
document.addEventListener("keydown", (event) => {
  if (event.target.closest("button, select, input, textarea, summary, canvas") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " ") { event.preventDefault(); play(!state.playing); }
  if (event.key === "ArrowRight") $("step").click();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColors(); redraw(); });
new ResizeObserver(() => { build(); redraw(); }).observe($("graph"));
window.addEventListener("hashchange", () => { if (location.hash !== link()) { play(false); say(""); follow(); } });

showSettings();
restart();
follow();
