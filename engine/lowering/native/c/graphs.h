/* A large graph of operations of one or two operands as a program with its gradient, as writer.py, simplify.py and chain.py write
 * it, instruction by instruction. What only Python knows makes the whole CANNOT, and Python does all of it: graphs.py. */
#pragma once
enum { CANNOT = -2 };

/* Nodes, operands first. A rule is a local derivative: steps of three words, an operation and its operands, and at the end the
 * result, or ONE. Operands are 0, 1, 2 for a, b, y, then the steps; ~k is number k, NOTHING that there is no second one. */
typedef struct {
    int32_t *op, *a, *b, *id, *adjoint; /* NONE where there is none; ids of leaves are given, but for constants */
    double *number;
    uint8_t *unlabelled, *wanted;       /* wanted: at first the leaves of wrt, at last what is no leaf and has an adjoint */
    const int32_t *rule_start, *rules; /* two rules an operation; empty where nothing is passed on */
    const double *numbers;
    int64_t n;
} Graph;
enum { ONE = INT32_MAX, NOTHING = INT32_MIN, MOST_STEPS = 16 };

/* What is written: operations, and where their operands start; those of a constant are its bits. The table finds them again: a
 * place of it is 0, or 1 + a value. */
typedef struct {
    int32_t *op, *start, *operands, *table;
    uint8_t *odd, *varying;
    int64_t n, room, words, room_for_words, size;
} Written;

EXPORT void free_written(Written *w) {
    free(w->op), free(w->start), free(w->operands), free(w->table), free(w->odd), free(w->varying);
    memset(w, 0, sizeof *w);
}
static int commutes(int32_t op, int64_t n) { return n == 2 && (op == ADD || op == MUL); }
static uint64_t place_of(int32_t op, int64_t n, const int32_t *x) {
    uint64_t h = (uint64_t)op;
    int turned = commutes(op, n) && x[0] > x[1];
    for (int64_t k = 0; k < n; k++) {
        h = (h ^ (uint32_t)x[turned ? 1 - k : k]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    return h;
}
#define GROWN(array, n) (grown = realloc(array, (size_t)(n) * sizeof *(array)), grown ? (array = grown, 1) : 0)
static int make_room(Written *w, int64_t operands) {
    void *grown;
    if (w->n + 1 >= w->room) {
        int64_t room = 2 * w->n + 1024;
        if (!(GROWN(w->op, room) && GROWN(w->start, room + 1) && GROWN(w->odd, room) && GROWN(w->varying, room))) return 0;
        w->room = room;
    }
    if (w->words + operands > w->room_for_words) {
        int64_t room = 2 * (w->words + operands) + 1024;
        if (room > INT32_MAX || !GROWN(w->operands, room)) return 0;
        w->room_for_words = room;
    }
    if (2 * w->n >= w->size) {
        int64_t size = w->size ? 2 * w->size : 1024;
        while (size < 4 * w->n) size *= 2;
        int32_t *table = calloc((size_t)size, sizeof *table);
        if (!table) return 0;
        for (int32_t i = 0; i < w->n; i++) {
            if (w->op[i] == LEAF) continue;
            uint64_t at = place_of(w->op[i], w->start[i + 1] - w->start[i], w->operands + w->start[i]);
            while (table[at & (uint64_t)(size - 1)]) at++;
            table[at & (uint64_t)(size - 1)] = i + 1;
        }
        free(w->table);
        w->table = table, w->size = size;
    }
    return 1;
}
/* The value that is this, which is an earlier one where it can be. The operands are not among those that are written. */
static int32_t entered(Written *w, int32_t op, int64_t n, const int32_t *x) {
    if (!make_room(w, n)) return CANNOT;
    uint64_t at = place_of(op, n, x), mask = (uint64_t)(w->size - 1);
    for (int32_t i; (i = w->table[at & mask] - 1) >= 0; at++) {
        const int32_t *y = w->operands + w->start[i];
        if (w->op[i] != op || w->start[i + 1] - w->start[i] != n) continue;
        if (!memcmp(x, y, (size_t)n * sizeof *x) || (commutes(op, n) && x[0] == y[1] && x[1] == y[0])) return i;
    }
    int32_t i = (int32_t)w->n++;
    w->table[at & mask] = i + 1;
    w->op[i] = op;
    w->odd[i] = op == CONSTANT || op == NEG;
    w->varying[i] = 0;
    for (int64_t k = 0; k < n && op != CONSTANT; k++) w->varying[i] |= w->varying[x[k]];
    memcpy(w->operands + w->words, x, (size_t)n * sizeof *x);
    w->words += n;
    w->start[i + 1] = (int32_t)w->words;
    return i;
}
static int32_t number(Written *w, double x) {
    int32_t bits[2];
    if (x != x) x = NAN;
    memcpy(bits, &x, sizeof x);
    return entered(w, CONSTANT, 2, bits);
}
static double constant(const Written *w, int32_t i) {
    double x;
    memcpy(&x, w->operands + w->start[i], sizeof x);
    return x;
}
static int is_number(const Written *w, int32_t i, double x) {
    return w->op[i] == CONSTANT && !memcmp(w->operands + w->start[i], &x, sizeof x);
}
static int32_t operand(const Written *w, int32_t i) { return w->operands[w->start[i]]; }

static int32_t emit(Written *w, int32_t op, int32_t a, int32_t b);
/* simplify.py for these operations: an equal value, or NONE. */
static int32_t simpler(Written *w, int32_t op, int32_t a, int32_t b) {
    if (w->op[a] == CONSTANT && (b == NONE || w->op[b] == CONSTANT)) {
        double x = constant(w, a), y = b == NONE ? 0.0 : constant(w, b);
        return op == ADD   ? number(w, x + y)
               : op == SUB ? number(w, x - y)
               : op == MUL ? number(w, x * y)
               : op == DIV ? number(w, x / y)
               : op == NEG ? number(w, -x)
                           : CANNOT;
    }
    int32_t minus_a = w->op[a] == NEG ? operand(w, a) : NONE, minus_b = b != NONE && w->op[b] == NEG ? operand(w, b) : NONE;
    switch (op) {
    case ADD:
        if (a > b) return simpler(w, ADD, b, a);
        if (is_number(w, b, -0.0)) return a;
        if (is_number(w, a, -0.0)) return b;
        if (minus_b != NONE) return emit(w, SUB, a, minus_b);
        if (minus_a != NONE) return emit(w, SUB, b, minus_a);
        return NONE;
    case SUB:
        if (is_number(w, b, 0.0)) return a;
        if (is_number(w, a, -0.0)) return emit(w, NEG, b, NONE);
        return minus_b != NONE ? emit(w, ADD, a, minus_b) : NONE;
    case MUL:
        if (w->op[b] == CONSTANT) return simpler(w, MUL, b, a);
        if (is_number(w, a, 1.0)) return b;
        if (is_number(w, a, -1.0)) return emit(w, NEG, b, NONE);
        if (minus_b == NONE) return NONE;
        if (w->op[a] == CONSTANT) return emit(w, MUL, number(w, -constant(w, a)), minus_b);
        return minus_a != NONE ? emit(w, MUL, minus_a, minus_b) : NONE;
    case DIV:
        if (is_number(w, b, 1.0)) return a;
        return is_number(w, b, -1.0) ? emit(w, NEG, a, NONE) : NONE;
    case NEG: return minus_a;
    default: return NONE;
    }
}
static int32_t emit(Written *w, int32_t op, int32_t a, int32_t b) {
    if (a < 0 || b == CANNOT) return CANNOT;
    int32_t x[2] = {a, b}, i = w->odd[a] || (b != NONE && w->odd[b]) ? simpler(w, op, a, b) : NONE;
    return i == NONE ? entered(w, op, b == NONE ? 1 : 2, x) : i;
}
/* The sum of x[k] * x[n + k] over two or more; they may change places. */
static int32_t dot(Written *w, int64_t n, int32_t *x) {
    int64_t constants = 0, turned = 0;
    double z = -0.0;
    while (constants < 2 * n && w->op[x[constants]] == CONSTANT) constants++;
    for (int64_t k = 0; k < n && constants == 2 * n; k++) z += constant(w, x[k]) * constant(w, x[n + k]);
    if (constants == 2 * n) return number(w, z);
    for (int side = 0; side < 2; side++) {
        const int32_t *ones = side ? x + n : x, *others = side ? x : x + n;
        int64_t k = 0;
        while (k < n && ones[k] == ones[0]) k++;
        if (k == n && is_number(w, ones[0], 1.0)) return n == 2 ? emit(w, ADD, others[0], others[1]) : entered(w, SUM, n, others);
    }
    for (int64_t k = 0; k < n; k++) {
        int32_t a = x[k], b = x[n + k];
        if (w->varying[a] && !w->varying[b]) x[k] = b, x[n + k] = a, turned = 1;
    }
    if (turned) return dot(w, n, x);
    for (int a = 0; a < 2 && n == 2; a++)
        if (is_number(w, x[a], 1.0) && is_number(w, x[1 - a], -1.0)) return emit(w, SUB, x[2 + a], x[3 - a]);
    return entered(w, DOT, 2 * n, x);
}

/* Reads the nodes of a list; slots: where the operation, its operands, the data and the label lie. 0 where one is not as it is
 * expected to be. ops: the operations that there are, with their codes. */
EXPORT int32_t read_graph(const Objects *o, const void *list, Graph *g, const void *kind, const int64_t *slots,
                          const void *none, const void *no_label, void *const *ops, const int32_t *codes, int64_t n_ops) {
    void **nodes = field(list, o->list_items);
    uint64_t size = 1024;
    while (size < 2 * (uint64_t)g->n) size *= 2;
    int32_t *table = calloc(size, sizeof *table), done = 0; /* 1 + a node, found by its address */
    for (int64_t k = 0; table && k < g->n; k++, done = k == g->n) {
        call_ahead(o, nodes, k, g->n, slots[0]);
        if (field(nodes[k], o->type) != kind) break;
        const void *op = field(nodes[k], slots[0]);
        g->unlabelled[k] = g->id[k] != NONE || field(nodes[k], slots[4]) == no_label;
        g->op[k] = LEAF, g->a[k] = g->b[k] = NONE;
        if (op != none) {
            int64_t j = 0;
            while (j < n_ops && ops[j] != op) j++;
            int32_t *found[2] = {g->a + k, g->b + k}, known = j < n_ops;
            for (int side = 0; side < 2 && known; side++) {
                void *parent = field(nodes[k], slots[1 + side]);
                if (side && parent == none) break;
                uint64_t at = (uint64_t)parent / 16 * 0x9e3779b97f4a7c15u >> 20;
                while (table[at & (size - 1)] && nodes[table[at & (size - 1)] - 1] != parent) at++;
                known = (*found[side] = table[at & (size - 1)] - 1) >= 0;
            }
            if (!known) break;
            g->op[k] = codes[j];
        } else if (g->id[k] == NONE) {
            const void *x = field(nodes[k], slots[3]);
            if (!x || field(x, o->type) != o->real) break;
            memcpy(g->number + k, (char *)x + o->number, sizeof(double));
        }
        uint64_t at = (uint64_t)nodes[k] / 16 * 0x9e3779b97f4a7c15u >> 20;
        while (table[at & (size - 1)]) at++;
        table[at & (size - 1)] = (int32_t)k + 1;
    }
    free(table);
    return done;
}
/* Writes what computes the nodes, behind n leaves of which the first vary. */
EXPORT int32_t write_graph(Written *w, const Graph *g, int64_t n, int64_t varying) {
    do { /* and one more, for where the first value behind them starts */
        if (!make_room(w, 0)) return 0;
        w->op[w->n] = LEAF, w->odd[w->n] = 0, w->varying[w->n] = w->n < varying, w->start[w->n] = 0;
    } while (w->n++ < n);
    w->n = n;
    for (int64_t k = 0; k < g->n; k++) {
        if (g->op[k] != LEAF) g->id[k] = emit(w, g->op[k], g->id[g->a[k]], g->b[k] == NONE ? NONE : g->id[g->b[k]]);
        else if (g->id[k] == NONE) g->id[k] = number(w, g->number[k]);
        if (g->id[k] < 0) return 0;
    }
    return 1;
}

typedef struct {
    int32_t adjoint, derivative, before; /* NONE for a derivative of 1; before: the term before it, or NONE */
} Term;
static int32_t local_derivative(Written *w, const Graph *g, const int32_t *rule, const int32_t *end, int64_t k) {
    int32_t found[3 + MOST_STEPS] = {g->id[g->a[k]], g->b[k] == NONE ? NONE : g->id[g->b[k]], g->id[k]}, known = 3;
    if (*rule == ONE) return NONE;
    for (; rule + 1 < end; rule += 3) {
        int32_t x[2] = {NONE, NONE};
        for (int i = 0; i < 2 && rule[1 + i] != NOTHING; i++)
            x[i] = rule[1 + i] < 0 ? number(w, g->numbers[~rule[1 + i]]) : found[rule[1 + i]];
        found[known] = emit(w, rule[0], x[0], x[1]);
        if (found[known++] < 0) return CANNOT;
    }
    return *rule < 0 ? number(w, g->numbers[~*rule]) : found[*rule];
}
/* Writes the adjoints of the nodes on which the last depends and that depend on those that are wanted, as `sweep` in chain.py does:
 * the wanted leaves come last, in the order of wrt. These are the places of nodes, or NONE; their derivatives are left in results. */
EXPORT int32_t differentiate_graph(Written *w, const Graph *g, const int32_t *wrt, int64_t n_wrt, int32_t *results) {
    int64_t n = g->n, used = 0, room = 0, turn = 0;
    void *grown;
    int32_t *newest = malloc((size_t)n * sizeof *newest), *count = calloc((size_t)n, sizeof *count), *x = NULL, one = NONE;
    Term *terms = malloc(2 * (size_t)n * sizeof *terms);
    for (int64_t k = 0; k < n; k++)
        if (g->op[k] != LEAF) g->wanted[k] = g->wanted[g->a[k]] || (g->b[k] != NONE && g->wanted[g->b[k]]);
    if (g->wanted[n - 1]) one = g->adjoint[n - 1] = number(w, 1.0);
    for (; newest && count && terms && one != CANNOT && turn < n + n_wrt; turn++) {
        int64_t k = turn < n ? n - 1 - turn : wrt[turn - n];
        if (k < 0 || (turn < n && g->op[k] == LEAF)) continue;
        int32_t m = count[k], d = NONE;
        if (m == 1 && g->adjoint[k] == NONE) {
            Term t = terms[newest[k]];
            g->adjoint[k] = t.derivative == NONE ? t.adjoint : emit(w, MUL, t.adjoint, t.derivative);
        } else if (m && g->adjoint[k] == NONE) {
            if (2 * m > room && !GROWN(x, room = 4 * (int64_t)m)) break;
            for (int32_t t = newest[k], j = m; j-- > 0; t = terms[t].before) {
                x[j] = terms[t].derivative == NONE ? one : terms[t].derivative;
                x[m + j] = terms[t].adjoint;
            }
            g->adjoint[k] = dot(w, m, x);
        }
        if (g->adjoint[k] == CANNOT) break;
        for (int side = 0; side < 2 && turn < n && g->adjoint[k] != NONE && d != CANNOT; side++) {
            int32_t parent = side ? g->b[k] : g->a[k], at = 2 * g->op[k] + side;
            if (parent == NONE || !g->wanted[parent] || g->rule_start[at] == g->rule_start[at + 1]) continue;
            d = local_derivative(w, g, g->rules + g->rule_start[at], g->rules + g->rule_start[at + 1], k);
            terms[used] = (Term){g->adjoint[k], d, count[parent]++ ? newest[parent] : NONE};
            newest[parent] = (int32_t)used++;
        }
        if (d == CANNOT) break;
    }
    for (int64_t k = 0; k < n; k++) g->wanted[k] = g->op[k] != LEAF && g->adjoint[k] != NONE;
    free(newest), free(count), free(terms), free(x);
    for (int64_t j = 0; turn == n + n_wrt && j < n_wrt; j++) {
        results[j] = wrt[j] != NONE && g->adjoint[wrt[j]] != NONE ? g->adjoint[wrt[j]] : number(w, 0.0);
        if (results[j] == CANNOT) return 0;
    }
    return turn == n + n_wrt;
}
/* Leaves out what nobody needs: neither the roots nor one of the first values. live: a mark for each value, all 0. In place of
 * the table, and of their bits among the operands, are the numbers of the constants. */
EXPORT int32_t leave_out(Written *w, const int32_t *roots, int64_t n_roots, int64_t kept, uint8_t *live) {
    int32_t *new = malloc((size_t)w->n * sizeof *new), n = 0, words = 0;
    double *number = (double *)w->table;
    if (!new) return 0;
    memset(live, 1, (size_t)kept);
    for (int64_t k = 0; k < n_roots; k++) live[roots[k]] = 1;
    for (int64_t i = w->n - 1; i >= 0; i--)
        for (int32_t x = w->start[i]; live[i] && w->op[i] != CONSTANT && x < w->start[i + 1]; x++) live[w->operands[x]] = 1;
    for (int64_t i = 0; i < w->n; i++) {
        int32_t x = w->start[i], end = w->start[i + 1];
        if (!live[i]) continue;
        new[i] = n;
        w->op[n] = w->op[i], w->varying[n] = w->varying[i], w->start[n++] = words;
        if (w->op[i] == CONSTANT) memcpy(number++, w->operands + x, sizeof *number);
        else while (x < end) w->operands[words++] = new[w->operands[x++]];
    }
    w->n = n, w->words = w->start[n] = words;
    free(new);
    return 1;
}
