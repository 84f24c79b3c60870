/* What writes tapes, where there are a million parameters or steps: the loops that would take Python too long. */
#pragma once
/* The weights of a layer, J rows of K, into the places from `first` on: weight k of row j is at first + j * down + k * along.
 * given: the number of the parameter at each place; placed: the place of each parameter. */
EXPORT void place_weights(const int32_t *rows, int64_t J, int64_t K, int64_t first, int64_t down, int64_t along, int32_t *given,
                          int32_t *placed) {
    for (int64_t j = 0; j < J; j++)
        for (int64_t k = 0, at = first + j * down; k < K; k++, at += along) {
            given[at] = rows[j] + (int32_t)k;
            placed[rows[j] + k] = (int32_t)at;
        }
}
/* The rows of a tape of lanes as they are given out: lanes.py. Values that have none are -1 in `row`, and those that are the
 * same for all samples ~ their place in U. */
typedef struct {
    int32_t *row, *last; /* of each value: its row, and the number of the last step that uses it, -1 where none does */
    uint8_t *is_bytes;   /* whether that row is one of bytes */
    int32_t *free, *free_bytes; /* rows, and rows of bytes, that nobody needs: taken from the end */
    int64_t n_free, n_free_bytes, n_rows;
} Rows;

/* The steps: the value that each makes, or ~k where it is object k of Python's; and its kind. Where the operands of the objects
 * start and end, and behind them those of the values from `first` on; ~ those that are turned. Of each of these values the
 * slope that its step makes besides, or -1; and where what each object makes starts. A kind is the words that its instruction
 * begins with, of which one counts the steps. The steps are written in the order of `order`. */
typedef struct {
    const int32_t *makes, *start, *end, *operands, *kind, *slope, *made_start, *made, *head_start, *head;
    int32_t *order;
    int64_t n, n_objects, first;
} Steps;
static int64_t entry(const Steps *s, int32_t i) { return i < 0 ? ~i : s->n_objects + i - s->first; }

static int32_t not_turned(int32_t operand) { return operand ^ operand >> 31; }
static int compare_keys(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}
/* Orders the first n steps so that those of one kind come together, as far as they do not need each other. The kinds take
 * turns, and a step belongs to the first turn of its kind that does not come before what it needs; it may follow a step that it
 * needs in the same turn. Only neighbours, of one window, change places. turn: room for the turn of each value, all 0. */
EXPORT void gather_steps(const Steps *s, int64_t n, int64_t kinds, int64_t *turn) {
    enum { WINDOW = 512 };
    int64_t keys[WINDOW], before = 0, latest = 0;
    for (int64_t first = 0; first < n; first += WINDOW, before = latest) {
        int64_t count = n - first < WINDOW ? n - first : WINDOW;
        for (int64_t j = 0; j < count; j++) {
            int64_t k = first + j, t = before;
            int32_t i = s->makes[k], kind = s->kind[k];
            for (int32_t x = s->start[entry(s, i)]; x < s->end[entry(s, i)]; x++) {
                int64_t other = turn[not_turned(s->operands[x])];
                if (other > t) t = other;
            }
            t += (kind + kinds - t % kinds) % kinds; /* which turn it is, modulo the kinds, is the kind */
            if (t > latest) latest = t;
            if (i < 0)
                for (int32_t x = s->made_start[~i]; x < s->made_start[~i + 1]; x++) turn[s->made[x]] = t;
            else {
                turn[i] = t;
                if (s->slope[i - s->first] >= 0) turn[s->slope[i - s->first]] = t;
            }
            keys[j] = t * WINDOW + j;
        }
        qsort(keys, (size_t)count, sizeof *keys, compare_keys);
        for (int64_t j = 0; j < count; j++) s->order[first + j] = (int32_t)(first + keys[j] % WINDOW);
    }
    for (int64_t k = n; k < s->n; k++) s->order[k] = (int32_t)k;
}

static int32_t new_row(Rows *r, int32_t i) {
    return r->row[i] = r->n_free ? r->free[--r->n_free] : (int32_t)r->n_rows++;
}
/* Eight rows of bytes lie in a row. */
static int32_t new_byte_row(Rows *r, int32_t i) {
    if (!r->n_free_bytes) {
        int32_t row = new_row(r, i);
        for (int32_t k = 7; k >= 0; k--) r->free_bytes[r->n_free_bytes++] = 8 * row + k;
    }
    r->is_bytes[i] = 1;
    return r->row[i] = r->free_bytes[--r->n_free_bytes];
}
static void let_go_of_row(Rows *r, int32_t i) {
    if (r->row[i] < 0) return;
    if (r->is_bytes[i]) r->free_bytes[r->n_free_bytes++] = r->row[i];
    else r->free[r->n_free++] = r->row[i];
}
/* The operands that the k-th step is the last to use give their rows back. */
static void end_operands(Rows *r, const Steps *s, int64_t k) {
    int64_t at = entry(s, s->makes[s->order[k]]);
    for (int32_t x = s->start[at]; x < s->end[at]; x++) {
        int32_t a = not_turned(s->operands[x]);
        if (r->last[a] != k) continue;
        r->last[a] = -1;
        let_go_of_row(r, a);
    }
}
/* How often each number is there, into places that hold 0. */
EXPORT void count_each(const int32_t *x, int64_t n, int32_t *counts) {
    for (int64_t i = 0; i < n; i++) counts[x[i]]++;
}
/* For each value the last step that uses it. Returns how many have no row: they are listed in `without`, and marked. */
EXPORT int64_t find_last_uses(Rows *r, const Steps *s, uint8_t *has_row, int32_t *without) {
    int64_t n = 0;
    for (int64_t k = 0; k < s->n; k++)
        for (int64_t at = entry(s, s->makes[s->order[k]]), x = s->start[at]; x < s->end[at]; x++) {
            int32_t a = not_turned(s->operands[x]);
            if (!has_row[a]) has_row[a] = 1, without[n++] = a;
            r->last[a] = (int32_t)k;
        }
    return n;
}
/* A row for each of these. */
EXPORT void new_rows(Rows *r, const int32_t *ids, int64_t n) {
    for (int64_t j = 0; j < n; j++) new_row(r, ids[j]);
}
/* After an object has been written as the k-th step: its operands' rows, and those of what it made that nobody uses. */
EXPORT void end_step(Rows *r, const Steps *s, int64_t k) {
    int32_t object = ~s->makes[s->order[k]];
    end_operands(r, s, k);
    for (int32_t x = s->made_start[object]; x < s->made_start[object + 1]; x++)
        if (r->last[s->made[x]] < 0) let_go_of_row(r, s->made[x]);
}
/* Writes the steps from the k-th on, as far as they are no objects, in *words words; returns the number of the step behind them. A
 * run of one kind is one instruction. */
EXPORT int64_t write_steps(Rows *r, const Steps *s, int64_t k, int32_t *code, int64_t *words) {
    int32_t run = -1, *c = code, *count = code;
    for (; k < s->n && s->makes[s->order[k]] >= 0; k++) {
        int32_t step = s->order[k], i = s->makes[step], slope = s->slope[i - s->first], kind = s->kind[step];
        int32_t instruction = s->head[s->head_start[kind]];
        if (kind != run) {
            run = kind;
            count = c + (instruction == LANES_TERMS ? 1 : 2);
            for (int32_t h = s->head_start[kind]; h < s->head_start[kind + 1]; h++) *c++ = s->head[h];
        }
        ++*count;
        int pair = instruction == LANES_PAIR, choice = instruction == LANES_CHOICE;
        int32_t *made = c;
        c += pair || choice ? 2 : 1;
        for (int64_t at = entry(s, i), x = s->start[at]; x < s->end[at]; x++) {
            int32_t a = s->operands[x];
            *c++ = a < 0 ? ~r->row[~a] : r->row[a];
        }
        if (pair) { /* one row is written before all operands have been read */
            made[0] = new_row(r, i);
            made[1] = new_row(r, slope);
            end_operands(r, s, k);
            if (r->last[slope] < 0) let_go_of_row(r, slope);
        } else if (choice) {
            made[1] = new_byte_row(r, slope < 0 ? i : slope);
            end_operands(r, s, k);
            made[0] = slope < 0 ? made[1] >> 3 : new_row(r, i);
        } else {
            end_operands(r, s, k);
            made[0] = new_row(r, i);
        }
        if (r->last[i] < 0) let_go_of_row(r, i);
    }
    *words = c - code;
    return k;
}
