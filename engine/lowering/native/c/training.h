/* Training: whole epochs of batches, gradients and updates. */
#pragma once
/* Python's own generator (random.getstate()), so that native and eager training draw the same order. */
static uint32_t random32(uint32_t *mt) {
    if (mt[624] >= 624) {
        for (int i = 0; i < 624; i++) {
            uint32_t y = (mt[i] & 0x80000000u) | (mt[(i + 1) % 624] & 0x7fffffffu);
            mt[i] = mt[(i + 397) % 624] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        mt[624] = 0;
    }
    uint32_t y = mt[mt[624]++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}
/* random.random() */
static double uniform(uint32_t *mt) {
    uint32_t a = random32(mt) >> 5, b = random32(mt) >> 6;
    return (a * 67108864.0 + b) * (1.0 / 9007199254740992.0);
}
/* low + span * random.random(), n times. */
EXPORT void draw(uint32_t *mt, double low, double span, int64_t n, double *out) {
    for (int64_t i = 0; i < n; i++) out[i] = low + span * uniform(mt);
}
/* A permutation: the rows sorted by keys from random.random(), one each. The keys are spread evenly, so that each of as
 * many buckets as rows holds about one. */
static void permute(int32_t *order, int64_t n, uint32_t *mt, double *keys, int32_t *start) {
    memset(start, 0, sizeof(int32_t) * (n + 1));
    for (int64_t i = 0; i < n; i++) {
        keys[i] = uniform(mt);
        start[(int64_t)(keys[i] * (double)n) + 1]++;
    }
    for (int64_t i = 0; i < n; i++) start[i + 1] += start[i];
    for (int64_t i = 0; i < n; i++) order[start[(int64_t)(keys[i] * (double)n)]++] = (int32_t)i;
    for (int64_t i = 1; i < n; i++) {
        int32_t x = order[i];
        int64_t j = i;
        for (; j > 0 && keys[order[j - 1]] > keys[x]; j--) order[j] = order[j - 1];
        order[j] = x;
    }
}

typedef struct {
    Tape *tape;
    const double *X;
    int64_t row, samples, batch;
    int32_t *order;        /* room for a permutation of the samples, or NULL: never shuffled */
    uint32_t *generator;   /* 624 words of random.getstate() and the index of the next one */
    double *keys;          /* room for a double and an int32 a sample, and one more */
    const double *l2;      /* a coefficient a parameter, or NULL: adds l2/2 p^2 to what is minimised */
    int64_t n_trained;     /* the first parameters of the tape; their gradients are results 1, 2, ... */
    Optimizer optimizer;
    int64_t epoch, position; /* where training stands: whole epochs done, samples of this one done */
    double epoch_loss;     /* sum over the samples of this epoch so far */
    int64_t last_batch;    /* samples of the last step */
    const double *sums;    /* the results of the last step */
    double largest;        /* no parameter and no state of the optimiser is larger; infinite where that is not known */
    double largest_l2;
    int64_t stale;         /* whether the results of the last step, which still can be, were not written */
    int64_t measured;      /* samples from the first of an epoch on that largest_input bounds */
    double largest_input;
} Trainer;

enum { DONE, TIME_IS_UP, NOT_FINITE };

static void keep(double **states, double *p, double *before, int64_t n, int restore) {
    for (int i = 0; i < 4; i++) {
        double *x = i ? states[i - 1] : p, *y = before + i * n;
        if (x && restore) memcpy(x, y, sizeof(double) * n);
        else if (x) memcpy(y, x, sizeof(double) * n);
    }
}
/* A bound on the magnitude of parameters and state after a step with gradients of at most g; r->largest bounds them
 * before. While it is far below the largest double nothing can overflow, and no step needs to be kept to be taken back. */
static double bound_after(const Trainer *r, double g) {
    const Optimizer *o = &r->optimizer;
    double most = g + (r->largest_l2 + fabs(o->weight_decay)) * r->largest; /* of a gradient with its penalties */
    if (!(most < 1e60 && fabs(o->lr) < 1e20 && fabs(o->weight_decay) < 1e10 && fabs(o->h0) <= 1 && fabs(o->h1) <= 1))
        return INFINITY;
    double state = r->largest + 2 * most + most * most, step = 2 * (state + most);
    if (o->kind) step = o->h2 > 1e-20 && o->h0 < 1 ? state / (1 - fabs(o->h0)) / o->h2 : INFINITY;
    return r->largest * (1 + fabs(o->lr * o->weight_decay)) + fabs(o->lr) * step + state;
}
/* The larger of two magnitudes, nan where one of them is. */
static double greater(double a, double b) { return b > a || b != b ? b : a; }
static void measure(Trainer *r) {
    double (*most)(const double *, int64_t) = r->tape->kernels->max_magnitude;
    const double *states[4] = {r->tape->U, r->optimizer.s0, r->optimizer.s1, r->optimizer.s2};
    r->largest = 0.0;
    for (int i = 0; i < 4; i++)
        if (states[i]) r->largest = greater(r->largest, most(states[i], r->n_trained));
    r->largest_l2 = r->l2 ? most(r->l2, r->n_trained) : 0.0;
}
#include "fused.h"
/* Update the parameters from the sums over n samples; 0 where a gradient or a new parameter is not finite, and then
 * nothing has changed. */
static int take_step(Trainer *r, const double *sums, int64_t n) {
    const Kernels *k = r->tape->kernels;
    Optimizer *o = &r->optimizer;
    double *p = r->tape->U, *states[3] = {o->s0, o->s1, o->s2}, scale = 1.0 / (double)n;
    double g = k->max_magnitude(sums, r->n_trained) / (double)n, bound = bound_after(r, g);
    if (!(bound < 1e100)) { /* a bound grows faster than what it bounds */
        measure(r);
        bound = bound_after(r, g);
    }
    if (bound < 1e100) {
        if (r->l2) memcpy(r->tape->before, p, sizeof(double) * r->n_trained); /* the gradient is asked for later */
        Rates u;
        if (rates_of(&u, o, p, r->l2, scale)) {
            k->update_run(&u, 0, r->n_trained, sums);
            r->largest = bound;
            return 1;
        }
    }
    r->largest = INFINITY;
    keep(states, p, r->tape->before, r->n_trained, 0);
    if (k->update(o, r->n_trained, p, sums, r->l2, scale)) return 1;
    keep(states, p, r->tape->before, r->n_trained, 1);
    o->step--;
    return 0;
}
/* -- Few samples a step: outer products go into the update of the parameters without being stored -- */

/* Plain descent of a layer waits for the next sample, which reads the weights anyway: here those updates that still wait. */
static void catch_up(Trainer *r) {
    Tape *t = r->tape;
    Rates u = {.p = t->U, .rate = t->wait_rate, .scale = 1};
    t->kernels->catch_up(t->waits, t->waiting, &u);
    t->waiting = 0;
}
/* One step of this kind, on the next n samples; 0 where it has to be done in the usual way, and then nothing has changed. The
 * values of all samples but the last are kept, each `gap` behind those of the one after it. */
static int descend(Trainer *r, int64_t n, double *loss) {
    Tape *t = r->tape;
    Optimizer *o = &r->optimizer;
    const Kernels *k = t->kernels;
    int64_t first = t->is.results, inputs = (int64_t)t->is.n_parameters + t->is.n_constants;
    const int32_t *tail = t->flat + t->n_body, *end = t->flat + t->n_flat, *rest = t->flat + t->n_rest;
    int64_t P = t->is.n_parameters, gap = t->is.n_values - P;
    double most = 1.0; /* of the values: a gradient is one of them, or a product of two */
    if (!(r->largest < 1e100)) catch_up(r), measure(r);
    if (!(r->largest < 1e100)) return 0;
    *loss = 0.0;
    for (int64_t s = n - 1, at = r->position; s >= 0; s--, at++) {
        memcpy(t->U + inputs, r->X + (r->order ? r->order[at] : at) * r->row, sizeof(double) * t->is.n_inputs);
        k->flat_waiting(t->flat, t->n_gathers, t->U, t->waits, t->waiting, t->wait_rate);
        t->waiting = 0;
        *loss += t->U[t->loss];
        most = greater(most, k->max_magnitude(t->U + P, first - P));
        if (s) memcpy(t->U + P + s * gap, t->U + P, sizeof(double) * (first - P));
    }
    *loss /= (double)n;
    double g = most * most, bound = bound_after(r, g);
    if (!(bound < 1e100)) {
        measure(r);
        bound = bound_after(r, g);
    }
    if (!(bound < 1e100) || !isfinite(*loss)) return 0;
    if (r->l2) memcpy(t->before, t->U, sizeof(double) * r->n_trained);
    Rates u;
    rates_of(&u, o, t->U, r->l2, 1.0 / (double)n);
    if (u.kind == 0) {
        for (int64_t s = 1; s < n; s++) k->flat_descend(tail, end, t->U + s * gap, first, &u, 1, 0);
        k->wait(t->waits, t->waiting = t->n_waits, t->U), t->wait_rate = u.rate;
        k->flat_descend(t->flat + t->n_outers, rest, t->U, first, &u, 1, 0);
    } else
        k->flat_descend(tail, end, t->U, first, &u, n, gap);
    r->largest = bound;
    return 1;
}
/* The sums that the last step did not store. */
static void flat_sums(Trainer *r) {
    Tape *t = r->tape;
    int64_t P = t->is.n_parameters, gap = t->is.n_values - P, first = t->is.results, n = r->last_batch;
    for (int64_t s = 0; s < n; s++) {
        if (s) memcpy(t->U + P, t->U + P + s * gap, sizeof(double) * (first - P));
        t->kernels->flat(t->flat + t->n_body, t->n_flat - t->n_body, t->U);
        for (int64_t i = 0; i < t->is.n_results; i++) t->acc[i] = t->U[first + i] + (s ? t->acc[i] : -0.0);
    }
}
/* Averages of gradients that no longer come, as behind a relu that is off, run down into the subnormal numbers, with which
 * these processors compute ten times as slowly, and may stay there. Some hundred steps apart such are made 0 where that changes
 * no step: bound_after sees to it that of m at most 1e60 times as much goes into a parameter, and that eps, to which the
 * root of v is added, is above 1e-20. */
enum { SETTLING = 256 };
static void settle(Trainer *r) {
    double *p = r->tape->U, *m = r->optimizer.s0, *v = r->optimizer.s1;
    if (r->optimizer.step % SETTLING || !(r->largest < 1e100)) return;
    for (int64_t i = 0; m && i < r->n_trained; i++)
        if (fabs(m[i]) < 1e-300 && fabs(p[i]) > 1e-200) m[i] = 0.0;
    for (int64_t i = 0; v && i < r->n_trained; i++)
        if (v[i] < 1e-290) v[i] = 0.0;
}
static int32_t train(Trainer *r, int64_t epochs, double seconds, double *losses) {
    Tape *t = r->tape;
    int64_t steps = 0;
    double end = seconds_now() + seconds;
    double estimate = 1e-9 * (double)(t->n_flat + t->n_lanes) * (double)r->batch + 1e-7;
    int64_t between = estimate > 1e-4 ? 1 : (int64_t)(1e-4 / estimate), look = between; /* looking at the clock costs 30 ns */
    const Optimizer *o = &r->optimizer;
    int fused = t->is.n_rows && t->n_body && t->is.n_results == r->n_trained + 1;
    int direct = !t->is.n_rows && t->n_body && (o->kind == 0 || (o->kind < 3 && !o->flag));
    if (direct && r->batch > 1 && t->flat[t->n_body] == FLAT_GATHER) direct = 0; /* what it gathers is not kept */
    while (r->epoch < epochs) {
        if (r->position == 0) {
            /* Here, and not below: an epoch that has its order must take a step, or it would be drawn again. */
            if (steps >= look && (look = steps + between, seconds_now() > end)) return TIME_IS_UP;
            r->epoch_loss = 0.0;
            if (r->order) permute(r->order, r->samples, r->generator, r->keys, (int32_t *)(r->keys + r->samples));
        }
        while (r->position < r->samples) {
            if (r->position && steps >= look && (look = steps + between, seconds_now() > end)) return TIME_IS_UP;
            int64_t n = r->samples - r->position < r->batch ? r->samples - r->position : r->batch;
            double now;
            settle(r);
            r->stale = 0;
            if ((direct && descend(r, n, &now)) || (fused && fused_step(r, n, &now))) r->sums = t->acc, r->stale = 1;
            if (r->stale) {
                r->last_batch = n;
                r->epoch_loss += now * (double)n;
                r->position += n;
                steps++;
                continue;
            }
            catch_up(r);
            Batch b = {r->X, r->row, r->order, r->position, n, 0, 0, NULL};
            const double *results = run(t, &b);
            double loss = results[0] / (double)n;
            r->sums = NULL; /* what it pointed to is overwritten by now */
            if (!isfinite(loss)) return NOT_FINITE;
            if (!take_step(r, results + 1, n)) return NOT_FINITE;
            r->sums = results;
            r->last_batch = n;
            r->epoch_loss += loss * (double)n;
            r->position += n;
            steps++;
        }
        losses[r->epoch] = r->epoch_loss / (double)r->samples;
        r->epoch++;
        r->position = 0;
    }
    return DONE;
}
/* Train until `epochs` are done, for about `seconds` at most, whole steps only; losses[k] is that of epoch k. A step whose
 * loss, gradient or new parameters are not finite is not taken. */
EXPORT int32_t tape_train(Trainer *r, int64_t epochs, double seconds, double *losses) {
    int32_t state = train(r, epochs, seconds, losses);
    catch_up(r);
    return state;
}
/* The gradient of the last step, penalty included; only where sums is not NULL. placed: of each parameter the place in the tape,
 * or NULL where these are the same. */
EXPORT void tape_gradient(Trainer *r, const int32_t *placed, double *g) {
    Tape *t = r->tape;
    if (r->stale && t->is.n_rows) fused_sums(r);
    else if (r->stale) flat_sums(r);
    r->stale = 0;
    for (int64_t k = 0; k < r->n_trained; k++) {
        int64_t i = placed ? placed[k] : k;
        g[k] = r->sums[1 + i] / (double)r->last_batch + (r->l2 ? r->l2[i] * t->before[i] : 0.0);
    }
}
