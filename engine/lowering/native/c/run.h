/* Tapes made, freed and run. */
#pragma once

#define HUGE_PAGE ((size_t)1 << 21)
/* n zeros at a whole cache line, with room for a vector behind them; NULL where memory lacks. What malloc gave lies
 * before them: no function of C for this is known on every system. Where there are many, Linux is asked for huge pages:
 * with pages of 4 kB a processor cannot remember where all the rows of a large graph are. */
static double *doubles(int64_t n) {
    size_t size = sizeof(double) * ((size_t)n + 8), unit = size > HUGE_PAGE / 2 ? HUGE_PAGE : 64;
    size = (size + unit - 1) & -unit;
    char *whole = calloc(1, size + unit + 64);
    if (!whole) return NULL;
    char *first = whole + 64 + (-((uintptr_t)whole + 64) & (unit - 1));
    ((void **)first)[-1] = whole;
#ifdef MADV_HUGEPAGE
    if (unit == HUGE_PAGE) /* zeros as before, but in new memory: what calloc had to clear lies in small pages */
        madvise(first, size, MADV_DONTNEED), madvise(first, size, MADV_HUGEPAGE);
#endif
    return (double *)first;
}
static void free_doubles(double *p) {
    if (p) free(((void **)p)[-1]);
}
EXPORT void tape_free(Tape *t) {
    if (!t) return;
    pool_free(t->pool);
    if (t->L)
        for (int i = 0; i < t->is.threads; i++) free_doubles(t->L[i]);
    free_doubles(t->acc), free_doubles(t->U), free_doubles(t->wait_room), free(t->before);
    free(t->others), free(t->L), free(t->uniform), free(t->lanes), free(t->flat);
    free(t);
}
static void *copy_of(const void *p, size_t size) {
    void *q = malloc(size + 64);
    if (q && size) memcpy(q, p, size);
    return q;
}
static void swap_operands(int32_t *c) {
    int32_t a[] = {c[4], c[5]};
    c[4] = c[6], c[5] = c[7], c[6] = a[0], c[7] = a[1];
}
/* Whether it takes n values to others made before: their products with n factors, which then come last; or where n conditions
 * hold these, and else a number. */
static int takes(int32_t *c, int32_t values, int32_t n) {
    if (c[0] != FLAT_MAP || c[2] != n || (n > 1 && !(c[5] && c[7]))) return 0;
    if (c[1] == OP_where) return c[6] == values && c[4] <= values && c[8] < values && (n == 1 || !c[9]);
    if (c[1] == OP_mul && c[4] != values) swap_operands(c);
    return c[1] == OP_mul && c[4] == values && c[6] <= values;
}
/* Whether a binary cross-entropy of a logit comes next, with its derivative (1 - b) sigmoid(z) - b sigmoid(-z), of values
 * made before. */
static int is_bce(const int32_t *c, const int32_t *end) {
    static const int32_t ops[] = {OP_bce_with_logits, OP_sigmoid, OP_neg, OP_mul, OP_sigmoid, OP_mul, OP_sub};
    if (end - c < 70) return 0;
    for (int i = 0; i < 7; i++)
        if (c[10 * i] != FLAT_MAP || c[10 * i + 1] != ops[i] || c[10 * i + 2] != 1) return 0;
    return c[14] == c[4] && c[24] == c[4] && c[36] == c[13] && c[44] == c[23] && c[56] == c[43] && c[64] == c[33] &&
           c[66] == c[53] && c[34] < c[3] && c[54] < c[3];
}
/* Whether it is an operation on n values from a on, its second operand being those from b on, or b for all. */
static int is_map(const int32_t *c, int32_t op, int32_t n, int32_t a, int32_t b, int32_t step) {
    return c[0] == FLAT_MAP && c[1] == op && c[2] == n && c[4] == a && c[6] == b && (n == 1 || (c[5] == 1 && c[7] == step));
}
static int is_nary(const int32_t *c, int32_t op, int32_t n, int32_t first) {
    if (c[0] != FLAT_NARY || c[1] != op || c[2] != n) return 0;
    for (int32_t i = 0; i < n; i++)
        if (c[4 + i] != first + i) return 0;
    return 1;
}
/* Whether logsumexp comes next, with its derivative, as flat_softmax takes them; of values made before. */
static int is_softmax(const int32_t *c, const int32_t *end) {
    int32_t n = c[2];
    if (c[0] != FLAT_NARY || n < 3 || n > MOST_SOFTMAX || end - c < 82 + 4 * n) return 0;
    const int32_t *dot = c + 4 + n, *less = dot + 4 + 2 * n, *loss = less + 10, *exps = loss + 10, *sum = exps + 10;
    const int32_t *is = sum + 4 + n, *where = is + 10, *div = where + 10, *last = div + 10;
    if (dot[0] != FLAT_DOT || dot[1] != n || dot[2] < c[3] || loss[0] != FLAT_MAP || loss[2] != 1 || loss[3] < c[3]) return 0;
    return is_nary(c, NARY_LOGSUMEXP, n, c[4]) && is_map(less, OP_sub, n, c[4], c[3], 0) &&
           is_map(exps, OP_exp, n, less[3], less[3], 1) && is_nary(sum, NARY_SUM, n, exps[3]) && is_map(is, OP_eq, 1, sum[3], sum[3], 0) &&
           is_map(where, OP_where, 1, is[3], sum[3], 0) && is_map(div, OP_div, n, exps[3], where[3], 0) &&
           is_map(last, OP_sub, n, div[3], last[6], 1) && c[4] + n <= c[3] && where[8] < c[3] && last[6] + n <= c[3];
}
static int is_constant(const Tape *t, int32_t place) {
    return place >= t->is.n_parameters && place < t->is.n_parameters + t->is.n_constants;
}
/* Whether c and the instruction after it are an activation and its slope: then c says which. */
static int is_pair(const Tape *t, int32_t *c, const int32_t *next) {
    if (c[0] != FLAT_MAP || next[0] != FLAT_MAP || next[2] != c[2] || next[4] != c[4]) return 0;
    if (c[2] > 1 && !(c[5] && next[5])) return 0;
    if (c[1] == OP_sigmoid && next[1] == OP_sigmoid_slope) c[1] = PAIR_SIGMOID;
    else if (c[1] == OP_tanh && next[1] == OP_tanh_slope) c[1] = PAIR_TANH;
    else if (c[1] == OP_relu && next[1] == OP_gt && is_constant(t, next[6]) && t->U[next[6]] == 0 && !next[7]) c[1] = PAIR_RELU;
    else return 0;
    return 1;
}
/* Instructions that are one with what comes next, as what is stored can only be read some twelve cycles later: an activation
 * with its slope, a loss with its derivative, a product with what takes it; then a layer with what takes its outputs. */
static void join(Tape *t, int64_t n) {
    int32_t *c = t->flat;
    const int32_t *end = c + n;
    for (int32_t *x = c, *next; x < end && (next = x + flat_size(x)) < end; x += flat_size(x))
        if (is_bce(x, end)) x[0] = FLAT_BCE;
        else if (is_softmax(x, end)) x[0] = FLAT_SOFTMAX;
        else if (is_pair(t, x, next)) x[0] = FLAT_PAIR;
        else if (x[0] == FLAT_MAP && x[1] == OP_mul && x[2] > 1 && takes(next, x[3], x[2])) {
            if (!x[7]) swap_operands(x);
            if (x[7]) x[0] = FLAT_MUL_THEN;
        }
    for (int32_t *x = c, *next; x < end && (next = x + flat_size(x)) < end; x += flat_size(x)) {
        if (x[0] != FLAT_GEMV) continue;
        if (next[0] == FLAT_BCE ? x[1] == 1 && next[4] == x[3]
            : next[0] == FLAT_PAIR ? next[2] == x[1] && next[4] == x[3]
                                   : takes(next, x[3], x[1])) x[0] = FLAT_GEMV_THEN;
    }
}
static int overlap(int64_t first, int64_t count, int64_t low, int64_t high) { return first < high && first + count > low; }
static int any_inside(const int32_t *index, int64_t n, int64_t low, int64_t high) {
    for (int64_t i = 0; i < n; i++)
        if (index[i] >= low && index[i] < high) return 1;
    return 0;
}
/* Whether an instruction reads one of the values from low up to high. */
static int reads(const int32_t *c, int64_t low, int64_t high) {
    switch (c[0]) {
    case FLAT_MAP:
    case FLAT_PAIR:
    case FLAT_BCE:
    case FLAT_MUL_THEN:
        for (const int32_t *m = c; m < c + flat_size(c); m += 10)
            for (int i = 4; i < 10; i += 2)
                if (overlap(m[i], m[i + 1] ? m[2] : 1, low, high)) return 1;
        return 0;
    case FLAT_SOFTMAX:
        for (const int32_t *x = c + 4 + c[2]; x < c + flat_size(c); x += flat_size(x))
            if (reads(x, low, high)) return 1; /* fall through */
    case FLAT_NARY: return any_inside(c + 4, c[2], low, high);
    case FLAT_DOT: return any_inside(c + 3, 1 + 2 * (int64_t)c[1], low, high);
    case FLAT_GEMV_THEN:
        if (reads(c + 9, low, high)) return 1; /* fall through */
    case FLAT_GEMV:
        return overlap(c[4], c[2], low, high) || (c[8] >= 0 && overlap(c[8], c[1], low, high)) ||
               overlap(c[5], 1 + (c[1] - 1) * (int64_t)c[6] + (c[2] - 1) * (int64_t)c[7], low, high);
    case FLAT_OUTER: return overlap(c[6], c[1], low, high) || overlap(c[7], c[2], low, high);
    default: return any_inside(c + 3, c[1], low, high);
    }
}
/* Whether it is the outer product, or the copies of the adjoints, from which parameters number `at` on learn. */
static int is_outer(const Tape *t, const int32_t *o, int64_t K, int64_t J, int64_t at) {
    return o[0] == FLAT_OUTER && o[1] == K && o[2] == J && o[3] == at + t->is.results + 1 && o[4] == J && o[5] == 1;
}
static int is_copy(const Tape *t, const int32_t *o, int64_t J, int64_t at, int64_t adjoints) {
    return o[0] == FLAT_MAP && o[1] == OP_copy && o[2] == J && o[3] == at + t->is.results + 1 && o[4] == adjoints && o[5] == 1;
}
/* Which part of the tail an instruction belongs to: what gathers, what waits, the rest, and the biases that wait. */
static int part_of_tail(const Tape *t, const int32_t *o) {
    if (o[0] == FLAT_GATHER) return 0;
    for (const Wait *wait = t->waits; wait < t->waits + t->n_waits; wait++) {
        const int32_t *c = wait->gemv;
        if (is_outer(t, o, c[2], c[1], c[5])) return 1;
        if (wait->with_bias && is_copy(t, o, c[1], c[8], wait->adjoints)) return 3;
    }
    return 2;
}
/* Layers whose weights nothing reads before them: their updates can be made when they read these for the next sample. 0
 * where memory lacks. */
static int find_waiting(Tape *t) {
    int32_t *tail = t->flat + t->n_body, *to = tail;
    const int32_t *end = t->flat + t->n_flat;
    int64_t room = 0;
    for (const int32_t *c = t->flat; c < tail && t->n_waits < MOST_WAITS; c += flat_size(c)) {
        int64_t J = c[1], K = c[2], w = c[5];
        if ((c[0] != FLAT_GEMV && c[0] != FLAT_GEMV_THEN) || c[6] != 1 || c[7] != J) continue;
        if (c[8] >= 0 && overlap(c[8], J, w, w + K * J)) continue;
        int early = 0, early_bias = c[8] < 0;
        for (const int32_t *x = t->flat; x < c; x += flat_size(x))
            early |= reads(x, w, w + K * J), early_bias |= early_bias || reads(x, c[8], c[8] + J);
        const int32_t *o = tail, *copy = tail;
        while (o < end && !(is_outer(t, o, K, J, w) && o[6] == c[4])) o += flat_size(o);
        if (early || o == end) continue;
        while (copy < end && !is_copy(t, copy, J, c[8], o[7])) copy += flat_size(copy);
        t->waits[t->n_waits++] = (Wait){c, o[7], !early_bias && copy < end, NULL, NULL};
        room += (K + 7) / 8 * 8 + (J + 7) / 8 * 8;
    }
    double *p = t->wait_room = doubles(room);
    int32_t *old = copy_of(tail, (size_t)(end - tail) * 4);
    for (int part = 0; old && part < 4; part++) {
        if (part == 1) t->n_gathers = to - t->flat;
        if (part == 2) t->n_outers = to - t->flat;
        if (part == 3) t->n_rest = to - t->flat;
        for (const int32_t *o = old; o < old + (end - tail); o += flat_size(o))
            if (part_of_tail(t, o) == part) memcpy(to, o, (size_t)flat_size(o) * 4), to += flat_size(o);
    }
    free(old);
    for (int64_t i = 0; p && i < t->n_waits; i++) {
        Wait *wait = t->waits + i;
        wait->a = p, p += (wait->gemv[2] + 7) / 8 * 8;
        wait->b = p, p += (wait->gemv[1] + 7) / 8 * 8;
        if (wait->adjoints > wait->gemv[3]) wait->b = t->U + wait->adjoints; /* made after the layer, they stay until then */
    }
    return old && p;
}
/* Where the instructions begin that only write results, if they are outer products, copies, and what gathers for them,
 * and none reads a parameter; else 0. */
static int64_t find_tail(Tape *t) {
    const int32_t *c = t->flat, *end = c + t->n_flat, *tail = NULL;
    int64_t first = t->is.results, P = t->is.n_parameters;
    for (; c < end; c += flat_size(c)) {
        int32_t target = c[0] == FLAT_DOT || c[0] == FLAT_GATHER ? c[2] : c[3];
        if (!tail && target >= first) tail = c;
        if (!tail) continue;
        if (c[0] == FLAT_MAP && c[1] == OP_copy && c[4] >= P) {
            if (c[3] == first) t->loss = c[4];
            continue;
        }
        if (c[0] == FLAT_OUTER && c[3] > first && c[6] >= P && c[7] >= P) continue;
        if (c[0] != FLAT_GATHER || c[2] < first + t->is.n_results) return 0;
        for (int32_t i = 0; i < c[1]; i++)
            if (c[3 + i] < P) return 0;
    }
    return tail ? tail - t->flat : 0;
}
static int64_t outer_size(const int32_t *c) {
    return 6 + (int64_t)c[1] + c[2] + (c[3] < 0 ? (int64_t)c[1] * c[2] : 0);
}
/* The outer products at the end of a tape of lanes, from `tail` on, that go straight into the parameters when the whole
 * batch is one block; and what results are left. 0 where memory lacks. */
static int find_descents(Tape *t, int64_t tail) {
    int64_t R = t->is.n_results;
    if (t->is.n_uniform || tail == t->n_lanes || R > (int64_t)t->is.n_parameters + 1) return 1;
    char *made = calloc(R + 1, 1);
    t->others = malloc(sizeof(int32_t) * 2 * R);
    if (!made || !t->others) {
        free(made);
        return 0;
    }
    for (int64_t at = tail; at < t->n_lanes; at += outer_size(t->lanes + at)) {
        const int32_t *c = t->lanes + at;
        int64_t K = c[1], J = c[2];
        if (c[3] < 1 || c[4] != 1 || (c[5] < K && J > 1) || K < 16 || K * J < 1024) tail = at + outer_size(c);
    }
    for (int64_t at = tail; at < t->n_lanes; at += outer_size(t->lanes + at)) {
        const int32_t *c = t->lanes + at;
        for (int64_t j = 0; j < c[2]; j++) memset(made + c[3] + j * c[5], 1, c[1]);
    }
    for (int64_t r = 1, end; r < R; r = end) {
        for (end = r + 1; end < R && made[end] == made[r]; end++) {}
        if (!made[r] && end - r > 2) t->others[2 * t->n_runs] = (int32_t)r, t->others[2 * t->n_runs++ + 1] = (int32_t)(end - r);
    }
    int32_t *single = t->others + 2 * t->n_runs;
    for (int64_t r = 1, end; r < R; r = end) {
        for (end = r + 1; end < R && made[end] == made[r]; end++) {}
        for (int64_t i = r; !made[r] && end - r <= 2 && i < end; i++) single[t->n_singles++] = (int32_t)i;
    }
    free(made);
    t->n_body = tail < t->n_lanes ? tail : 0;
    return 1;
}
static int64_t second_level_cache(void) {
#ifdef _SC_LEVEL2_CACHE_SIZE
    int64_t size = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (size > 0) return size;
#endif
    return 1 << 21; /* not known */
}
/* NULL where the tape is malformed (error 1) or memory lacks (error 2). */
EXPORT Tape *tape_new(const Layout *layout, const int32_t *flat, int64_t n_flat, const int32_t *lanes, int64_t n_lanes,
                      const int32_t *uniform, const double *constants, int32_t *error) {
    *error = 1;
    Found found;
    if (n_flat < 0 || n_lanes < 0 || !valid(layout, flat, n_flat, lanes, n_lanes, uniform, &found)) return NULL;
    *error = 2;
    Tape *t = calloc(1, sizeof(Tape));
    if (!t) return NULL;
    t->is = *layout;
    t->kernels = supported(layout->set);
    t->flat = copy_of(flat, 4 * n_flat), t->n_flat = n_flat;
    t->lanes = copy_of(lanes, 4 * n_lanes), t->n_lanes = n_lanes;
    t->uniform = copy_of(uniform, 8 * (size_t)layout->n_uniform);
    int64_t block = layout->block, T = layout->threads;
    if (!block) {
        block = layout->n_rows ? 56000 / layout->n_rows : 1; /* 450 kB of rows, which stay in the second-level cache */
        /* Of fewer samples an instruction costs as much to look up as to compute, the more so the fewer values it makes: up to
         * 88 or more, some 5 MB of rows are left to the third-level cache. Where there are layers, they decide. Without, rows
         * that leave the second-level cache anyhow may be wider still. */
        double each = found.layers ? 0.43 : fmin(1, (double)found.instructions / (double)(found.made + 1));
        int64_t least = layout->n_rows ? (int64_t)(1.5e6 * each) / layout->n_rows : 1, most = (int64_t)fmax(88, 205 * each);
        if (!found.layers && 8 * most * layout->n_rows > second_level_cache()) most = 256;
        least = least < 40 ? 40 : least > most ? most : least;
        block = block < least ? least : block > 256 ? 256 : block;
    }
    t->ld = (block + 7) / 8 * 8;
    if (t->ld / 8 % 2 == 0) t->ld += 8; /* an odd number of cache lines: rows do not compete for the same ones */
    t->is.block = block;
    int64_t of_sample = (int64_t)layout->n_values - layout->n_parameters; /* of a flat tape room for some samples more */
    t->U = doubles(layout->n_values + (layout->n_rows ? 0 : (block - 1) * of_sample));
    t->acc = doubles(layout->n_results * T * (found.marked ? 2 : 1));
    t->careful = !found.marked;
    t->L = calloc(T, sizeof(double *));
    t->before = malloc(sizeof(double) * 4 * layout->n_parameters + 1); /* which costs nothing until it is used */
    int complete = t->flat && t->lanes && t->uniform && t->U && t->acc && t->L && t->before;
    for (int i = 0; complete && i < T; i++) {
        int64_t rows = layout->n_rows * t->ld;
        complete = (t->L[i] = doubles(rows + SCRATCH * t->ld + SCRATCH_MORE)) != NULL;
    }
    if (!complete) {
        tape_free(t);
        return NULL;
    }
    if (layout->n_constants) memcpy(t->U + layout->n_parameters, constants, sizeof(double) * layout->n_constants);
    if (T > 1 && layout->n_rows) t->pool = pool_new(t);
    t->n_body = layout->n_rows ? 0 : find_tail(t);
    join(t, t->n_body ? t->n_body : t->n_flat); /* the others are looked at one by one */
    if ((t->n_body && !find_waiting(t)) || (layout->n_rows && !find_descents(t, found.tail))) {
        tape_free(t);
        return NULL;
    }
    *error = 0;
    return t;
}
EXPORT double *tape_parameters(Tape *t) { return t->U; }

/* Sums of the results over the samples of the batch. */
static const double *run(Tape *t, Batch *b) {
    int64_t R = t->is.n_results, T = t->is.threads;
    double *acc = t->acc;
    if (!t->is.n_rows) { /* a flat tape, which computes one sample */
        double *inputs = t->U + t->is.n_parameters + t->is.n_constants, *results = t->U + t->is.results;
        for (int64_t s = b->first; s < b->first + b->samples; s++) {
            const double *x = b->X + (b->order ? b->order[s] : s) * b->row;
            for (int64_t i = 0; i < t->is.n_inputs; i++) inputs[i] = x[i];
            t->kernels->flat(t->flat, t->n_flat, t->U);
            if (b->samples == 1) return results;
            for (int64_t i = 0; i < R; i++) acc[i] = s > b->first ? acc[i] + results[i] : results[i];
        }
        return acc;
    }
    t->kernels->flat(t->flat, t->n_flat, t->U);
    int64_t blocks = (b->samples + t->is.block - 1) / t->is.block;
    if (blocks < T && b->samples >= 8 * T) blocks = T;
    blocks = (blocks + T - 1) / T * T;
    b->per_block = (b->samples + blocks - 1) / blocks;
    b->per_block = (b->per_block + 7) / 8 * 8; /* whole cache lines, and so whole vectors */
    b->blocks = (b->samples + b->per_block - 1) / b->per_block;
    if (b->blocks >= T) share(t, b, run_part);
    else
        for (int part = 0; part < T; part++) run_part(t, b, part);
    for (int64_t part = 1; part < T; part++)
        for (int64_t r = 0; r < R; r++) acc[r] += acc[part * R + r];
    for (int32_t i = 0; i < t->is.n_uniform; i++)
        acc[t->uniform[2 * i]] = t->U[t->uniform[2 * i + 1]] * (double)b->samples;
    return acc;
}
/* The results of each sample: number r of sample i in out[r * samples + i]. */
EXPORT void tape_rows(Tape *t, const double *X, int64_t row, int64_t samples, double *out) {
    Batch b = {X, row, NULL, 0, samples, 0, 0, out};
    run(t, &b);
    for (int32_t i = 0; i < t->is.n_uniform; i++)
        for (int64_t s = 0; s < samples; s++)
            out[t->uniform[2 * i] * samples + s] = t->U[t->uniform[2 * i + 1]];
}
EXPORT void tape_run(Tape *t, const double *X, int64_t row, int64_t samples, double *results) {
    Batch b = {X, row, NULL, 0, samples, 0, 0, NULL};
    memcpy(results, run(t, &b), sizeof(double) * t->is.n_results);
}
