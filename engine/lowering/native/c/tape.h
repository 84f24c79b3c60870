/* A tape: its sizes, its instructions and its memory. */
#pragma once
enum { MOST_WAITS = 16 };

typedef struct {
    int32_t n_values, n_parameters, n_constants, n_inputs; /* of U; the inputs are values only of a flat tape */
    int32_t n_rows, n_results;                             /* n_rows is 0 for a flat tape */
    int32_t n_uniform;  /* results that do not vary between samples, as pairs (result, value) */
    int32_t results;    /* flat: the first of the values that are the results */
    int32_t set;        /* index of the instruction set */
    int32_t threads;
    int32_t block;      /* samples of a block, 0 to choose by the size of the cache; of a flat tape those of a step */
} Layout;

struct Pool;
typedef struct {
    Layout is;
    const Kernels *kernels;
    int32_t *flat, *lanes, *uniform;
    int64_t n_flat, n_lanes, ld;
    double *U, *acc, **L; /* acc: a row a thread; where sums are marked, another in which it is kept */
    _Atomic int careful;  /* whether marks are looked at: none of them are, or some were needed */
    double *before; /* room for the parameters and an optimiser's state as they were before a step */
    struct Pool *pool;
    int64_t n_body; /* of a flat tape: the words before the instructions that only write results; of lanes: before the
                       outer products that can go straight into the parameters, or 0 */
    Wait waits[MOST_WAITS]; /* flat: the layers whose updates may wait for the next sample, in the order of the tape; */
    int64_t n_waits, waiting; /* how many these are, and how many wait now */
    double wait_rate;         /* of descent, for these */
    int64_t n_gathers, n_outers, n_rest; /* flat: the words before outer products, before those that do not wait, and before
                                            the biases that do */
    int64_t loss;                        /* the value that is the first result */
    double *wait_room;
    int32_t *others;  /* lanes: the results that these do not make: n_runs pairs (first, count), then n_singles of them */
    int64_t n_runs, n_singles;
} Tape;
