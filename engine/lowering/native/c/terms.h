/* Sums of rows and of products of rows, and the steps that make one value, in the order of a plan: terms.py, schedule.py. */
#pragma once
enum { LEAF, CONSTANT, ADD, SUB, MUL, DIV, NEG, DOT, SUM, MAXIMUM_SLOPE }; /* codes of operations, as in coded.py; there are more */
enum { ADDED, TAKEN, PRODUCT, PRODUCT_TAKEN, CHOICE, BYTES, OTHER };      /* kinds of terms, as terms.py says */
enum { NONE = -1 };
enum { KEPT = 1, TOGETHER = 2, PINNED = 4 };
enum { FOLDED = 2 }; /* sums into which one product goes: with more, it costs less to compute it once */

typedef struct {
    const int32_t *code, *from, *words; /* of values from `first` on: operations, and where their operands start */
    const int32_t *needed, *uses, *marked; /* marked: five counts of each code, -1 where it is no marked sum */
    const uint8_t *varying, *has_row, *notes;
    const int8_t *unit; /* 1 and -1 for the constants that are that */
    /* What is found, of values from `first` on: where the operands of each start and end, ~ those that are turned; the first
     * sum that is made of as many terms of each kind as a value is, NONE for what is no sum; the kinds of terms, one for two
     * operands; values that are not computed, because their terms have gone into sums. */
    int32_t *start, *end, *operands, *alike;
    uint8_t *kinds, *folded;
    int64_t first, n, n_needed, backward; /* n: the id of the number 1.0 as well */
} Terms;

static void put(Terms *t, int32_t i, int kind, int32_t x, int32_t y) {
    int32_t *end = t->end + (i - t->first);
    t->kinds[*end / 2] = (uint8_t)kind;
    t->operands[(*end)++] = x, t->operands[(*end)++] = y;
}
static int32_t code_of(const Terms *t, int32_t i) { return i < t->first ? LEAF : t->code[i - t->first]; }
/* Whether value i is a sum of rows: its operands x are then terms. It is none where something in it has no row. */
static int is_sum(Terms *t, int32_t i, const int32_t *x, int64_t n) {
    int32_t op = code_of(t, i);
    const int32_t *marked = t->marked + 5 * op;
    if (!t->varying[i]) return 0;
    if (*marked >= 0) {
        static const int kinds[] = {ADDED, TAKEN, PRODUCT, CHOICE, OTHER};
        for (int k = 0; k < 5; k++)
            for (int32_t j = marked[k]; j; j--, x += k < 2 ? 1 : 2) {
                int bytes = k == 3 && code_of(t, x[1]) == MAXIMUM_SLOPE;
                put(t, i, bytes ? BYTES : kinds[k], x[0], k < 2 ? 0 : x[1]);
            }
        return 1;
    }
    if (!(op == SUM && n > 1) && !(op == DOT && !(t->notes[i] & TOGETHER))) return 0;
    int64_t pairs = op == DOT ? n / 2 : 0;
    for (int64_t k = 2 * pairs; k < n; k++) {
        if (!t->has_row[x[k]]) return 0;
        put(t, i, ADDED, x[k], 0);
    }
    for (int64_t k = 0; k < pairs; k++) {
        int32_t a = x[k], b = x[pairs + k];
        if (!t->varying[b] || !(t->unit[a] || t->has_row[a])) return 0;
        if (t->unit[a]) put(t, i, t->unit[a] > 0 ? ADDED : TAKEN, b, 0);
        else put(t, i, PRODUCT, a, b);
    }
    return 1;
}
/* The terms of one kind come together, in the order of the kinds. */
static int sort_terms(Terms *t, int64_t v) {
    int32_t *x = t->operands + t->start[v];
    uint8_t *kinds = t->kinds + t->start[v] / 2;
    int64_t n = (t->end[v] - t->start[v]) / 2, k = 1, to = 0;
    while (k < n && kinds[k - 1] <= kinds[k]) k++;
    if (k >= n) return 1;
    int32_t *old = malloc((size_t)n * (2 * sizeof *old + 1));
    if (!old) return 0;
    uint8_t *old_kinds = memcpy(old + 2 * n, kinds, (size_t)n);
    memcpy(old, x, (size_t)n * 2 * sizeof *old);
    for (int kind = ADDED; kind <= OTHER; kind++)
        for (k = 0; k < n; k++)
            if (old_kinds[k] == kind) kinds[to] = (uint8_t)kind, x[2 * to] = old[2 * k], x[2 * to++ + 1] = old[2 * k + 1];
    free(old);
    return 1;
}
/* Leaves out adjoints of one term that are only added to others, and to few: the term goes there. */
static int fold_terms(Terms *t, int marks) {
    int32_t *added = calloc(3 * (size_t)t->n, sizeof *added), *taken = added + t->n, *scaled = taken + t->n;
    int done = added != NULL;
    for (int64_t k = 0; done && k < t->n_needed; k++) {
        int64_t v = t->needed[k] - t->first;
        for (int32_t x = t->start[v]; t->alike[v] != NONE && x < t->end[v]; x += 2) {
            int kind = t->kinds[x / 2];
            if (kind <= PRODUCT) (kind == ADDED ? added : kind == TAKEN ? taken : scaled)[t->operands[x]]++;
        }
    }
    for (int64_t k = 0; done && k < t->n_needed; k++) {
        int64_t i = t->needed[k], v = i - t->first, n = (t->end[v] - t->start[v]) / 2;
        int32_t *x = t->operands + t->start[v];
        uint8_t *kinds = t->kinds + t->start[v] / 2;
        int kind = PRODUCT;
        if (i < t->backward) continue;
        if (t->alike[v] != NONE) {
            for (int64_t j = 0; j < n; j++) {
                int64_t a = x[2 * j] - t->first;
                if (a < 0 || !t->folded[a]) continue;
                const int32_t *term = t->operands + t->start[a];
                int of = t->alike[a] == NONE ? PRODUCT : t->kinds[t->start[a] / 2];
                if (kinds[j] > TAKEN) x[2 * j] = *term, kinds[j] ^= 1; /* the adjoint is 0 - term */
                else x[2 * j] = term[0], x[2 * j + 1] = term[1], kinds[j] = (uint8_t)(of ^ kinds[j]);
            }
            done = sort_terms(t, v);
            if (n != 1) continue;
            kind = kinds[0];
        } else if (marks || t->code[v] != MUL || added[i] + taken[i] != t->uses[i] || !t->varying[i] || !t->has_row[x[0]] ||
                   !t->has_row[x[1]]) continue;
        if (kind == ADDED || t->notes[i] & KEPT) continue;
        int32_t fitting = added[i] + (kind <= PRODUCT_TAKEN ? taken[i] : 0) + (kind == TAKEN ? scaled[i] : 0);
        t->folded[v] = fitting == t->uses[i] && (fitting <= FOLDED || kind == TAKEN || t->notes[x[1]] & PINNED);
    }
    free(added);
    return done;
}
/* A term that is added or taken away as it is has the factor 1. Then sums of one shape are found. Returns 2 where there are such
 * terms. */
static int pair_terms(Terms *t, int64_t sums) {
    typedef struct {
        int32_t id, counts[4];
    } Shape;
    int ones = 0;
    size_t size = 64;
    while (size < 2 * (size_t)sums) size *= 2;
    Shape *table = calloc(size, sizeof *table); /* id: 1 + a sum */
    for (int64_t k = 0; table && k < t->n_needed; k++) {
        int64_t v = t->needed[k] - t->first;
        if (t->alike[v] == NONE) continue;
        Shape shape = {t->needed[k] + 1, {t->marked[5 * t->code[v]] >= 0, 0, 0, 0}};
        for (int32_t x = t->start[v]; x < t->end[v]; x += 2) {
            int kind = t->kinds[x / 2], taken = kind == TAKEN || kind == PRODUCT_TAKEN || kind == OTHER;
            if (kind <= TAKEN) t->operands[x + 1] = (int32_t)t->n, ones = 1;
            if (taken) t->operands[x + 1] = ~t->operands[x + 1];
            shape.counts[kind < CHOICE ? 1 : kind == CHOICE ? 2 : 3]++;
        }
        uint64_t at = 0;
        for (int j = 0; j < 4; j++) at = (at ^ (uint32_t)shape.counts[j]) * 0x9e3779b97f4a7c15u, at ^= at >> 32;
        while (table[at & (size - 1)].id && memcmp(table[at & (size - 1)].counts, shape.counts, sizeof shape.counts)) at++;
        Shape *found = table + (at & (size - 1));
        if (!found->id) *found = shape;
        t->alike[v] = found->id - 1;
    }
    free(table);
    return table ? 1 + ones : 0;
}
/* 0 where memory lacks, 2 where the number 1.0 is used. */
EXPORT int32_t find_terms(Terms *t, int32_t marks) {
    int32_t used = 0;
    int64_t sums = 0;
    for (int64_t k = 0; k < t->n_needed; k++) {
        int32_t i = t->needed[k];
        int64_t v = i - t->first, n = t->from[v + 1] - t->from[v];
        const int32_t *x = t->words + t->from[v];
        t->start[v] = t->end[v] = used;
        if (is_sum(t, i, x, n)) {
            t->alike[v] = i, sums++;
            if (!sort_terms(t, v)) return 0;
        } else {
            t->alike[v] = NONE;
            if (n) memcpy(t->operands + used, x, (size_t)n * sizeof *x);
            t->end[v] = used + (int32_t)n;
        }
        used = t->end[v] + t->end[v] % 2;
    }
    return !sums ? 1 : fold_terms(t, marks) ? pair_terms(t, sums) : 0;
}
/* What the steps of values of each code do, as an instruction and what it is to do: with a slope, on rows alone, and else. 0
 * where there are none. */
typedef struct {
    const int64_t *with_slope, *on_rows, *else_;
} Plain;
/* Lists the steps from the k-th value that is needed on, up to one that is an object, and what they do. made: of each value the
 * number of the step that makes it, 1 for the first, or 0. slope: of each value that of its slope, if there is one, or NONE; at
 * last, if the same step makes it. Returns the number of the value behind them. */
EXPORT int64_t plain_steps(const Terms *t, int64_t k, const Plain *plain, int32_t *made, int32_t *slope, int64_t *does,
                           int32_t *order, int64_t before, int64_t *listed) {
    int64_t n = 0;
    for (; k < t->n_needed; k++) {
        int32_t i = t->needed[k];
        int64_t v = i - t->first, what = plain->on_rows[t->code[v]];
        if (made[v] || t->folded[v] || !t->varying[i]) continue;
        for (int32_t x = t->start[v]; what && x < t->end[v]; x++)
            if (!t->has_row[t->operands[x]]) what = 0;
        if (slope[v] != NONE && made[slope[v] - t->first]) slope[v] = NONE;
        if (slope[v] != NONE) what = plain->with_slope[t->code[v]];
        if (!what) what = plain->else_[t->code[v]];
        if (!what && t->alike[v] != NONE) what = (LANES_TERMS + 1ll) << 32 | t->alike[v];
        if (!what) break;
        does[n] = what, order[n++] = i;
        made[v] = (int32_t)(before + n);
        if (slope[v] != NONE) made[slope[v] - t->first] = made[v];
    }
    *listed = n;
    return k;
}
