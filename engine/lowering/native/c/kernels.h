/* What the driver knows of a set of kernels, which is compiled once for each instruction set. */
#pragma once
#include <stdint.h>

#define MAX_MR 8  /* of all instruction sets: room in the packed weights */

typedef struct {
    int32_t kind; /* 0 SGD, 1 Adam, 2 AdamW, 3 RMSprop, 4 Adagrad */
    int32_t flag; /* nesterov, amsgrad, centered */
    double lr, h0, h1, h2, weight_decay;
    int64_t step;           /* updates done so far */
    double *s0, *s1, *s2;   /* state, one double a parameter, or NULL */
} Optimizer;

typedef struct {
    const char *name;
    int width;
    void (*flat)(const int32_t *code, int64_t n, double *U, double *packed);
    void (*lanes)(const int32_t *code, int64_t n, const double *U, const double *packed, double *L, int64_t ld,
                  int64_t samples, double *acc);
    int (*update)(Optimizer *o, int64_t n, double *p, const double *g, const double *l2, double scale);
} Kernels;

enum { FLAT_MAP, FLAT_NARY, FLAT_DOT, FLAT_GEMV, FLAT_OUTER, FLAT_GATHER, FLAT_PACK, FLAT_CODES };
enum { LANES_MAP, LANES_NARY, LANES_DOT, LANES_GEMM, LANES_OUTER, LANES_SUM, LANES_CODES };
enum { NARY_SUM, NARY_MEAN, NARY_LOGSUMEXP, NARY_CODES };
#define NARY_NAMES "sum mean logsumexp"

#define JOIN_(A, B) A##B
#define JOIN(A, B) JOIN_(A, B)
#ifndef TAPE_KERNELS
#define TAPE_KERNELS baseline
#endif
