/* Checks: every index of a tape lies inside its array, so that nothing needs to be checked in a step. */
#pragma once
static int inside(int64_t first, int64_t count, int64_t low, int64_t high) {
    return first >= low && count >= 0 && first + count <= high;
}
static int all_inside(const int32_t *index, int64_t n, int64_t low, int64_t high) {
    for (int64_t i = 0; i < n; i++)
        if (index[i] < low || index[i] >= high) return 0;
    return 1;
}
#define NEED(condition) \
    if (!(condition)) return 0

static int valid_flat(const Layout *t, const int32_t *c, int64_t n) {
    int64_t N = t->n_values, first = (int64_t)t->n_parameters + t->n_constants + (t->n_rows ? 0 : t->n_inputs), size;
    for (; n > 0; c += size, n -= size) switch (c[0]) {
        case FLAT_MAP:
            size = 10;
            NEED(n >= size && c[1] >= 0 && c[1] < OP_CODES && c[2] >= 1 && inside(c[3], c[2], first, N));
            for (int i = 4; i < 10; i += 2)
                NEED((c[i + 1] == 0 || c[i + 1] == 1) && inside(c[i], c[i + 1] ? c[2] : 1, 0, N));
            break;
        case FLAT_NARY:
            NEED(n >= 4 && c[1] >= 0 && c[1] < NARY_CODES && c[2] >= (c[1] != NARY_SUM));
            size = 4 + (int64_t)c[2];
            NEED(n >= size && inside(c[3], 1, first, N) && all_inside(c + 4, c[2], 0, N));
            break;
        case FLAT_DOT:
            NEED(n >= 4 && c[1] >= 0);
            size = 4 + 2 * (int64_t)c[1];
            NEED(n >= size && inside(c[2], 1, first, N) && c[3] >= -1 && c[3] < N && all_inside(c + 4, size - 4, 0, N));
            break;
        case FLAT_GEMV:
            size = 9;
            NEED(n >= size && c[1] >= 1 && c[2] >= 1 && inside(c[3], c[1], first, N) && inside(c[4], c[2], 0, N));
            NEED(c[6] >= 0 && c[7] >= 0 && c[5] >= 0 && (c[8] == -1 || inside(c[8], c[1], 0, N)));
            NEED(c[5] + (c[1] - 1) * (int64_t)c[6] + (c[2] - 1) * (int64_t)c[7] < N);
            break;
        case FLAT_OUTER:
            size = 8;
            NEED(n >= size && c[1] >= 1 && c[2] >= 1 && c[3] >= first && c[4] >= 0 && c[5] >= 0);
            NEED(c[3] + (c[1] - 1) * (int64_t)c[4] + (c[2] - 1) * (int64_t)c[5] < N);
            NEED(inside(c[6], c[1], 0, N) && inside(c[7], c[2], 0, N));
            break;
        case FLAT_GATHER:
            NEED(n >= 3 && c[1] >= 0);
            size = 3 + (int64_t)c[1];
            NEED(n >= size && inside(c[2], c[1], first, N) && all_inside(c + 3, c[1], 0, N));
            break;
        default: return 0;
        }
    return n == 0;
}
/* What else is found out of a tape of lanes: where the outer products begin that all else comes before; whether a sum is
 * marked; whether there are layers; and how many instructions there are, and values that they make. */
typedef struct {
    int64_t tail, instructions, made;
    int marked, layers;
} Found;
static int valid_lanes(const Layout *t, const int32_t *c, int64_t n, Found *found) {
    int64_t N = t->n_values, R = t->n_rows, first = t->n_inputs, size;
    const int32_t *code = c;
    *found = (Found){0};
    for (; n > 0; c += size, n -= size, found->tail = c[-size] == LANES_OUTER ? found->tail : c - code) {
        found->instructions++;
        switch (c[0]) {
        case LANES_MAP: {
            NEED(n >= 3 && c[1] >= 0 && c[1] < OP_CODES && c[2] >= 1);
            found->made += c[2];
            int64_t width = op_arity[c[1]] + 1;
            size = 3 + width * c[2];
            NEED(n >= size);
            for (const int32_t *x = c + 3; x < c + size; x += width)
                NEED(inside(x[0], 1, first, R) && all_inside(x + 1, width - 1, -N, R));
            break;
        }
        case LANES_NARY:
            NEED(n >= 4 && c[1] >= 0 && c[1] < NARY_CODES && c[2] >= (c[1] != NARY_SUM));
            size = 4 + (int64_t)c[2];
            NEED(n >= size && inside(c[3], 1, first, R) && all_inside(c + 4, c[2], -N, R));
            break;
        case LANES_DOT:
            NEED(n >= 5 && c[1] >= 0);
            size = 5 + 2 * (int64_t)c[1];
            NEED(n >= size && inside(c[2], 1, first, R) && c[4] >= -N && c[4] < R && all_inside(c + 5, size - 5, -N, R));
            break;
        case LANES_GEMM:
            NEED(n >= 6 && c[1] >= 1 && c[2] >= 1 && c[3] >= 0 && c[4] >= 0 && c[5] >= 0);
            size = 6 + 2 * (int64_t)c[1] + c[2];
            found->layers |= c[1] * (int64_t)c[2] >= 256;
            NEED(n >= size && c[3] + (c[1] - 1) * (int64_t)c[4] + (c[2] - 1) * (int64_t)c[5] < N);
            NEED(all_inside(c + 6, c[2], 0, R) && all_inside(c + 6 + c[2], c[1], first, R));
            NEED(all_inside(c + 6 + c[2] + c[1], c[1], -1, N));
            break;
        case LANES_OUTER: {
            NEED(n >= 6 && c[1] >= 1 && c[2] >= 1);
            int64_t places = c[3] < 0 ? (int64_t)c[1] * c[2] : 0;
            size = 6 + (int64_t)c[1] + c[2] + places;
            NEED(n >= size && all_inside(c + 6, (int64_t)c[1] + c[2], 0, R));
            if (places) {
                NEED(all_inside(c + size - places, places, 0, t->n_results));
            } else {
                int64_t last = c[3] + (c[1] - 1) * (int64_t)c[4] + (c[2] - 1) * (int64_t)c[5];
                NEED(c[4] >= 0 && c[5] >= 0 && last < t->n_results);
            }
            break;
        }
        case LANES_PAIR:
            NEED(n >= 3 && c[1] >= 0 && c[1] < PAIR_CODES && c[2] >= 1);
            found->made += c[2];
            size = 3 + 3 * (int64_t)c[2];
            NEED(n >= size);
            for (const int32_t *x = c + 3; x < c + size; x += 3)
                NEED(inside(x[0], 1, first, R) && inside(x[1], 1, first, R) && inside(x[2], 1, 0, R));
            break;
        case LANES_CHEAP: {
            NEED(n >= 3 && c[1] >= 0 && c[1] < OP_CODES && c[2] >= 1);
            found->made += c[2];
            int64_t width = op_arity[c[1]] + 1;
            size = 3 + width * c[2];
            NEED(n >= size && all_inside(c + 3, size - 3, 0, R));
            for (const int32_t *x = c + 3; x < c + size; x += width) NEED(x[0] >= first);
            break;
        }
        case LANES_CHOICE:
            NEED(n >= 3 && c[1] >= 0 && c[1] < CHOICE_CODES && c[2] >= 1);
            found->made += c[2];
            size = 3 + 4 * (int64_t)c[2];
            NEED(n >= size);
            for (const int32_t *x = c + 3; x < c + size; x += 4) {
                NEED(inside(x[0], 1, first, R) && inside(x[1], 1, 8 * first, 8 * R) && all_inside(x + 2, 2, -N, R));
            }
            break;
        case LANES_TERMS: {
            NEED(n >= 6 && c[1] >= 1);
            found->marked |= c[2] != 0;
            found->made += c[1];
            for (int i = 3; i < 6; i++) NEED(c[i] >= 0);
            int64_t width = 1 + 2 * ((int64_t)c[3] + c[4] + c[5]);
            NEED(width <= (n - 6) / c[1]);
            size = 6 + width * c[1];
            for (const int32_t *x = c + 6, *y; x < c + size; x = y) {
                NEED(x[0] >= first && x[0] < R);
                y = x + 1;
                for (int32_t i = 0; i < c[3]; i++, y += 2) NEED(inside(y[0], 1, 0, R) && inside(y[1], 1, -R, R));
                NEED(all_inside(y, 2 * (int64_t)c[4], 0, R));
                y += 2 * (int64_t)c[4];
                for (int32_t i = 0; i < c[5]; i++, y += 2)
                    NEED(inside(y[0], 1, 0, R) && inside(y[1] < 0 ? ~y[1] : y[1], 1, 8 * first, 8 * R));
            }
            break;
        }
        case LANES_SUM:
        case LANES_OUT:
            NEED(n >= 2 && c[1] >= 0);
            size = 2 + 2 * (int64_t)c[1];
            NEED(n >= size);
            for (const int32_t *x = c + 2; x < c + size; x += 2)
                NEED(inside(x[0], 1, 0, R) && inside(x[1], 1, 0, t->n_results));
            break;
        default: return 0;
        }
    }
    return n == 0;
}
static int valid(const Layout *t, const int32_t *flat, int64_t n_flat, const int32_t *lanes, int64_t n_lanes,
                 const int32_t *uniform, Found *found) {
    NEED(t->n_parameters >= 0 && t->n_constants >= 0 && t->n_inputs >= 0 && t->n_results >= 0);
    NEED(t->n_rows >= 0 && t->n_uniform >= 0 && t->threads >= 1 && t->threads <= 64 && t->block >= 0);
    NEED(t->block <= 1 << 20 && t->set >= 0 && t->set < 8 && supported(t->set));
    NEED((int64_t)t->n_parameters + t->n_constants + (t->n_rows ? 0 : t->n_inputs) <= t->n_values);
    NEED(t->n_rows ? t->n_inputs <= t->n_rows : n_lanes == 0 && inside(t->results, t->n_results, 0, t->n_values));
    for (int32_t i = 0; i < t->n_uniform; i++)
        NEED(inside(uniform[2 * i], 1, 0, t->n_results) && inside(uniform[2 * i + 1], 1, 0, t->n_values));
    return valid_flat(t, flat, n_flat) && valid_lanes(t, lanes, n_lanes, found);
}
