// Python code that does the same.
function code() {
  const s = state.settings;
  const sizes = [...s.layers, 1].join(", ");
  const optimizer = OPTIMIZERS[s.optimizer].about.python.replace("RATE", s.rate);
  const rows = state.points.map((p) => `[${p.join(", ")}]`);
  const loss = s.loss === "squared_error" ? ", loss=mean_squared_error" : "";
  return [
    "import nn", `from nn import MLP, fit${loss ? ", mean_squared_error" : ""}`, "",
    `points = [${rows.join(", ")}]`,
    `model = MLP(2, [${sizes}], activation="${s.activation}", seed=${s.seed})`,
    `optimizer = nn.${optimizer}`,
    `history = fit(model, [p[:2] for p in points], [p[2] for p in points], optimizer=optimizer${loss},`,
    `              epochs=${Math.max(1, training.epochs)}, batch_size=${s.batch || "None"}, seed=${s.seed})`,
    "print(history.loss[-1])",
  ].join("\n");
}
