/* A step whose large gradients are never stored: where the whole batch is one block of lanes, the outer products come
 * last, when all else is known to be finite, and each tile of them goes straight into the update of its parameters. */
#pragma once

/* 1 - h^t, without the power where nothing is left of it: h^t is at most exp(-t (1 - |h|)). */
static double all_but_power(double h, double t) { return t * (1 - fabs(h)) > 40 ? 1 : 1 - pow(h, t); }
/* What updates that cannot overflow need, or 0 where this optimiser's are not among them. Counts the step. */
static int rates_of(Rates *u, Optimizer *o, double *p, const double *l2, double scale) {
    if (o->kind > 2 || (o->kind > 0 && o->flag)) return 0;
    int first = o->step++ == 0;
    double t = (double)o->step;
    if (o->kind == 0 && !o->s0 && !l2 && o->weight_decay == 0) { /* where a step is short, even a Rates is long to write */
        u->p = p, u->s0 = u->s1 = NULL, u->l2 = NULL, u->kind = 0, u->rate = o->lr * scale;
        return 1;
    }
    *u = (Rates){p, o->s0, o->s1, l2, 1, o->flag, scale, o->lr, o->weight_decay, 0, 0, o->h0, o->h1, o->h2, 1};
    if (o->kind == 0) {
        u->keep = first ? 0.0 : o->h0, u->take = first ? 1.0 : 1 - o->h1;
        return 1;
    }
    u->kind = 2;
    double root = sqrt(all_but_power(o->h1, t)); /* which multiplies above and below, rather than divide the root of each */
    u->rate = o->lr / all_but_power(o->h0, t) * root, u->eps = o->h2 * root;
    if (o->kind == 2) u->shrink = 1 - o->lr * o->weight_decay, u->weight_decay = 0;
    return 1;
}
/* The update of parameters number at[i] - 1 by the sums g[at[i]]. */
static void update_list(const Kernels *k, const Rates *u, const int32_t *at, int64_t n, const double *g) {
    enum { MOST = 32 };
    double room[5][MOST];
    double *all[4] = {u->p, u->s0, u->s1, (double *)u->l2};
    Rates v = *u;
    v.p = room[0], v.s0 = u->s0 ? room[1] : NULL, v.s1 = u->s1 ? room[2] : NULL, v.l2 = u->l2 ? room[3] : NULL;
    for (int64_t m; n; n -= m, at += m) {
        m = n < MOST ? n : MOST;
        for (int64_t i = 0; i < m; i++) {
            for (int a = 0; a < 4; a++)
                if (all[a]) room[a][i] = all[a][at[i] - 1];
            room[4][i] = g[at[i]];
        }
        k->update_run(&v, 0, m, room[4]);
        for (int a = 0; a < 3; a++)
            for (int64_t i = 0; all[a] && i < m; i++) all[a][at[i] - 1] = room[a][i];
    }
}
/* All but the outer products, of this thread's samples; rows of all threads are those of the first. */
static void fused_body(Tape *t, const Batch *b, int part) {
    const int32_t *single = t->others + 2 * t->n_runs;
    double *acc = t->acc + part * (int64_t)t->is.n_results, *scratch = t->L[part] + t->is.n_rows * t->ld;
    int64_t s = part * b->per_block, n = b->samples - s < b->per_block ? b->samples - s : b->per_block;
    acc[0] = -0.0;
    for (int64_t i = 0; i < t->n_runs; i++)
        for (int64_t j = 0; j < t->others[2 * i + 1]; j++) acc[t->others[2 * i] + j] = -0.0;
    for (int64_t i = 0; i < t->n_singles; i++) acc[single[i]] = -0.0;
    if (n < 1) return;
    t->kernels->turn_samples(t->is.n_inputs, n, b->X, b->row, b->order, b->first + s, t->L[0] + s, t->ld);
    t->kernels->lanes(t->lanes, t->n_body, t->U, t->L[0] + s, t->ld, n, acc, scratch, NULL, 0, 1);
}
/* This thread's part of the outer products, into the parameters. */
static void fused_tail(Tape *t, const Batch *b, int part) {
    for (const int32_t *c = t->lanes + t->n_body, *end = t->lanes + t->n_lanes; c < end; c += outer_size(c))
        t->kernels->outer_descend(c, part, t->is.threads, b->rates, t->L[0], t->ld, b->samples,
                                  t->L[part] + t->is.n_rows * t->ld);
}
/* A bound on the magnitude of the inputs of the next n samples: after an epoch in which all were looked at, that of all. */
static double largest_input(Trainer *r, int64_t n) {
    if (r->measured == r->samples) return r->largest_input;
    double most = 0.0;
    for (int64_t s = r->position; s < r->position + n; s++)
        most = greater(most, r->tape->kernels->max_magnitude(r->X + (r->order ? r->order[s] : s) * r->row, r->row));
    if (r->position == 0) r->measured = 0, r->largest_input = 0.0;
    if (r->position == r->measured) r->measured += n, r->largest_input = greater(r->largest_input, most);
    return most;
}
/* One step on n samples of the epoch's order; 0 where it has to be done in the usual way, and then nothing has changed. */
static int fused_step(Trainer *r, int64_t n, double *loss) {
    Tape *t = r->tape;
    const Kernels *k = t->kernels;
    Optimizer *o = &r->optimizer;
    double *acc = t->acc, *L = t->L[0], g = 0.0;
    const int32_t *tail = t->lanes + t->n_body, *end = t->lanes + t->n_lanes, *single = t->others + 2 * t->n_runs;
    int64_t T = t->is.threads;
    if (n > t->is.block || o->kind > 2 || (o->kind > 0 && o->flag)) return 0;
    Batch b = {r->X, r->row, r->order, r->position, n, T, (n + 8 * T - 1) / (8 * T) * 8, NULL, NULL};
    k->flat(t->flat, t->n_flat, t->U);
    share(t, &b, fused_body);
    for (int64_t part = 1; part < T; part++) {
        const double *more = acc + part * t->is.n_results;
        acc[0] += more[0];
        for (int64_t i = 0; i < t->n_runs; i++)
            for (int64_t j = t->others[2 * i], last = j + t->others[2 * i + 1]; j < last; j++) acc[j] += more[j];
        for (int64_t i = 0; i < t->n_singles; i++) acc[single[i]] += more[single[i]];
    }
    *loss = acc[0] / (double)n;
    if (!isfinite(*loss)) return 0;
    for (int64_t i = 0; i < t->n_runs; i++) g = greater(g, k->max_magnitude(acc + t->others[2 * i], t->others[2 * i + 1]));
    for (int64_t i = 0; i < t->n_singles; i++) g = greater(g, fabs(acc[single[i]]));
    g /= (double)n;
    double of_inputs = largest_input(r, n);
    for (const int32_t *c = tail; c < end; c += outer_size(c))
        g = greater(g, k->outer_bound(c, L, t->ld, n, t->is.n_inputs, of_inputs));
    double bound = bound_after(r, g);
    if (!(bound < 1e100)) {
        measure(r);
        bound = bound_after(r, g);
    }
    if (!(bound < 1e100)) return 0;
    if (r->l2) memcpy(t->before, t->U, sizeof(double) * r->n_trained);
    Rates u;
    rates_of(&u, o, t->U, r->l2, 1.0 / (double)n);
    for (int64_t i = 0; i < t->n_runs; i++) {
        const int32_t *run = t->others + 2 * i;
        k->update_run(&u, run[0] - 1, run[1], acc + run[0]);
    }
    update_list(k, &u, single, t->n_singles, acc);
    b.rates = &u;
    share(t, &b, fused_tail);
    r->largest = bound;
    return 1;
}
/* The sums that the last step did not store. */
static void fused_sums(Trainer *r) {
    Tape *t = r->tape;
    const int32_t *tail = t->lanes + t->n_body, *end = t->lanes + t->n_lanes;
    for (const int32_t *c = tail; c < end; c += outer_size(c))
        for (int64_t j = 0; j < c[2]; j++)
            for (int64_t i = 0; i < c[1]; i++) t->acc[c[3] + j * c[5] + i] = -0.0;
    t->kernels->lanes(tail, end - tail, t->U, t->L[0], t->ld, r->last_batch, t->acc, t->L[0] + t->is.n_rows * t->ld, NULL, 0, 1);
}
