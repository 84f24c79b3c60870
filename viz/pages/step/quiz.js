// The quiz: before a backward step shows its result, the page asks for it, and says what went wrong in a wrong answer.
// MISTAKES, printed from mistakes.py, is a list of { says, answer, about }: what the answer would be with each mistake.

const quiz = { on: graph.quiz, wants: "number", answers: new Map(), asked: 0, right: 0, hints: 0 };

// Whether the step waits for an answer. Only single steps backward ask.
function isAsked(entry) {
  if (!quiz.on || entry.items || entry.pair || followed !== null) return false;
  const step = entry.first;
  return steps[step][0] === "backward" && !quiz.answers.get(step)?.done;
}

// The edge whose local derivative is asked for, and must not be read off the picture.
function hiddenFactor() {
  const entry = visible[at];
  if (!isAsked(entry) || quiz.wants !== "factor") return null;
  const [, k, j] = steps[entry.first];
  return `${k}_${j}`;
}

const close = (x, y) => x === y || (x !== x && y !== y) || Math.abs(x - y) <= Math.max(6e-5, 0.005 * Math.abs(y));

// The local derivatives that one might take by mistake: of another operand, or at another point.
function wrongFactors(k, j) {
  const node = nodes[k];
  const found = [];
  const operands = node.parents.map((p) => data[p]);
  if (!isNary(k)) {
    const rules = TEXTBOOK[node.op] || OPS[node.op].rules; // as a learner knows them
    rules.forEach((rule, i) => {
      if (i !== j) found.push([rule(...operands, data[k]), `this is the derivative with respect to ${called(node.parents[i])}`]);
    });
    if (rules.length === 1) {
      found.push([rules[0](data[k], data[k]), `the local derivative is taken at the wrong point: at ${called(k)}, and not at ${called(node.parents[0])}`]);
      found.push([rules[0](operands[0], operands[0]), `the local derivative is taken at the wrong point: its ${called(k)} is the result, and not ${called(node.parents[0])}`]);
    }
  }
  found.push([operands[j], `this is ${called(node.parents[j])} itself, not the derivative with respect to it`]);
  found.push([data[k], `this is ${called(k)} itself, not its derivative`]);
  return found.map(([x, says]) => [x ?? 0, says]).filter(([x]) => !close(x, local[k][j]));
}

// What an answer x says: null where it is right, else a sentence about the mistake.
function judged(x, k, j) {
  const { before, product, after } = contributions.get(`${k}_${j}`);
  const g = adjoint[k];
  const d = local[k][j];
  const isFactor = quiz.wants === "factor";
  if (close(x, isFactor ? d : after)) return null;
  const wrong = wrongFactors(k, j);
  for (const mistake of MISTAKES) {
    if (mistake.about !== quiz.wants) continue;
    if (mistake.wrong) {
      const one = wrong.find(([w]) => close(x, mistake.answer(before, g, d, w, product)));
      if (one) return `${mistake.says}: ${one[1]}.`;
    } else if (close(x, mistake.answer(before, g, d, 0, product))) return `${mistake.says}.`;
  }
  return isFactor ? "Look at the rule of the operation, and put the numbers of its operands in." : "Take one factor after the other: the upstream gradient, the local derivative, what is there already.";
}

function quizCaption(entry) {
  const [, k, j] = steps[entry.first];
  const p = nodes[k].parents[j];
  const y = outputOf(k);
  const state = quiz.answers.get(entry.first) || { tries: 0, hints: 0, says: "", done: false, text: "" };
  quiz.answers.set(entry.first, state);
  const { before } = contributions.get(`${k}_${j}`);
  const [left, rule, numbers] = derivative(k, j);
  const isFactor = quiz.wants === "factor";
  const lines = [heading(`Your turn: from ${whole(k)} to ${whole(p)}`)];
  if (isFactor) lines.push(line("question", "What is the local derivative ", math(left), "?"));
  else lines.push(line("question", `What is ${called(p)}.grad after this step? It is now ${narrow(before)}.`));
  if (state.hints > 0) lines.push(line("hint", ...(isFactor ? equation(left.cloneNode(true), rule)
    : equation(m("mrow", gradOf(p), figure(before), mo("+"), chip("upstream", partial(y, k)), mo("·"), chip("local", partial(k, p))), mo("?")))));
  if (state.hints > 1) lines.push(line("hint", ...(isFactor ? equation(left.cloneNode(true), numbers)
    : equation(m("mrow", gradOf(p), figure(before), mo("+"), chip("upstream", signed(figure(adjoint[k]))), mo("×"), chip("local", signed(figure(local[k][j])))), mo("?")))));
  const field = make("input", { type: "text", id: "answer", autocomplete: "off", spellcheck: false, inputMode: "text", value: state.text });
  field.setAttribute("aria-describedby", "verdict");
  const said = make("p", { id: "verdict", className: state.says ? "note" : "" }, state.says);
  said.setAttribute("role", "status");
  const again = (focus = "answer") => {
    show(false);
    find(focus)?.focus({ preventScroll: true });
  };
  const check = (event) => {
    event.preventDefault();
    const x = read(field.value);
    state.text = field.value;
    if (typeof x === "string") state.says = `“${field.value}” is ${x}: type a number, such as −0.0433.`;
    else {
      if (!state.tries++) quiz.asked++;
      const mistake = judged(x, k, j);
      if (mistake) state.says = `Not quite. ${mistake}`;
      else {
        state.done = true;
        if (state.tries === 1 && !state.hints) quiz.right++;
        state.says = state.tries === 1 && !state.hints ? "Right." : `Right, with ${state.tries} ${state.tries === 1 ? "try" : "tries"}${state.hints ? ` and ${state.hints} ${state.hints === 1 ? "hint" : "hints"}` : ""}.`;
      }
    }
    again(state.done ? "forward" : "answer");
  };
  const hint = make("button", { type: "button", id: "hint", disabled: state.hints > 1 }, "Hint");
  hint.addEventListener("click", () => {
    state.hints++;
    quiz.hints++;
    again();
  });
  const reveal = make("button", { type: "button", id: "reveal" }, "Show");
  reveal.addEventListener("click", () => {
    if (!state.tries) quiz.asked++;
    Object.assign(state, { done: true, says: "Shown." });
    again("forward");
  });
  const form = make("form", { id: "quiz" }, make("label", { htmlFor: "answer" }, "Answer "), field, make("button", { type: "submit", id: "check" }, "Check"), hint, reveal);
  form.addEventListener("submit", check);
  return [...lines, form, said];
}

// What is said above the caption of a step that was answered.
function verdictOn(entry) {
  const state = !entry.items && !entry.pair && quiz.on ? quiz.answers.get(entry.first) : null;
  if (!state?.done) return [];
  const said = make("p", { id: "verdict", className: "note" }, state.says);
  said.setAttribute("role", "status");
  return [said];
}

function buildQuiz() {
  const box = find("quizbar");
  const paintBar = () => {
    find("quizon").setAttribute("aria-pressed", String(quiz.on));
    find("score").textContent = quiz.on ? `${quiz.right} of ${quiz.asked} right at once` : "";
    find("wants").hidden = !quiz.on;
  };
  box.hidden = false;
  find("quizon").addEventListener("click", () => {
    quiz.on = !quiz.on;
    show(false);
  });
  find("wants").addEventListener("change", () => {
    quiz.wants = find("wants").value;
    show(false);
  });
  return paintBar;
}
let paintQuiz = () => {};
