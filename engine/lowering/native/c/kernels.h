/* What the driver knows of a set of kernels, which is compiled once for each instruction set. */
#pragma once
#include <stdint.h>

#define SCRATCH 24        /* doubles a sample that lanes needs for rows turned into columns */
#define SCRATCH_MORE 8192 /* and as many more, which stay in the second-level cache beside the parameters */

typedef struct {
    int32_t kind; /* 0 SGD, 1 Adam, 2 AdamW, 3 RMSprop, 4 Adagrad */
    int32_t flag; /* nesterov, amsgrad, centered */
    double lr, h0, h1, h2, weight_decay;
    int64_t step;           /* updates done so far */
    double *s0, *s1, *s2;   /* state, one double a parameter, or NULL */
} Optimizer;

/* What an update needs of the optimiser, worked out once a step. */
typedef struct {
    double *p, *s0, *s1;
    const double *l2; /* or NULL */
    int kind;         /* 0: plain descent, 1: SGD, 2: Adam */
    int nesterov;
    double scale, rate, weight_decay, keep, take, h0, h1, eps, shrink;
} Rates;

/* The update of a layer that is made when the next sample reads its weights. */
typedef struct {
    const int32_t *gemv; /* the layer */
    int32_t adjoints;    /* their place */
    int32_t with_bias;   /* whether its biases wait too */
    double *a, *b;       /* a copy of what the layer read, and the adjoints or a copy */
} Wait;

typedef struct {
    const char *name;
    void (*flat)(const int32_t *code, int64_t n, double *U);
    int (*lanes)(const int32_t *code, int64_t n, const double *U, double *L, int64_t ld, int64_t samples, double *acc,
                 double *scratch, double *out, int64_t stride, int careful);
    void (*turn_samples)(int64_t I, int64_t n, const double *X, int64_t row, const int32_t *order, int64_t first,
                         double *L, int64_t ld);
    void (*outer_descend)(const int32_t *c, int64_t part, int64_t parts, const Rates *u, const double *L, int64_t ld,
                          int64_t samples, double *scratch);
    int (*update)(Optimizer *o, int64_t n, double *p, const double *g, const double *l2, double scale);
    void (*update_run)(const Rates *u, int64_t at, int64_t n, const double *g);
    double (*outer_bound)(const int32_t *c, const double *L, int64_t ld, int64_t samples, int64_t inputs, double of_inputs);
    double (*max_magnitude)(const double *p, int64_t n);
    void (*flat_descend)(const int32_t *c, const int32_t *end, const double *U, int64_t results, const Rates *u, int64_t samples,
                         int64_t gap);
    void (*wait)(const Wait *waits, int64_t n_waits, const double *U);
    void (*flat_waiting)(const int32_t *c, int64_t n, double *U, const Wait *waits, int64_t n_waits, double rate);
    void (*catch_up)(const Wait *waits, int64_t n_waits, const Rates *u);
} Kernels;

enum { FLAT_MAP, FLAT_NARY, FLAT_DOT, FLAT_GEMV, FLAT_OUTER, FLAT_GATHER, FLAT_CODES };
enum { FLAT_PAIR = FLAT_CODES, FLAT_BCE, FLAT_GEMV_THEN, FLAT_MUL_THEN, FLAT_SOFTMAX }; /* which are made of these: run.h */
enum { MOST_SOFTMAX = 64 }; /* values, of one that is an instruction */
static int64_t flat_size(const int32_t *c) {
    switch (c[0]) {
    case FLAT_MAP: return 10;
    case FLAT_PAIR:
    case FLAT_MUL_THEN: return 20;
    case FLAT_BCE: return 70;
    case FLAT_SOFTMAX: return 82 + 4 * (int64_t)c[2];
    case FLAT_NARY: return 4 + (int64_t)c[2];
    case FLAT_DOT: return 4 + 2 * (int64_t)c[1];
    case FLAT_GEMV: return 9;
    case FLAT_GEMV_THEN: return 9 + flat_size(c + 9);
    case FLAT_OUTER: return 8;
    default: return 3 + (int64_t)c[1];
    }
}
enum { LANES_MAP, LANES_NARY, LANES_DOT, LANES_GEMM, LANES_OUTER, LANES_SUM, LANES_OUT, LANES_PAIR, LANES_CHEAP, LANES_CHOICE, LANES_TERMS, LANES_CODES };
enum { PAIR_SIGMOID, PAIR_TANH, PAIR_CODES, PAIR_RELU = PAIR_CODES }; /* the last of flat tapes alone */
enum { CHOICE_MAXIMUM, CHOICE_MINIMUM, CHOICE_SLOPE, CHOICE_CODES };
enum { NARY_SUM, NARY_MEAN, NARY_LOGSUMEXP, NARY_AMAX, NARY_AMIN, NARY_TIES, NARY_CODES };
#define NARY_NAMES "sum mean logsumexp amax amin ties"

#define JOIN_(A, B) A##B
#define JOIN(A, B) JOIN_(A, B)
#ifndef TAPE_KERNELS
#define TAPE_KERNELS baseline
#endif
