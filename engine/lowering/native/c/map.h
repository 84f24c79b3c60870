/* An operation on a run of vectors: one function for each row of operations.h. */
#pragma once
#include "functions.h"
#include "operations.h"

/* d = op(a, b, c) on n vectors; an argument moves by its step (W, or 0 where one vector serves all). */
typedef void Map(double *d, const double *a, int64_t sa, const double *b, int64_t sb, const double *c, int64_t sc,
                 int64_t n);
#define MAP(NAME, ARITY, EXPR)                                                                                    \
    static void map_##NAME(double *d, const double *pa, int64_t sa, const double *pb, int64_t sb, const double *pc, \
                           int64_t sc, int64_t n) {                                                               \
        for (int64_t v = 0; v < n; v++, d += W) {                                                                 \
            V a = load(pa), b, c;                                                                                 \
            pa += sa;                                                                                             \
            if (ARITY > 1) b = load(pb), pb += sb;                                                                \
            if (ARITY > 2) c = load(pc), pc += sc;                                                                \
            (void)b, (void)c;                                                                                     \
            store(d, EXPR);                                                                                       \
        }                                                                                                         \
    }
TAPE_OPS(MAP)
#define MAP_ENTRY(NAME, ARITY, EXPR) map_##NAME,
static Map *const maps[] = {TAPE_OPS(MAP_ENTRY)};
