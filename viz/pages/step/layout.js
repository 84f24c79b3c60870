// Where boxes go: in ranks, so that every edge leads from a rank to a later one (K. Sugiyama, S. Tagawa and M. Toda,
// "Methods for visual understanding of hierarchical system structures", 1981). Ranks are columns from left to right, or
// in a tall window rows from top to bottom. The picture is laid out here and not beforehand because boxes fold and open.
//
// boxes   [{ id, w, h }], in an order that neighbours should keep: operands, neurons and layers in theirs
// edges   [{ from, to, out, into, label }]: indices of boxes; where the edge leaves and enters, measured across the ranks
//         from the centre of the box; the label's { w, h } or null
// Each box gets x and y, its upper left corner; each edge d, its path, and at, the lower centre of its label (null where
// there is no room for it). `above` is left free at the top; with `lines`, ranks
// are wrapped into so many lines one below the other, as words are. Returns { x, y, width, height, turning }, the
// last of which is the largest number of edges that turn from one line into the next.

const LAYOUT = { between: 14, beside: 7, least: 40, most: 210, margin: 6, apart: 34, lane: 6 };

function layout(boxes, edges, vertical, above = 0, lines = 1) {
  const along = (box) => (vertical ? box.h : box.w);
  const across = (box) => (vertical ? box.w : box.h);
  const rank = ranksOf(boxes, edges);
  const ranks = Array.from({ length: Math.max(0, ...rank) + 1 }, () => []);
  const cells = boxes.map((box, k) => ({ box, rank: rank[k], size: across(box), up: [], down: [], at: 0, key: k, side: box.side || 0 }));
  const chains = edges.map((edge) => chained(edge, cells, boxes.length > 400));
  order(cells, chains, ranks, edges);
  align(ranks);
  // Gaps between ranks are as wide as the labels in them; paths and labels go into the gaps.
  const gaps = ranks.map(() => LAYOUT.least);
  for (const [k, edge] of edges.entries()) {
    if (!edge.label) continue;
    const gap = rank[edge.to] - 1;
    const needed = vertical ? 24 + edge.label.h * (siblings(edges, edge) > 1 ? 2 : 1) : edge.label.w + 30;
    gaps[gap] = Math.min(LAYOUT.most, Math.max(gaps[gap], needed));
    edge.key = k;
  }
  const thick = ranks.map((cells) => Math.max(0, ...cells.filter((c) => c.box).map((c) => along(c.box))));
  const begins = [];
  const breaks = broken(ranks, thick, gaps, lines); // the first rank of each line
  let place = LAYOUT.margin + (vertical ? above : 0);
  let length = 0;
  let breadth = LAYOUT.margin;
  const turns = new Map(); // by the first rank of a line: where edges turn into it
  for (const [l, first] of breaks.entries()) {
    const own = ranks.slice(first, breaks[l + 1]).flat();
    const low = Math.min(...own.map((cell) => cell.at - cell.size / 2));
    if (l) {
      const lanes = ranks[first].reduce((sum, cell) => sum + cell.up.length, 0);
      turns.set(first, { right: length + 8, down: breadth + 4, used: 0 });
      breadth += LAYOUT.lane * (lanes + 1) + 12;
      place = LAYOUT.margin + Math.max(gaps[first - 1], LAYOUT.lane * (lanes + 4));
    }
    const shift = breadth + (vertical ? 0 : above) - low;
    for (const cell of own) cell.at += shift;
    breadth = Math.max(...own.map((cell) => cell.at + cell.size / 2)) + LAYOUT.margin;
    for (let r = first; r < (breaks[l + 1] ?? ranks.length); r++) {
      begins.push(place);
      length = Math.max(length, place + thick[r]);
      place += thick[r] + gaps[r];
    }
  }
  for (const turn of turns.values()) turn.right = length + 8;
  length += LAYOUT.margin + Math.max(0, ...[...turns.keys()].map((r) => LAYOUT.lane * ranks[r].reduce((sum, cell) => sum + cell.up.length, 0) + 8));
  for (const cell of cells) {
    const begin = begins[cell.rank] + (thick[cell.rank] - along(cell.box)) / 2;
    const side = cell.at - cell.size / 2;
    [cell.box.x, cell.box.y] = vertical ? [side, begin] : [begin, side];
  }
  const point = (p, s) => (vertical ? [s, p] : [p, s]);
  const taken = [];
  for (const [k, edge] of edges.entries()) {
    route(edge, chains[k], { begins, thick, point, along, vertical, turns });
  }
  for (const edge of edges) edge.at = edge.label ? free(edge, taken, vertical) : null;
  const size = vertical ? { width: breadth, height: length } : { width: length, height: breadth };
  // labels may reach over the boxes
  const x = Math.min(0, ...taken.map((area) => area.left - 4));
  const y = Math.min(0, ...taken.map((area) => area.top - 4));
  const right = Math.max(size.width, ...taken.map((area) => area.right + 4));
  const bottom = Math.max(size.height, ...taken.map((area) => area.bottom + 4));
  const turning = Math.max(0, ...[...turns.keys()].map((r) => ranks[r].reduce((sum, cell) => sum + cell.up.length, 0)));
  return { x, y, width: right - x, height: bottom - y, turning };
}

// Where lines begin: of about the same length, and where few edges have to turn.
function broken(ranks, thick, gaps, lines) {
  const ends = [];
  let sum = 0;
  for (let r = 0; r < ranks.length; r++) ends.push((sum += thick[r] + gaps[r]));
  const breaks = [0];
  for (let l = 1; l < lines; l++) {
    const wanted = (sum * l) / lines;
    let best = null;
    for (let r = breaks.at(-1) + 2; r < ranks.length; r++) {
      const cost = Math.abs(ends[r - 1] - wanted) + 40 * ranks[r].reduce((turning, cell) => turning + cell.up.length, 0);
      if (best === null || cost < best.cost) best = { r, cost };
    }
    if (best) breaks.push(best.r);
  }
  return breaks;
}

const siblings = (edges, edge) => edges.filter((other) => other.to === edge.to).length;

// The longest way from a box without operands; such a box itself stands just before the first that uses it.
function ranksOf(boxes, edges) {
  const rank = boxes.map(() => 0);
  const waiting = boxes.map(() => 0);
  const uses = boxes.map(() => []);
  for (const edge of edges) {
    waiting[edge.to]++;
    uses[edge.from].push(edge.to);
  }
  const ready = boxes.map((_, k) => k).filter((k) => !waiting[k]);
  const sources = ready.slice();
  for (let next = 0; next < ready.length; next++) {
    for (const to of uses[ready[next]]) {
      rank[to] = Math.max(rank[to], rank[ready[next]] + 1);
      if (!--waiting[to]) ready.push(to);
    }
  }
  for (const k of sources) if (uses[k].length) rank[k] = Math.min(...uses[k].map((to) => rank[to])) - 1;
  return rank;
}

// The cells of an edge: its two boxes, and an empty one in each rank between them, through which it runs.
function chained(edge, cells, straight) {
  const [from, to] = [cells[edge.from], cells[edge.to]];
  const chain = [from];
  if (!straight || to.rank - from.rank < 12) {
    for (let r = from.rank + 1; r < to.rank; r++) chain.push({ rank: r, size: 6, up: [], down: [], at: 0, edge, side: from.side });
  }
  chain.push(to);
  for (let k = 0; k + 1 < chain.length; k++) {
    if (chain[k + 1].rank !== chain[k].rank + 1) continue;
    const link = { from: chain[k], to: chain[k + 1], out: k ? 0 : edge.out, into: k + 2 < chain.length ? 0 : edge.into };
    chain[k].down.push(link);
    chain[k + 1].up.push(link);
  }
  return chain;
}

// The order in each rank: as a walk from the outputs to their operands meets the boxes; another where it saves crossings.
function order(cells, chains, ranks, edges) {
  const incoming = cells.map(() => []);
  edges.forEach((edge, k) => incoming[edge.to].push(k));
  for (const list of incoming) list.sort((a, b) => edges[a].into - edges[b].into || edges[a].from - edges[b].from);
  const met = new Set();
  const visit = (k) => {
    if (met.has(k)) return;
    met.add(k);
    for (const e of incoming[k]) {
      visit(edges[e].from);
      for (const cell of chains[e].slice(1, -1)) ranks[cell.rank].push(cell);
    }
    ranks[cells[k].rank].push(cells[k]);
  };
  const used = new Set(edges.map((edge) => edge.from));
  for (let k = 0; k < cells.length; k++) if (!used.has(k)) visit(k);
  for (let k = 0; k < cells.length; k++) visit(k);
  const number = () => ranks.forEach((list) => list.forEach((cell, k) => (cell.index = k)));
  number();
  let best = { crossings: crossings(ranks), lists: ranks.map((list) => list.slice()) };
  for (let sweep = 0; sweep < 8 && best.crossings; sweep++) {
    const down = sweep % 2 === 0;
    const through = down ? ranks.slice(1) : ranks.slice(0, -1).reverse();
    for (const list of through) {
      for (const cell of list) {
        const links = down ? cell.up : cell.down;
        const places = links.map((link) => (down ? link.from.index + link.out / 1e4 : link.to.index + link.into / 1e4));
        cell.weight = places.length ? places.reduce((sum, x) => sum + x, 0) / places.length : cell.index;
      }
      list.sort((a, b) => a.weight - b.weight || a.index - b.index);
      list.forEach((cell, k) => (cell.index = k));
    }
    const found = crossings(ranks);
    if (found < best.crossings) best = { crossings: found, lists: ranks.map((list) => list.slice()) };
  }
  best.lists.forEach((list, r) => (ranks[r] = list));
  number();
}

function crossings(ranks) {
  let sum = 0;
  for (const list of ranks) {
    const links = list.flatMap((cell) => cell.down);
    if (links.length > 400) return Infinity; // no order would help the reader
    for (const [k, a] of links.entries()) {
      for (let other = k + 1; other < links.length; other++) {
        const b = links[other];
        const first = a.from.index - b.from.index || a.out - b.out;
        const second = a.to.index - b.to.index || a.into - b.into;
        if (first * second < 0) sum++;
      }
    }
  }
  return sum;
}

// Places across the ranks: each cell near the middle of its neighbours, in order and apart. For one rank the best places
// are found exactly: cells that would overlap are pooled, and a pool takes the mean of what its members want.
function align(ranks) {
  for (const list of ranks) {
    let place = 0;
    for (const cell of list) {
      cell.at = place + cell.size / 2;
      place += cell.size + LAYOUT.between;
    }
    for (const cell of list) cell.at -= place / 2;
  }
  for (let sweep = 0; sweep < 10; sweep++) {
    const last = sweep >= 8;
    const through = sweep % 2 ? ranks.slice().reverse() : ranks;
    for (const list of through) {
      const wanted = list.map((cell) => {
        const above = cell.up.map((link) => link.from.at + link.out - link.into);
        const below = cell.down.map((link) => link.to.at + link.into - link.out);
        const near = last ? [...above, ...below] : sweep % 2 ? below : above;
        return near.length ? near.reduce((sum, x) => sum + x, 0) / near.length : cell.at;
      });
      pooled(list, wanted);
    }
  }
}

function pooled(list, wanted) {
  const offsets = [];
  let offset = 0;
  list.forEach((cell, k) => {
    if (k) {
      const other = list[k - 1];
      offset += (other.size + cell.size) / 2 + (cell.box && other.box ? LAYOUT.between : LAYOUT.beside) + (cell.side === other.side ? 0 : LAYOUT.apart);
    }
    offsets.push(offset);
  });
  const pools = [];
  list.forEach((_, k) => {
    let pool = { sum: wanted[k] - offsets[k], n: 1 };
    while (pools.length && pools.at(-1).sum / pools.at(-1).n > pool.sum / pool.n) {
      const before = pools.pop();
      pool = { sum: before.sum + pool.sum, n: before.n + pool.n };
    }
    pools.push(pool);
  });
  let k = 0;
  for (const { sum, n } of pools) for (let i = 0; i < n; i++, k++) list[k].at = sum / n + offsets[k];
}

// A curve in each gap, and straight lines across ranks. In `last` the curve of the last gap is kept, for the label.
function route(edge, chain, { begins, thick, point, along, vertical, turns }) {
  const show = (p, s) => point(p, s).map((x) => x.toFixed(1)).join(",");
  const edgeOf = (cell) => begins[cell.rank] + (thick[cell.rank] - along(cell.box)) / 2;
  let p = edgeOf(chain[0]) + along(chain[0].box);
  let s = chain[0].at + edge.out;
  let d = `M${show(p, s)}`;
  const to = (nextP, nextS) => {
    const middle = (p + nextP) / 2;
    edge.last = { from: [p, s], to: [nextP, nextS], vertical };
    d += Math.abs(nextS - s) < 0.05 ? `L${show(nextP, nextS)}` : `C${show(middle, s)} ${show(middle, nextS)} ${show(nextP, nextS)}`;
    [p, s] = [nextP, nextS];
  };
  for (let k = 1; k < chain.length; k++) {
    const [before, cell] = [chain[k - 1], chain[k]];
    const leaves = begins[before.rank] + thick[before.rank]; // the far side of the rank before
    if (leaves > p + 0.05) {
      p = leaves;
      d += `L${show(p, s)}`;
    }
    const across = cell.at + (cell.box ? edge.into : 0);
    const turn = cell.rank === before.rank + 1 ? turns.get(cell.rank) : null;
    if (turn) {
      // to the right, down between the lines, back to the left, and into the next line
      const lane = LAYOUT.lane * turn.used++;
      const left = begins[cell.rank] - 22 - lane;
      const corners = [[turn.right + lane, s], [turn.right + lane, turn.down + lane], [left, turn.down + lane], [left, across]];
      for (const [i, corner] of corners.entries()) {
        const next = corners[i + 1] || [begins[cell.rank], across];
        const near = (a, b) => [0, 1].map((c) => b[c] + Math.max(-6, Math.min(6, a[c] - b[c])));
        d += `L${show(...near([p, s], corner))}Q${show(...corner)} ${show(...near(next, corner))}`;
        [p, s] = corner;
      }
      [p, s] = [begins[cell.rank], across];
      d += `L${show(p, s)}`;
      edge.last = { from: [left, across], to: [p, s], vertical, turned: true };
    } else to(begins[cell.rank], across);
    const near = cell.box ? edgeOf(cell) : begins[cell.rank] + thick[cell.rank];
    if (near > p + 0.05) {
      p = near;
      d += `L${show(p, s)}`;
    }
  }
  edge.d = d;
}

// A place for a label beside the arrowhead, or further back along the curve, that no other label has taken.
function free(edge, taken, vertical) {
  const { from, to } = edge.last;
  const { w, h } = edge.label;
  const bezier = (t) => {
    const u = 1 - t;
    const middle = (from[0] + to[0]) / 2;
    const mix = (a, b, c, e) => u * u * u * a + 3 * u * u * t * b + 3 * u * t * t * c + t * t * t * e;
    return [mix(from[0], middle, middle, to[0]), mix(from[1], from[1], to[1], to[1])];
  };
  const spots = vertical
    ? [0.82, 0.6, 0.4, 0.25].map((t) => bezier(t)).map(([p, s]) => [s, p + h / 2])
    : [[to[0] - 12 - w / 2, to[1] - 4], ...[0.62, 0.45, 0.3].map((t) => bezier(t)).map(([p, s]) => [p, s - 4]), [to[0] - 12 - w / 2, to[1] + h + 3]];
  for (const [x, y] of spots) {
    const area = { left: x - w / 2, right: x + w / 2, top: y - h, bottom: y };
    const low = vertical ? from[0] : from[0] + 1;
    const high = to[0];
    const inGap = vertical ? area.top >= low - 2 && area.bottom <= high + 2 : area.left >= low && area.right <= high;
    const meets = taken.some((o) => area.left < o.right && o.left < area.right && area.top < o.bottom && o.top < area.bottom);
    if (!inGap || meets) continue;
    taken.push(area);
    return { x, y };
  }
  return null;
}
