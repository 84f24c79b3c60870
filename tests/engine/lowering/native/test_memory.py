"""Where memory or threads lack: an error or the same numbers, never a crash; and all that a tape had is given back.

A library loaded in front of C's own lets one allocation of the interpreter fail, whichever is asked for.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import subprocess
import sys

import pytest

from engine.lowering import native

if not native.available()[0]:
    pytest.skip(native.available()[1], allow_module_level=True)

FAILING = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t);
extern void __libc_free(void *);
long held, memory_left = -1, threads_left = -1; /* how many still come before one that does not; below 0 all do */
static void *all[256];
static int asks(const void *caller) {
    Dl_info who;
    return dladdr(caller, &who) && who.dli_fname && strstr(who.dli_fname, "_tape");
}
static void *given(const void *caller, size_t n, size_t size) {
    void *p = NULL;
    if (!asks(caller)) return __libc_calloc(n, size);
    if (memory_left-- && held < 256) p = all[held++] = __libc_calloc(n, size);
    return p;
}
void *malloc(size_t n) { return given(__builtin_return_address(0), 1, n); }
void *calloc(size_t n, size_t size) { return given(__builtin_return_address(0), n, size); }
void free(void *p) {
    for (int i = 0; p && i < held; i++)
        if (all[i] == p) all[i] = all[--held];
    __libc_free(p);
}
int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*work)(void *), void *x) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    return asks(__builtin_return_address(0)) && !threads_left-- ? 11 : create(t, a, work, x);
}
"""
TAPES = r"""
import ctypes, json, sys
from array import array
from engine import Value, dot
from engine.weighted import dots
from engine.lowering import native
from engine.lowering.native.trainer import Trainer
from engine.lowering.trace import trace

held, memory, threads = [
    ctypes.c_long.in_dll(ctypes.CDLL(None), name) for name in ("held", "memory_left", "threads_left")
]
inputs, weights = [Value(1.0) for _ in range(20)], [[Value(0.01 * (j - k)) for k in range(20)] for j in range(60)]
parameters = [w for row in weights for w in row]
loss = dot([0.1] * 60, [z.tanh() for z in dots([tuple(row) for row in weights], inputs, [None] * 60, [""] * 60)])
program = trace([loss], inputs, parameters)
rows, data = array("d", [0.01 * (k % 97) for k in range(len(inputs) * 40)]), [p.data for p in parameters]

def gradient(batch, n):
    kernel = native.NativeKernel(program, None, n)
    try:
        if not batch:
            return kernel.run(rows, 40, data)[1][0]
        trainer = Trainer(kernel, rows, 40, batch)
    except MemoryError:
        return None
    trainer.load(data, "sgd", lr=0.1)
    trainer.begin()
    trainer.run(1, array("d", [0.0]), 60.0)
    return list(trainer.parameters())

found = []
for batch, n in ((0, 1), (0, 3), (1, 1), (40, 1), (40, 3)):
    expected = gradient(batch, n)
    for left in memory, threads:
        attempts = []
        while not attempts or left.value < 0:  # the last misses none
            left.value = len(attempts)
            result = gradient(batch, n)
            attempts.append("none" if result is None else "same" if result == expected else "another")
        left.value = -1
        found.append(" ".join(attempts))
c = native.loaded_library().c
threads.value = 1
seconds = [c.tape_thread_seconds(2), c.tape_thread_seconds(2)]
threads.value = -1
for measured in (lambda: c.tape_thread_seconds(2), lambda: c.tape_work_seconds(0)):
    memory.value = 0
    seconds.append(measured())
print(json.dumps([found, seconds, held.value]))
"""


@pytest.mark.skipif(
    not shutil.which("cc") or platform.libc_ver()[0] != "glibc" or bool(os.environ.get("LD_PRELOAD")),
    reason="needs a C compiler, and the C library of GNU with nothing else in front of it",
)
def test_what_lacks_is_told_or_done_without(tmp_path):
    """Of each allocation and each thread of a tape, one at a time, none comes: a MemoryError where that is needed, else
    the results of one thread; and after each attempt nothing is held.
    """
    (tmp_path / "failing.c").write_text(FAILING)
    library = tmp_path / "failing.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, tmp_path / "failing.c", "-ldl"], check=True)
    done = subprocess.run(
        [sys.executable, "-c", TAPES], capture_output=True, text=True, check=True,
        env={**os.environ, "LD_PRELOAD": str(library)},
    )  # fmt: skip
    found, seconds, held = json.loads(done.stdout)
    for memory, threads in zip(found[::2], found[1::2]):
        attempts, several = memory.split(), len(threads.split()) > 1
        assert attempts[0] == "none"
        assert attempts[-1] == "same"
        assert set(attempts) == {"none", "same"}
        assert attempts.count("same") == (3 if several else 1)  # the pool of threads, and what it knows of each
        assert threads == ("same same same" if several else "same")
    assert [len(threads.split()) for threads in found[1::2]] == [1, 3, 1, 1, 3]
    assert 0 < seconds[0] < 1
    assert seconds[1:] == [math.inf, math.inf, 1e-9]
    assert held == 0


TWO = """
from engine import Value, lower
x, w = Value(2.0), Value(3.0)
for loss in x * w, w.exp() - x:
    print(lower(loss, inputs=[x], wrt=[w], backend="native")([[2.0], [4.0]]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs memory that the C library fills")
@pytest.mark.parametrize("byte", ["1", "65"])
def test_it_does_not_matter_what_new_memory_holds(byte):
    """The same numbers, where each byte of new memory is another; also of a tape of which nothing is the same for all
    samples.
    """
    filled = {"MALLOC_PERTURB_": byte, "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
    found = [subprocess.run([sys.executable, "-c", TWO], capture_output=True, text=True, check=True, env=env).stdout
             for env in (os.environ, {**os.environ, **filled})]  # fmt: skip
    assert found[0] == found[1]
