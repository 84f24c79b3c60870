// Points of one's own.

function checked(cells) {
  const numbers = cells.map((cell) => (String(cell).trim() === "" ? NaN : Number(cell)));
  if (numbers.length !== 3 || !numbers.every(Number.isFinite)) throw new Error("three numbers a line: x1, x2, label");
  if (numbers[2] < 0 || numbers[2] > 1) throw new Error(`the label is ${numbers[2]}: it must lie between 0 and 1`);
  return numbers;
}

function parse(text) {
  const rows = [];
  text.split(/\r?\n/).forEach((line, i) => {
    if (!line.trim()) return;
    const cells = line.trim().split(/\s*[,;\t]\s*|\s+/);
    if (!rows.length && i === 0 && cells.every((cell) => Number.isNaN(Number(cell)))) return; // a header
    try {
      rows.push(checked(cells));
    } catch (error) {
      throw new Error(`Line ${i + 1}: ${error.message}.`);
    }
  });
  if (!rows.length) throw new Error("There are no points in it.");
  if (rows.length > 2000) throw new Error(`${rows.length} points: at most 2,000.`);
  return rows;
}

function own(points) {
  play(false);
  state.data = "own";
  state.points = points;
  restart(points.length ? training.parameters() : null);
  showSettings();
}

function clicked(event) {
  const box = $("map").getBoundingClientRect();
  const x = extent[0] + ((event.clientX - box.left) / box.width) * (extent[1] - extent[0]);
  const y = extent[3] - ((event.clientY - box.top) / box.height) * (extent[3] - extent[2]);
  const tool = document.querySelector('input[name="tool"]:checked').value;
  if (tool !== "choose") {
    const kept = extent;
    own([...state.points, [+x.toFixed(4), +y.toFixed(4), Number(tool)]]);
    extent = kept; // the plane does not jump under the pointer
    return redraw(true);
  }
  let least = Infinity;
  state.points.forEach((p, i) => {
    const distance = Math.hypot(p[0] - x, p[1] - y);
    if (distance < least) { least = distance; state.sample = i; }
  });
  return redraw();
}
