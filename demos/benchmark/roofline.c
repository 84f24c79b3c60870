/* What one core can do in double precision: additions and multiplications a second in registers, and bytes a second read
   from a buffer of DOUBLES numbers, which lies in whichever cache holds it.

   cc -O3 -march=native roofline.c -o roofline
   roofline DOUBLES
   prints: operations a second (a multiply-add counts as two), bytes a second */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined __AVX512F__
#define LANES 8
#elif defined __AVX__
#define LANES 4
#else
#define LANES 2
#endif
#define CHAINS 12 /* independent chains of multiply-adds: more than their latency times their throughput */
#define STREAMS 8
#define TRIES 7

typedef double Vector __attribute__((vector_size(8 * LANES)));

static volatile double kept; /* results are stored here, so that nothing is optimised away */

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double operations_a_second(void) {
    const long count = 1000000;
    Vector chain[CHAINS], factor, term;
    double best = 0;
    for (int l = 0; l < LANES; l++) factor[l] = 0.999999, term[l] = 1e-9;
    for (int i = 0; i < CHAINS; i++)
        for (int l = 0; l < LANES; l++) chain[i][l] = 0.001 * (i + l);
    for (int try = 0; try < TRIES; try++) {
        double begun = seconds();
        for (long k = 0; k < count; k++) {
#pragma GCC unroll 12
            for (int i = 0; i < CHAINS; i++) chain[i] = chain[i] * factor + term;
        }
        double rate = 2.0 * CHAINS * LANES * (double)count / (seconds() - begun);
        if (rate > best) best = rate;
    }
    for (int i = 0; i < CHAINS; i++) kept += chain[i][0];
    return best;
}

static double bytes_a_second(long doubles) {
    long vectors = (doubles / LANES + STREAMS - 1) / STREAMS * STREAMS;
    Vector *buffer = aligned_alloc(64, (size_t)vectors * sizeof(Vector) + 64);
    double best = 0;
    for (long i = 0; i < vectors; i++) buffer[i] = (Vector){0};
    long passes = 32 * 1024 * 1024 / (vectors * (long)sizeof(Vector)) + 1;
    for (int try = 0; try < TRIES; try++) {
        Vector sum[STREAMS] = {{0}};
        double begun = seconds();
        for (long pass = 0; pass < passes; pass++) {
            for (long i = 0; i < vectors; i += STREAMS)
#pragma GCC unroll 8
                for (int s = 0; s < STREAMS; s++) sum[s] += buffer[i + s];
            __asm__ volatile("" ::: "memory");
        }
        double rate = (double)passes * (double)vectors * sizeof(Vector) / (seconds() - begun);
        if (rate > best) best = rate;
        for (int s = 0; s < STREAMS; s++) kept += sum[s][0];
    }
    free(buffer);
    return best;
}

int main(int argc, char **argv) {
    long doubles = argc > 1 ? atol(argv[1]) : 0;
    printf("%.6g %.6g\n", operations_a_second(), bytes_a_second(doubles < 512 ? 512 : doubles));
    return 0;
}
