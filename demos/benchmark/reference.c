/* A yardstick for the benchmark: one gradient-descent step of a 2-H-H-1 sigmoid network with mean binary
   cross-entropy, written by hand for this one network. Float64, one thread.

   The samples are taken in blocks whose activations fit the cache, a vector of samples at a time, as wide as the machine
   has them; matrix products keep a tile of sums in registers. For batch 1 there is one sample, and the loops over neurons
   are innermost instead.

   cc -O3 -march=native -ffast-math -DH=16 -DN=100 reference.c -o reference -lm
   reference DATA   with DATA = X [N][2], y [N], W1 [H][2], b1 [H], W2 [H][H], b2 [H], W3 [H], b3, as doubles
   prints: microseconds a full-batch step, microseconds a batch-1 step, the mean loss after three full-batch steps */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined __AVX512F__
#define LANES 8
#elif defined __AVX__
#define LANES 4
#else
#define LANES 2
#endif
#define BLOCK (H > 128 ? 32 : 128)

typedef double Vector __attribute__((vector_size(8 * LANES)));
typedef union {
    Vector v[BLOCK / LANES];
    double s[BLOCK];
} Row; /* one number for each sample of a block */

typedef struct {
    double W1[H][2], b1[H], W2[H][H], b2[H], W3[H], b3;
} Network;

static double X[N][2], Y[N];
static Network start, net, gradient;

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void descend(double lr) {
    double *w = (double *)&net, *g = (double *)&gradient;
    for (size_t k = 0; k < sizeof(Network) / sizeof(double); k++) w[k] -= lr * g[k];
}

static void sigmoid(double *z, int n) {
    for (int s = 0; s < n; s++) z[s] = 1 / (1 + exp(-z[s]));
}

static double sum(Vector v) {
    double total = 0;
    for (int k = 0; k < LANES; k++) total += v[k];
    return total;
}

/* out[j] = bias[j] + sum over i of W[j][i] in[i], in tiles of four rows and two vectors */
static void product(double W[H][H], const Row *in, const double *bias, Row *out, int vectors) {
    for (int j = 0; j < H; j += 4)
        for (int s = 0; s < vectors; s += 2) {
            Vector tile[4][2];
            for (int q = 0; q < 4; q++) tile[q][0] = tile[q][1] = (Vector){} + (bias ? bias[j + q] : 0);
            for (int i = 0; i < H; i++) {
                const Vector a = in[i].v[s], b = in[i].v[s + 1];
#pragma GCC unroll 4
                for (int q = 0; q < 4; q++) tile[q][0] += W[j + q][i] * a, tile[q][1] += W[j + q][i] * b;
            }
            for (int q = 0; q < 4; q++) out[j + q].v[s] = tile[q][0], out[j + q].v[s + 1] = tile[q][1];
        }
}

/* W[j][i] += sum over the samples of d[j] a[i], in tiles of two by four */
static void outer(const Row *d, const Row *a, double W[H][H], int vectors) {
    for (int j = 0; j < H; j += 2)
        for (int i = 0; i < H; i += 4) {
            Vector tile[2][4] = {};
            for (int s = 0; s < vectors; s++)
#pragma GCC unroll 2
                for (int q = 0; q < 2; q++)
#pragma GCC unroll 4
                    for (int r = 0; r < 4; r++) tile[q][r] += d[j + q].v[s] * a[i + r].v[s];
            for (int q = 0; q < 2; q++)
                for (int r = 0; r < 4; r++) W[j + q][i + r] += sum(tile[q][r]);
        }
}

/* The gradient of the mean loss; the result is that loss. */
static double full_batch(void) {
    static Row x[2], y, share, a1[H], a2[H], p, dz1[H], dz2[H], dz3;
    static double transposed[H][H];
    double loss = 0;
    memset(&gradient, 0, sizeof gradient);
    for (int j = 0; j < H; j++)
        for (int i = 0; i < H; i++) transposed[i][j] = net.W2[j][i];
    for (int first = 0; first < N; first += BLOCK) {
        const int left = N - first < BLOCK ? N - first : BLOCK;
        const int vectors = (left + 2 * LANES - 1) / (2 * LANES) * 2, n = vectors * LANES;
        for (int s = 0; s < n; s++) {
            const int k = s < left ? first + s : first; /* the lanes left over repeat a sample, with no share in the mean */
            x[0].s[s] = X[k][0], x[1].s[s] = X[k][1], y.s[s] = Y[k], share.s[s] = s < left ? 1.0 / N : 0;
        }
        for (int j = 0; j < H; j++) {
            for (int s = 0; s < vectors; s++)
                a1[j].v[s] = net.W1[j][0] * x[0].v[s] + net.W1[j][1] * x[1].v[s] + net.b1[j];
            sigmoid(a1[j].s, n);
        }
        product(net.W2, a1, net.b2, a2, vectors);
        for (int s = 0; s < n; s++) p.s[s] = net.b3;
        for (int j = 0; j < H; j++) {
            sigmoid(a2[j].s, n);
            for (int s = 0; s < vectors; s++) p.v[s] += net.W3[j] * a2[j].v[s];
        }
        sigmoid(p.s, n);
        for (int s = 0; s < n; s++) {
            loss -= share.s[s] * log(y.s[s] * p.s[s] + (1 - y.s[s]) * (1 - p.s[s]));
            dz3.s[s] = (p.s[s] - y.s[s]) * share.s[s];
            gradient.b3 += dz3.s[s];
        }
        for (int j = 0; j < H; j++) {
            Vector w = {}, b = {};
            for (int s = 0; s < vectors; s++) {
                const Vector a = a2[j].v[s], d = dz3.v[s] * net.W3[j] * a * (1 - a);
                dz2[j].v[s] = d, w += dz3.v[s] * a, b += d;
            }
            gradient.W3[j] += sum(w), gradient.b2[j] += sum(b);
        }
        outer(dz2, a1, gradient.W2, vectors);
        product(transposed, dz2, NULL, dz1, vectors);
        for (int j = 0; j < H; j++) {
            Vector w0 = {}, w1 = {}, b = {};
            for (int s = 0; s < vectors; s++) {
                const Vector a = a1[j].v[s], d = dz1[j].v[s] * a * (1 - a);
                w0 += d * x[0].v[s], w1 += d * x[1].v[s], b += d;
            }
            gradient.W1[j][0] += sum(w0), gradient.W1[j][1] += sum(w1), gradient.b1[j] += sum(b);
        }
    }
    return loss;
}

static double one_sample(int s) {
    double a1[H], a2[H], dz1[H], dz2[H], z = net.b3;
    for (int j = 0; j < H; j++) a1[j] = net.W1[j][0] * X[s][0] + net.W1[j][1] * X[s][1] + net.b1[j];
    sigmoid(a1, H);
    for (int j = 0; j < H; j++) {
        a2[j] = net.b2[j];
        for (int i = 0; i < H; i++) a2[j] += net.W2[j][i] * a1[i];
    }
    sigmoid(a2, H);
    for (int j = 0; j < H; j++) z += net.W3[j] * a2[j];
    const double p = 1 / (1 + exp(-z)), d = p - Y[s];
    gradient.b3 = d;
    for (int j = 0; j < H; j++) {
        gradient.W3[j] = d * a2[j];
        gradient.b2[j] = dz2[j] = d * net.W3[j] * a2[j] * (1 - a2[j]);
    }
    memset(dz1, 0, sizeof dz1);
    for (int j = 0; j < H; j++)
        for (int i = 0; i < H; i++) {
            gradient.W2[j][i] = dz2[j] * a1[i];
            dz1[i] += net.W2[j][i] * dz2[j];
        }
    for (int j = 0; j < H; j++) {
        const double e = dz1[j] * a1[j] * (1 - a1[j]);
        gradient.W1[j][0] = e * X[s][0], gradient.W1[j][1] = e * X[s][1], gradient.b1[j] = e;
    }
    return -log(Y[s] * p + (1 - Y[s]) * (1 - p));
}

static double sink;  /* keeps the compiler from leaving a timed loop out */

static void steps(int full, int count) {
    for (int k = 0; k < count; k++) {
        sink += full ? full_batch() : one_sample(k % N);
        descend(full ? 0.1 : 0.05);
    }
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median microseconds a step. */
static double timed(int full) {
    enum { ROUNDS = 15 };
    double found[ROUNDS], begun;
    int count = 1;
    net = start;
    for (;; count *= 2) {
        begun = seconds();
        steps(full, count);
        if (seconds() - begun > 0.02) break;
    }
    for (int r = 0; r < ROUNDS; r++) {
        begun = seconds();
        steps(full, count);
        found[r] = (seconds() - begun) / count * 1e6;
    }
    qsort(found, ROUNDS, sizeof(double), ascending);
    return found[ROUNDS / 2];
}

int main(int count, char **arguments) {
    FILE *file = count > 1 ? fopen(arguments[1], "rb") : NULL;
    if (!file || fread(X, sizeof X, 1, file) != 1 || fread(Y, sizeof Y, 1, file) != 1 ||
        fread(&start, sizeof start, 1, file) != 1) {
        fprintf(stderr, "reference: the data cannot be read\n");
        return 1;
    }
    fclose(file);
    net = start;
    steps(1, 3);
    const double loss = full_batch();
    printf("%.6f %.6f %.15f\n", timed(1), timed(0), loss);
    return sink != sink;
}
