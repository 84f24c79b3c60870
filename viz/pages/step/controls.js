// Going to a step: by buttons, keys, slider, address and clicks; and playing.

const slider = find("step");

function show(isFollowing = true) {
  const entry = visible[at];
  const now = paint();
  const asked = isAsked(entry);
  const held = caption.contains(document.activeElement) ? document.activeElement.id : null;
  caption.replaceChildren(...(followed !== null ? followCaption() : asked ? quizCaption(entry) : [...verdictOn(entry), ...captionOf(entry)]));
  caption.dataset.step = entry.number;
  slider.max = visible.length - 1;
  slider.value = at;
  const title = caption.querySelector(".title").textContent;
  slider.setAttribute("aria-valuetext", `${at} of ${visible.length - 1}: ${title}`);
  find("place").textContent = `${at} / ${visible.length - 1}`;
  for (const [id, isOff] of [["first", at === 0], ["back", at === 0], ["last", at === visible.length - 1], ["forward", at === visible.length - 1]]) {
    find(id).setAttribute("aria-disabled", String(isOff)); // not disabled, which would drop the focus
  }
  offer(entry);
  if (held !== null) (find(held) || slider).focus({ preventScroll: true }); // what had it may be gone
  paintQuiz();
  if (isFollowing && followed === null) bringIntoView(now);
}

// The buttons beside the caption. Where one that had the focus goes, the focus goes to the first of the others.
function offer(entry) {
  const hadFocus = actions.contains(document.activeElement) ? document.activeElement.textContent : null;
  const offers = [];
  const button = (words, act) => {
    const made = make("button", { type: "button" }, words);
    made.addEventListener("click", act);
    offers.push(made);
  };
  const trouble = origin();
  const troubleStep = trouble && findStep(trouble.pass === "forward" ? ["forward", trouble.k] : ["backward", trouble.k, trouble.j]);
  if (followed !== null) {
    button("Back to the steps", unfollow);
    if (!nodes[followed].op) button(`Change ${called(followed)}`, () => toField(followed));
  } else {
    if (entry.items) {
      button(`Open these ${entry.items.length} steps`, () => openGroup(entry));
    } else if (steps[entry.first][0] === "update" && graph.update.length) {
      button("Take this step and start again", () => {
        updated().forEach((x, k) => { if (!nodes[k].op) setLeaf(k, x); });
        compute();
        settle(top[0]);
      });
    }
    if (entry.group) {
      const closed = entry.group;
      button(`Close ${closed.title || "this group"}`, () => {
        closed.open = false;
        if (closed.units.some((u) => opened.has(u))) refold(() => closed.units.forEach((u) => opened.delete(u)));
        settle(closed);
      });
    }
  }
  if (trouble) {
    const k = trouble.pass === "forward" ? trouble.k : nodes[trouble.k].parents[trouble.j];
    const what = narrow(trouble.pass === "forward" ? data[k] : contributions.get(`${trouble.k}_${trouble.j}`).after);
    const words = `Go to the origin of the ${what}${trouble.pass === "forward" ? "" : " gradient"}`;
    if (troubleStep) {
      if (steps[visible[at].first] !== steps[troubleStep.first] || entry.items || followed !== null) button(words, () => { followed = null; settle(troubleStep); });
    } else button(`${called(k)} is ${what}: a leaf`, () => follow(k));
  }
  actions.replaceChildren(...offers.flatMap((made) => [made, " "]));
  if (hadFocus !== null) (offers.find((made) => made.textContent === hadFocus) || offers[0] || slider).focus({ preventScroll: true });
}

function findStep([kind, k, j]) {
  const s = steps.findIndex((step) => step[0] === kind && step[1] === k && (kind !== "backward" || step[2] === j));
  return all.find((entry) => !entry.items && entry.first <= s && s <= entry.last) || null;
}

function openGroup(entry) {
  entry.open = true;
  if (entry.units.some((u) => !opened.has(u))) refold(() => { for (const u of entry.units) for (const outer of units[u].chain) opened.add(outer); });
  settle(entry.items[0]);
}

function settle(entry) {
  for (let outer = entry.group; outer; outer = outer.group) outer.open = true;
  visible = shown(top);
  go(Math.max(0, visible.indexOf(entry)));
}

function go(step) {
  const before = at;
  followed = null;
  at = Math.min(Math.max(step, 0), visible.length - 1);
  show();
  find("says").scrollTop = 0;
  if (at === before + 1) travel(visible[at]);
  const hash = `#step=${visible[at].number}`;
  // Replaced, not pushed: the back button leaves the page. A frame in a notebook has no address to write to.
  if (location.hash !== hash && location.protocol !== "about:") {
    try {
      history.replaceState(null, "", hash);
    } catch {
      // the address stays as it is
    }
  }
}

function goToHash() {
  const number = Number(/^#step=(\d+)$/.exec(location.hash)?.[1] ?? NaN);
  if (!all[number]) return false;
  all[number].open = false;
  settle(all[number]);
  return true;
}

// Playing.

let timer = 0;
const play = find("play");
function stop() {
  clearTimeout(timer);
  timer = 0;
  find("playing").textContent = "Play";
  play.setAttribute("aria-pressed", "false");
}
function next() {
  if (at < visible.length - 1) go(at + 1);
  if (at === visible.length - 1 || isAsked(visible[at])) stop();
  else timer = setTimeout(next, 1800 / Number(find("speed").value));
}
function toggle() {
  if (timer) return stop();
  if (at === visible.length - 1) go(0);
  find("playing").textContent = "Pause";
  play.setAttribute("aria-pressed", "true");
  timer = setTimeout(next, 400 / Number(find("speed").value));
}
function move(step) {
  stop();
  go(step);
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  const { target } = event;
  const value = target.closest?.(".value, .fold");
  if (value && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    return press(value);
  }
  if (event.key === "Escape" && unfollow()) return;
  if (target !== slider && /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
  if (/^[-\d.]$/.test(event.key)) return find("answer")?.focus({ preventScroll: true }); // where the digit goes, then
  const keys = { ArrowLeft: () => move(at - 1), ArrowRight: () => move(at + 1), Home: () => move(0), End: () => move(visible.length - 1) };
  if (event.key === " " && !/^(BUTTON|SUMMARY)$/.test(target.tagName)) keys[" "] = toggle;
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
}

// A press in the picture: on a leaf, its paths; on a result, the step that computes it or sends its gradient on; on the
// sign in a corner, folding and opening.
function press(element) {
  const fold = element.closest(".fold");
  if (fold) return toggleUnit(Number(fold.getAttribute("data-unit")));
  const k = Number(element.getAttribute("data-node"));
  if (!nodes[k].op) return follow(k);
  stop();
  const isBackward = visible[at].last >= steps.findIndex(([kind]) => kind === "seed");
  const entry = isBackward
    ? all.find((one) => !one.items && steps[one.first][0] === (outputs.includes(k) ? "seed" : "backward") && steps.slice(one.first, one.last + 1).some((step) => (outputs.includes(k) ? step[1] === k : nodes[step[1]].parents[step[2]] === k)))
    : findStep(["forward", k]);
  if (entry) settle(entry);
}

function buildControls() {
  play.addEventListener("click", toggle);
  find("first").addEventListener("click", () => move(0));
  find("back").addEventListener("click", () => move(at - 1));
  find("forward").addEventListener("click", () => move(at + 1));
  find("last").addEventListener("click", () => move(visible.length - 1));
  slider.addEventListener("input", () => move(Number(slider.value)));
  addEventListener("hashchange", () => { stop(); goToHash(); });
  addEventListener("beforeprint", () => { find("numbers").open = true; });
  document.addEventListener("keydown", onKey);
  picture.addEventListener("click", (event) => {
    const element = event.target.closest(".fold, .value");
    if (element && travelled <= 4) press(element);
  });
  const over = (event) => {
    const value = event.target.closest?.(".value");
    point(value ? Number(value.getAttribute("data-node")) : null);
  };
  picture.addEventListener("pointerover", over);
  picture.addEventListener("pointerleave", () => point(null));
  picture.addEventListener("focusin", (event) => { if (event.target.matches(":focus-visible")) over(event); });
  picture.addEventListener("focusout", () => point(null));
}

// Start.

compute();
for (const id of ["controls", "leaves"]) find(id).hidden = false;
paintQuiz = buildQuiz();
buildFields();
buildView();
buildControls();
chooseView();
if (!goToHash()) go(0);
