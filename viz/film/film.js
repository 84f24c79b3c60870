"use strict";
const find = (id) => document.getElementById(id);
const frames = JSON.parse(find("frames").textContent);
const slider = find("slider"), loss = find("loss");
let timer = 0;

function show(k) {
  k = Math.max(0, Math.min(frames.length - 1, k));
  const frame = frames[k];
  slider.value = k;
  slider.setAttribute("aria-valuetext", frame.caption);
  find("shading").setAttribute("href", frame.image);
  find("border").setAttribute("d", frame.border);
  find("caption").textContent = frame.caption;
  if (loss) {
    const x = Math.min(1, frame.epoch / loss.dataset.last) * loss.dataset.width;
    find("now").setAttribute("transform", `translate(${x})`);
  }
}

function stop() {
  clearInterval(timer);
  timer = 0;
  find("play").textContent = "Play";
}

function play() {
  if (timer) return stop();
  if (+slider.value === frames.length - 1) show(0);
  find("play").textContent = "Pause";
  timer = setInterval(() => {
    show(+slider.value + 1);
    if (+slider.value === frames.length - 1) stop();
  }, 150);
}

slider.addEventListener("input", () => { stop(); show(+slider.value); });
find("back").addEventListener("click", () => { stop(); show(+slider.value - 1); });
find("forward").addEventListener("click", () => { stop(); show(+slider.value + 1); });
find("play").addEventListener("click", play);
document.addEventListener("keydown", (event) => {
  if (event.target.tagName === "INPUT" || (event.target.tagName === "BUTTON" && event.key === " ")) return;
  if (event.key === "ArrowLeft") { stop(); show(+slider.value - 1); }
  else if (event.key === "ArrowRight") { stop(); show(+slider.value + 1); }
  else if (event.key === " ") { event.preventDefault(); play(); }
});
document.body.classList.add("live");
show(0);  // training starts at the start
