/* Lanes tapes: a row of samples for each value. An operand x >= 0 is a row of L; x < 0 is the value ~x of U, the same for all samples. */
#pragma once
#include "kernels.h"
#include "map.h"
#include "pairs.h"
#include "products.h"

typedef struct {
    const double *p;
    int64_t step;
} Operand;

INLINE Operand operand(int32_t x, const double *U, const double *L, int64_t ld, V *room) {
    if (x >= 0) return (Operand){L + x * ld, W};
    *room = splat(U[~x]);
    return (Operand){(const double *)room, 0};
}

/* Fetch the start of a row that the next operation needs: in a large graph it has left the cache. */
INLINE void prefetch(int32_t x, const double *L, int64_t ld) {
    if (x >= 0)
        for (int i = 0; i < 4; i++) __builtin_prefetch(L + x * ld + 8 * i);
}

static const int32_t *lanes_map(const int32_t *c, const double *U, double *L, int64_t ld, int64_t nv) {
    int32_t op = c[1], count = c[2];
    Map *map = maps[op];
    V ra, rb, rc;
    c += 3;
    if (op_arity[op] == 1)
        for (; count; count--, c += 2) {
            Operand a = operand(c[1], U, L, ld, &ra);
            map(L + c[0] * ld, a.p, a.step, a.p, 0, a.p, 0, nv);
        }
    else if (op_arity[op] == 2)
        for (; count; count--, c += 3) {
            Operand a = operand(c[1], U, L, ld, &ra), b = operand(c[2], U, L, ld, &rb);
            if (count > 1) prefetch(c[4], L, ld), prefetch(c[5], L, ld);
            map(L + c[0] * ld, a.p, a.step, b.p, b.step, a.p, 0, nv);
        }
    else
        for (; count; count--, c += 4) {
            Operand a = operand(c[1], U, L, ld, &ra), b = operand(c[2], U, L, ld, &rb), e = operand(c[3], U, L, ld, &rc);
            map(L + c[0] * ld, a.p, a.step, b.p, b.step, e.p, e.step, nv);
        }
    return c;
}

/* The operations that cost less than a call: a run of them, all of whose operands are rows, is one loop. */
#define CHEAP_OPS(X) X(add, 2, a + b) X(sub, 2, a - b) X(mul, 2, a *b) X(neg, 1, -a) X(maximum, 2, max_(a, b)) \
    X(minimum, 2, min_(a, b)) X(relu, 1, select_(a <= 0.0, zero_(), a)) X(gt, 2, truth(a > b))                 \
    X(where, 3, select_(a != 0.0, b, c))
/* The places of the vectors of a row. A row has a whole number of cache lines, and an instruction may go through the
 * whole of each: what it computes behind the last sample nobody reads. */
#define EACH_OF_ROW(O)                               \
    for (int64_t line = 0; line < nv * W; line += 8) \
        UNROLL for (int64_t O = line; O < line + 8; O += W)
#define CHEAP_RUN(NAME, ARITY, EXPR)                                                                        \
    case OP_##NAME:                                                                                         \
        for (; count; count--, x += ARITY + 1) {                                                            \
            double *d = L + x[0] * ld;                                                                      \
            const double *pa = L + x[1] * ld, *pb = L + x[ARITY > 1 ? 2 : 1] * ld, *pc = L + x[ARITY] * ld; \
            EACH_OF_ROW(o) {                                                                                \
                V a = load(pa + o), b = load(pb + o), c = load(pc + o);                                     \
                (void)b, (void)c;                                                                           \
                store(d + o, EXPR);                                                                         \
            }                                                                                               \
        }                                                                                                   \
        return x;
static const int32_t *lanes_cheap(const int32_t *x, double *L, int64_t ld, int64_t nv) {
    int32_t op = x[1], count = x[2];
    x += 3;
    switch (op) { CHEAP_OPS(CHEAP_RUN) }
    return x + (int64_t)count * (op_arity[op] + 1); /* not reached: lanes.py writes no others */
}

/* The larger or the smaller of two, with the slope by the first: 1, 0, or a half where they tie. A slope waits for the way
 * back, and there are many; so it is a byte a sample, and eight rows of slopes lie where one of numbers would. Of the byte
 * all bits are set for 1, none for 0, and for a half the lowest: 1 and 0 are masks as they are, and a tie is rare. With
 * AVX-512, which has masks of bits, the first of the eight bytes of a vector tells where the slope is 1, the second where
 * they tie. chosen_at: where the slope is 1, or where it is 0 if sign is -1; factor_at: the slope, or 1 less it. */
INLINE int8_t *slopes(int32_t x, double *L, int64_t ld) { return (int8_t *)(L + (x >> 3) * ld) + (x & 7) * ld; }
#if defined(__AVX512F__)
#define TIES 0xff00u
typedef __mmask8 Chosen;
INLINE void store_slope(int8_t *p, V a, V b) {
    p[0] = (int8_t)_mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GT_OQ);
    p[1] = (int8_t)_mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_EQ_UQ);
}
INLINE Chosen chosen_at(const int8_t *p, int64_t sign) { return (Chosen)(p[0] ^ sign); }
INLINE V factor_at(const int8_t *p, int64_t sign) {
    return (V)_mm512_mask_mov_pd(_mm512_maskz_mov_pd(chosen_at(p, sign), (__m512d)one_()), (__mmask8)p[1], (__m512d)splat(0.5));
}
#else
#define TIES 0x0101010101010101u
typedef M Chosen;
INLINE void store_slope(int8_t *p, V a, V b) {
    M slope = (a > b) | (1 + (a < b));
#if defined(__AVX2__)
    __m256i whole = _mm256_shuffle_epi8((__m256i)slope, _mm256_set1_epi32(0x08000800));
    int32_t four = _mm_cvtsi128_si32(_mm_unpacklo_epi16(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1)));
    memcpy(p, &four, 4);
#else
    p[0] = (int8_t)slope[0], p[1] = (int8_t)slope[1];
#endif
}
INLINE M slope_mask(const int8_t *p) {
#if defined(__AVX2__)
    int32_t four;
    memcpy(&four, p, 4);
    return (M)_mm256_cvtepi8_epi64(_mm_cvtsi32_si128(four));
#else
    return (M){p[0], p[1]};
#endif
}
INLINE Chosen chosen_at(const int8_t *p, int64_t sign) { return slope_mask(p) ^ sign; }
INLINE V factor_at(const int8_t *p, int64_t sign) {
    M mask = slope_mask(p);
    return select_(mask == 1, splat(0.5), (V)((mask ^ sign) & (M)one_()));
}
#endif
/* Whether a slope of the first n is a half, or one of those behind them in the same eight bytes. */
INLINE int any_tie(const int8_t *p, int64_t n) {
    uint64_t ties = 0, eight;
    for (int64_t i = 0; i < n; i += 8) memcpy(&eight, p + i, 8), ties |= TIES == 0xff00u ? eight : eight ^ eight >> 1;
    return (ties & TIES) != 0;
}
#define CHOICE_RUN(KIND, VALUE, FIRST, SECOND)                                                                  \
    case KIND:                                                                                                  \
        for (; count; count--, c += 4) {                                                                        \
            Operand x = operand(c[2], U, L, ld, &ra), y = operand(c[3], U, L, ld, &rb);                         \
            const double *pa = x.p, *pb = y.p;                                                                  \
            double *d = L + c[0] * ld;                                                                          \
            int8_t *slope = slopes(c[1], L, ld);                                                                \
            for (int64_t o = 0; o < nv * W; o += W, pa += x.step, pb += y.step) {                               \
                V a = load(pa), b = load(pb);                                                                   \
                VALUE;                                                                                          \
                store_slope(slope + o, FIRST, SECOND);                                                          \
            }                                                                                                   \
        }                                                                                                       \
        return c;
static const int32_t *lanes_choice(const int32_t *c, const double *U, double *L, int64_t ld, int64_t nv) {
    int32_t kind = c[1], count = c[2];
    V ra, rb;
    c += 3;
    switch (kind) {
        CHOICE_RUN(CHOICE_MAXIMUM, store(d + o, max_(a, b)), a, b)
        CHOICE_RUN(CHOICE_MINIMUM, store(d + o, min_(a, b)), b, a)
    default:
        CHOICE_RUN(CHOICE_SLOPE, (void)d, a, b)
    }
}

/* Sums of products of rows: n products, of which those with ~d for their second factor are taken away. Marked sums also
 * have c products with the slopes of choices, and s with slopes that are bytes, of which those with ~x for the slope have
 * 1 less that. An adjoint that was not reached is marked by being -0.0, which nothing else then may be: what is reached
 * and comes to -0.0 is made 0.0. A choice whose slope is 0 was another.
 *
 * As long as all is finite, nobody needs the marks: an adjoint that was not reached is 0 and adds 0. Where a factor is not, 0
 * times it is nan, and stays nan on its way to the results. So a block is run without marks, and only if a result is not
 * finite once more, carefully. */
#if defined(__AVX512F__)
INLINE V more_marked(V g, V factor, V s) {
    __mmask8 reached = _mm512_cmpneq_epi64_mask((__m512i)g, _mm512_set1_epi64(INT64_MIN));
    s = (V)_mm512_mask3_fmadd_pd((__m512d)g, (__m512d)factor, (__m512d)s, reached);
    return (V)_mm512_mask_add_pd((__m512d)s, reached, (__m512d)s, _mm512_setzero_pd());
}
INLINE V add_masked(Chosen k, V g, V s) { return (V)_mm512_mask_add_pd((__m512d)s, k, (__m512d)s, (__m512d)g); }
#else
INLINE V more_marked(V g, V factor, V s) { /* where g was not reached, -0.0 * 0.0 and -0.0 are added: nothing */
    M unreached = (M)g == INT64_MIN;
#if defined(__AVX2__)
    factor = (V)_mm256_andnot_pd((__m256d)unreached, (__m256d)factor); /* GCC would make a selection of it, which costs more */
#else
    factor = (V)((M)factor & ~unreached);
#endif
    return fma_(g, factor, s) + (V)(unreached & INT64_MIN);
}
INLINE V add_masked(Chosen k, V g, V s) { return s - (V)((M)-g & k); }
#endif
/* The adjoint with -0.0 where the slope of a choice is 0. */
INLINE V chosen(V g, V slope) { return select_(slope != 0.0, g, splat(-0.0)); }
INLINE V with_sign(V x, int32_t sign) { return (V)((M)x ^ ((int64_t)sign & INT64_MIN)); } /* sign: 0 or -1 */
#define FOR_T UNROLL for (int t = 0; t < T; t++)
#define ONE_REGISTER(P) __asm__("" : "+r"(P)) /* else each vector has its address computed anew */
/* Adjoints times slopes that are bytes, of which some are a half. */
static __attribute__((noinline)) void add_ties(const double *g, const int8_t *slope, int64_t sign, V *s, int T) {
    for (int t = 0; t < T; t++, g += W, slope += W) {
        V factor = factor_at(slope, sign);
        s[t] = more_marked(chosen(load(g), factor), factor, s[t]);
    }
}
INLINE void terms_at(const int marked, const int32_t *x, const int32_t *n, double *whole, int64_t ld, int64_t at, const int T) {
    double *L = whole + at, *d = L + x[0] * ld;
    V s[8];
    x++;
    FOR_T s[t] = splat(-0.0); /* -0.0 + x is x, for x = -0.0 as well */
    for (int32_t i = n[0]; i; i--, x += 2) {
        int32_t sign = x[1] >> 31;
        const double *a = L + x[0] * ld, *b = L + (x[1] ^ sign) * ld;
        ONE_REGISTER(a);
        ONE_REGISTER(b);
        FOR_T {
            V g = load(a + t * W), factor = with_sign(load(b + t * W), sign);
            s[t] = marked ? more_marked(g, factor, s[t]) : fma_(g, factor, s[t]);
        }
    }
    for (int32_t i = n[1]; i; i--, x += 2) {
        const double *a = L + x[0] * ld, *b = L + x[1] * ld;
        ONE_REGISTER(a);
        ONE_REGISTER(b);
        FOR_T {
            V g = load(a + t * W), slope = load(b + t * W);
            s[t] = marked ? more_marked(chosen(g, slope), slope, s[t]) : fma_(g, slope, s[t]);
        }
    }
    for (int32_t i = n[2]; i; i--, x += 2) {
        int32_t sign = x[1] >> 31;
        const double *a = L + x[0] * ld;
        const int8_t *b = slopes(x[1] ^ sign, whole, ld) + at;
        ONE_REGISTER(a);
        ONE_REGISTER(b);
        if (LIKELY(!any_tie(b, T * W))) FOR_T s[t] = add_masked(chosen_at(b + t * W, sign), load(a + t * W), s[t]);
        else {
            V sums[8];
            FOR_T sums[t] = s[t];
            add_ties(a, b, sign, sums, T);
            FOR_T s[t] = sums[t];
        }
    }
    ONE_REGISTER(d);
    FOR_T store(d + t * W, s[t]);
}
#define TERMS_CASE(T)                                              \
    case T:                                                        \
        if (marked) terms_at(1, c, n, L, ld, v * W, T);            \
        else terms_at(0, c, n, L, ld, v * W, T);                   \
        break;
static void many_terms(const int marked, const int32_t *c, const int32_t *n, double *L, int64_t ld, int64_t nv) {
    for (int64_t v = 0; v < nv; v += 8) switch (nv - v < 8 ? nv - v : 8) {
            TERMS_CASE(1) TERMS_CASE(2) TERMS_CASE(3) TERMS_CASE(4)
            TERMS_CASE(5) TERMS_CASE(6) TERMS_CASE(7) TERMS_CASE(8)
        }
}
/* Most sums are of few terms: P products, and S with slopes that are bytes. Their rows are looked up once, and then gone
 * through from end to end. */
INLINE const int32_t *few_terms(const int marked, const int P, const int S, const int32_t *c, const int32_t *end, double *L,
                                int64_t ld, int64_t nv) {
    const int32_t n[] = {P, 0, S};
    for (; c < end; c += 1 + 2 * (P + S)) {
        const double *g[4], *factor[4];
        const int8_t *slope[2];
        int64_t sign[4], ties = 0;
        double *d = L + c[0] * ld;
        UNROLL for (int i = 0; i < P + S; i++) {
            int32_t x = c[2 + 2 * i];
            sign[i] = x >> 31, x ^= x >> 31, g[i] = L + c[1 + 2 * i] * ld;
            if (i < P) factor[i] = L + x * ld, sign[i] &= INT64_MIN;
            else slope[i - P] = slopes(x, L, ld), ties |= any_tie(slope[i - P], nv * W);
        }
        if (S && ties) many_terms(marked, c, n, L, ld, nv);
        else
            EACH_OF_ROW(o) {
                V s = splat(-0.0);
                UNROLL for (int i = 0; i < P; i++) {
                    V x = load(g[i] + o), y = (V)((M)load(factor[i] + o) ^ sign[i]);
                    s = marked ? more_marked(x, y, s) : fma_(x, y, s);
                }
                UNROLL for (int i = 0; i < S; i++) s = add_masked(chosen_at(slope[i] + o, sign[P + i]), load(g[P + i] + o), s);
                store(d + o, s);
            }
    }
    return end;
}
static const int32_t *lanes_terms(const int32_t *c, double *L, int64_t ld, int64_t nv, int careful) {
    int marked = careful && c[2];
    const int32_t *n = c + 3;
    int64_t width = 1 + 2 * ((int64_t)n[0] + n[1] + n[2]);
    const int32_t *end = c + 6 + c[1] * width;
    c += 6;
#define FEW(MARKED, P, S) \
    case 16 * MARKED + 4 * P + S: return few_terms(MARKED, P, S, c, end, L, ld, nv);
    if (n[0] < 4 && n[1] == 0 && n[2] < 3) switch (16 * marked + 4 * n[0] + n[2]) {
            FEW(0, 1, 0) FEW(0, 2, 0) FEW(0, 3, 0) FEW(0, 0, 1) FEW(0, 0, 2) FEW(0, 1, 1) FEW(0, 1, 2) FEW(0, 2, 1) FEW(0, 2, 2)
            FEW(1, 0, 1) FEW(1, 0, 2) FEW(1, 1, 0) FEW(1, 1, 1) FEW(1, 1, 2) FEW(1, 2, 0) FEW(1, 2, 1) FEW(1, 2, 2) FEW(1, 3, 0)
        }
    for (; c < end; c += width) many_terms(marked, c, n, L, ld, nv);
    return end;
}

INLINE V value_at(int32_t x, const double *U, const double *L, int64_t ld, int64_t v) {
    return x >= 0 ? load(L + x * ld + v * W) : splat(U[~x]);
}
/* The sums of exp(y - top) over the operands y of a logsumexp, but the first that is top: log1p keeps what the others add. If
 * usual, no y is far below, so that there is no call in the loop, and constants stay in registers. */
INLINE void sums_of_exp(const int usual, const int32_t *x, int32_t n, const double *U, const double *L, int64_t ld, int64_t v,
                        const int T, const V *top, V *sum) {
    V tie[4]; /* exp(y - top) of the next that is top */
    UNROLL for (int t = 0; t < T; t++) sum[t] = tie[t] = zero_();
    for (int32_t i = 0; i < n; i++)
        UNROLL for (int t = 0; t < T; t++) {
            V y = value_at(x[i], U, L, ld, v + t);
            M is_top = y == top[t];
            sum[t] = sum[t] + select_(is_top, tie[t], usual ? exp_inner(y - top[t]) : exp_(y - top[t]));
            tie[t] = select_(is_top, one_(), tie[t]);
        }
}
INLINE void logsumexp(const int32_t *x, int32_t n, const double *U, const double *L, int64_t ld, int64_t v, const int T, V *s) {
    V top[4], low[4], sum[4];
    M is_nan[4], far = (M){};
    UNROLL for (int t = 0; t < T; t++) top[t] = low[t] = value_at(x[0], U, L, ld, v + t), is_nan[t] = top[t] != top[t];
    for (int32_t i = 1; i < n; i++)
        UNROLL for (int t = 0; t < T; t++) {
            V y = value_at(x[i], U, L, ld, v + t);
            is_nan[t] |= y != y;
            top[t] = select_(y > top[t], y, top[t]), low[t] = select_(y < low[t], y, low[t]);
        }
    UNROLL for (int t = 0; t < T; t++) far |= where_beyond(top[t] - low[t], 708.0);
    if (LIKELY(!any(far))) sums_of_exp(1, x, n, U, L, ld, v, T, top, sum);
    else sums_of_exp(0, x, n, U, L, ld, v, T, top, sum);
    UNROLL for (int t = 0; t < T; t++) {
        s[t] = select_(top[t] - top[t] == 0.0, top[t] + log1p_(sum[t]), top[t]);
        s[t] = select_(is_nan[t], splat(NAN), s[t]);
    }
}
/* Four vectors of samples at a time, so that the operands are looked up once for all of them. */
INLINE void lanes_nary_at(const int32_t *c, const double *U, double *L, int64_t ld, int64_t v, const int T) {
    int32_t op = c[1], n = c[2];
    const int32_t *x = c + 4;
    V s[4];
    if (op == NARY_SUM || op == NARY_MEAN) {
        for (int t = 0; t < T; t++) s[t] = n ? value_at(x[0], U, L, ld, v + t) : zero_();
        for (int32_t i = 1; i < n; i++)
            for (int t = 0; t < T; t++) s[t] = s[t] + value_at(x[i], U, L, ld, v + t);
        if (op == NARY_MEAN)
            for (int t = 0; t < T; t++) s[t] = s[t] / (double)n;
    } else if (op == NARY_AMAX || op == NARY_AMIN || op == NARY_TIES)
        for (int t = 0; t < T; t++) {
            V first = value_at(x[0], U, L, ld, v + t);
            s[t] = op == NARY_TIES ? zero_() : first;
            for (int32_t i = 1; i < n; i++) {
                V y = value_at(x[i], U, L, ld, v + t);
                if (op == NARY_TIES)
                    s[t] = s[t] + truth(y == first);
                else /* a nan stays */
                    s[t] = select_((s[t] == s[t]) & ((y != y) | (op == NARY_AMAX ? y > s[t] : y < s[t])), y, s[t]);
            }
        }
    else logsumexp(x, n, U, L, ld, v, T, s);
    for (int t = 0; t < T; t++) store(L + c[3] * ld + (v + t) * W, s[t]);
}
INLINE void lanes_dot_at(const int32_t *c, const double *U, double *L, int64_t ld, int64_t v, const int T) {
    int32_t n = c[1];
    const int32_t *w = c + 5, *x = w + n;
    V s[8], rw, rx;
    UNROLL for (int t = 0; t < T; t++) s[t] = zero_();
    for (int32_t i = 0; i < n; i++) {
        Operand a = operand(w[i], U, L, ld, &rw), b = operand(x[i], U, L, ld, &rx);
        const double *pa = a.p + v * a.step, *pb = b.p + v * b.step;
        if (i)
            UNROLL for (int t = 0; t < T; t++) s[t] = fma_(load(pa + t * a.step), load(pb + t * b.step), s[t]);
        else
            UNROLL for (int t = 0; t < T; t++) s[t] = load(pa + t * a.step) * load(pb + t * b.step);
    }
    if (c[3]) {
        Operand b = operand(c[4], U, L, ld, &rx);
        UNROLL for (int t = 0; t < T; t++) {
            V bias = load(b.p + (v + t) * b.step);
            s[t] = n ? s[t] + bias : bias;
        }
    }
    UNROLL for (int t = 0; t < T; t++) store(L + c[2] * ld + (v + t) * W, s[t]);
}

/* The sums of `count` rows over the samples, each added to its place: W rows at a time, turned for their last additions.
 * Returns whether they are finite. */
static int sum_rows(const int32_t *c, int64_t count, const double *L, int64_t ld, int64_t full, M mask, double *acc) {
    V nothing = zero_(); /* which is nan when a sum is not finite */
    const V none = splat(-0.0); /* -0.0 + x is x, for x = -0.0 as well */
    for (int64_t n; count; count -= n, c += 2 * n) {
        n = count < W ? count : W;
        const double *row[W];
        V s[W];
        int64_t o = 0;
        UNROLL for (int q = 0; q < W; q++) row[q] = L + c[q < n ? 2 * q : 0] * ld, s[q] = none;
        for (; o < full; o += W)
            UNROLL for (int q = 0; q < W; q++) s[q] += load(row[q] + o);
        if (any(mask))
            UNROLL for (int q = 0; q < W; q++) s[q] += select_(mask, load(row[q] + o), none);
        V sum = sums_across(s);
        nothing += 0.0 * sum;
        for (int64_t q = 0; q < n; q++) acc[c[2 * q + 1]] += sum[q];
    }
    return !any(nothing != 0.0);
}

/* The samples of `count` rows, each to its place. Returns whether they are finite. */
static int copy_rows(const int32_t *c, int64_t count, const double *L, int64_t ld, int64_t samples, double *out, int64_t stride) {
    V nothing = zero_();
    for (; count; count--, c += 2) {
        const double *row = L + c[0] * ld;
        int64_t o = 0;
        memcpy(out + c[1] * stride, row, sizeof(double) * (size_t)samples);
        for (; o + W <= samples; o += W) nothing += 0.0 * load(row + o);
        for (; o < samples; o++) nothing += splat(0.0 * row[o]);
    }
    return !any(nothing != 0.0);
}

/* Returns whether all results are finite: if not, those of marked sums may be wrong unless it was done carefully. */
static int run_lanes(const int32_t *c, int64_t n, const double *U, double *L, int64_t ld, int64_t samples, double *acc,
                      double *scratch, double *out, int64_t stride, int careful) {
    const int32_t *end = c + n;
    int finite = 1;
    int64_t nv = (samples + W - 1) / W, full = samples / W * W;
    M mask;
    for (int l = 0; l < W; l++) mask[l] = full + l < samples ? -1 : 0;
    while (c < end) switch (c[0]) {
        case LANES_MAP: c = lanes_map(c, U, L, ld, nv); break;
        case LANES_CHEAP: c = lanes_cheap(c, L, ld, nv); break;
        case LANES_CHOICE: c = lanes_choice(c, U, L, ld, nv); break;
        case LANES_TERMS: c = lanes_terms(c, L, ld, nv, careful); break;
        case LANES_NARY: {
            int64_t v = 0;
            for (; v + 4 <= nv; v += 4) lanes_nary_at(c, U, L, ld, v, 4);
            for (; v + 2 <= nv; v += 2) lanes_nary_at(c, U, L, ld, v, 2);
            for (; v < nv; v++) lanes_nary_at(c, U, L, ld, v, 1);
            c += 4 + c[2];
            break;
        }
        case LANES_DOT: {
            int64_t v = 0;
            for (; v + 8 <= nv; v += 8) lanes_dot_at(c, U, L, ld, v, 8);
            for (; v + 2 <= nv; v += 2) lanes_dot_at(c, U, L, ld, v, 2);
            for (; v < nv; v++) lanes_dot_at(c, U, L, ld, v, 1);
            c += 5 + 2 * (int64_t)c[1];
            break;
        }
        case LANES_GEMM: c = lanes_gemm(c, U, L, ld, samples); break;
        case LANES_OUTER: c = lanes_outer(c, L, ld, samples, full, mask, acc, scratch); break;
        case LANES_PAIR: c = lanes_pair(c, L, ld, nv); break;
        case LANES_OUT: /* result by result, sample by sample */
            if (out) finite &= copy_rows(c + 2, c[1], L, ld, samples, out, stride);
            c += 2 + 2 * (int64_t)c[1];
            break;
        default:
            finite &= sum_rows(c + 2, c[1], L, ld, full, mask, acc);
            c += 2 + 2 * (int64_t)c[1];
        }
    return finite;
}
