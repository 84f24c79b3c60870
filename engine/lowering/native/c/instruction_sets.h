/* The sets of kernels in this library, and which of them the machine can run. */
#pragma once
#include "kernels.h"
#include "operations.h"

#ifndef TAPE_SOURCE
#define TAPE_SOURCE "unknown" /* checksum of the C files, so that library.py refuses a library built from others */
#endif
#ifdef __clang__
#define TAPE_COMPILER __VERSION__
#else
#define TAPE_COMPILER "GCC " __VERSION__
#endif

#if defined(TAPE_HAVE_AVX2) || defined(TAPE_HAVE_AVX512)
#include <cpuid.h>
/* Asked of the processor itself: __builtin_cpu_supports needs a runtime that not every compiler brings. */
static int processor_has(uint32_t wanted /* bits of ebx, leaf 7 */, uint32_t saved /* registers that the system saves */) {
    uint32_t a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (1u << 12 | 1u << 27)) != (1u << 12 | 1u << 27)) return 0; /* FMA */
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & saved) != saved || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    return (b & wanted) == wanted;
}
#endif
#ifdef TAPE_HAVE_AVX2
extern const Kernels tape_kernels_avx2;
#endif
#ifdef TAPE_HAVE_AVX512
extern const Kernels tape_kernels_avx512;
#endif

extern const Kernels tape_kernels_baseline;

/* The sets of kernels that this machine can run, best first. */
static const Kernels *supported(int i) {
    const Kernels *found[3];
    int n = 0;
#ifdef TAPE_HAVE_AVX512
    if (processor_has(1u << 5 | 1u << 16 | 1u << 17, 0xe6)) found[n++] = &tape_kernels_avx512;
#endif
#ifdef TAPE_HAVE_AVX2
    if (processor_has(1u << 5, 0x06)) found[n++] = &tape_kernels_avx2;
#endif
    found[n++] = &tape_kernels_baseline;
    return i < n ? found[i] : NULL;
}
#define NAME_AND_ARITY(NAME, ARITY, EXPR) #NAME " " #ARITY " "

EXPORT const char *tape_source(void) { return TAPE_SOURCE; }
EXPORT const char *tape_compiler(void) { return TAPE_COMPILER; }
EXPORT const char *tape_operations(void) { return TAPE_OPS(NAME_AND_ARITY); }
EXPORT const char *tape_nary(void) { return NARY_NAMES; }
EXPORT const char *tape_instruction_set(int i) {
    const Kernels *k = supported(i);
    return k ? k->name : NULL;
}
