// A redraw now, or with the next frame; text only where nobody waits for the next picture.

let waiting = false;
let frames = 0;

function redraw(now = false) {
  if (now) return draw(true);
  if (!waiting && !state.playing) {
    waiting = true;
    requestAnimationFrame(() => { waiting = false; if (!state.playing) draw(true); });
  }
}

let pace = 2; // the boundary is drawn anew in every second frame, or more rarely where that takes long

// While it trains, each frame takes a step and redraws a part: the boundary in one, the edges in the next.
function draw(whole) {
  if (!training) return;
  if (!colors) readColors();
  if (whole || frames % pace === 1) {
    const started = performance.now();
    evaluate();
    drawMap();
    pace = Math.max(2, Math.min(8, Math.ceil((performance.now() - started) / 3)));
  }
  if (whole || frames % 4 === 0) drawEdges();
  if (whole || frames % 6 === 3) drawThumbs();
  if (whole || frames % 6 === 0) {
    const full = state.points.length ? training.gradient(training.everything()) : NaN;
    drawSizes();
    drawCurve();
    $("losses").textContent = state.points.length ? `loss ${shown(full)}` : "no points";
    $("epoch").textContent = `epoch ${training.epochs}`;
    if (whole || frames % 30 === 0) explain();
  }
}

function steps(count) {
  try {
    for (let i = 0; i < count; i++) training.step();
    return true;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    play(false);
    say(error.message, true);
    return false;
  }
}

function frame() {
  if (!state.playing) return;
  if (steps(Number($("speed").value))) {
    frames++;
    draw(false);
    requestAnimationFrame(frame);
  }
}

function play(on) {
  if (on && !state.points.length) {
    say("There is nothing to learn from: add points first.", true);
    on = false;
  }
  if (on === state.playing) return;
  state.playing = on;
  $("playing").textContent = on ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(on));
  if (on) {
    say("");
    requestAnimationFrame(frame);
  } else {
    draw(true);
    remember();
  }
}
