// Runs tests on Pyodide, CPython compiled to WebAssembly: node pyodide.mjs PROJECT PACKAGES [pytest's arguments]
// PROJECT is a copy of the tree; PACKAGES a folder of pure Python packages: pytest, hypothesis, mpmath, graphviz.
import { loadPyodide } from "pyodide";

const [project, packages, ...given] = process.argv.slice(2);
const python = await loadPyodide();
for (const [folder, place] of [[project, "/project"], [packages, "/packages"]]) {
  python.FS.mkdirTree(place);
  python.FS.mount(python.FS.filesystems.NODEFS, { root: folder }, place);
}
const failed = await python.runPythonAsync(`
import os, sys
sys.dont_write_bytecode = True
sys.path[:0] = ["/project", "/packages"]
os.chdir("/project")
import pytest
print("Python", sys.version)
int(pytest.main(${JSON.stringify(["-q", "-p", "no:cacheprovider", ...given])}))
`);
process.exit(failed);
