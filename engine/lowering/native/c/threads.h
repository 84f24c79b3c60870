/* Threads: the blocks of a step are split among them; each sums on its own, and the sums are added in order */
#pragma once

typedef struct {
    const double *X;          /* sample i, input j at X[i * row + j] */
    int64_t row;
    const int32_t *order;     /* NULL: in the order of X */
    int64_t first, samples, blocks, per_block;
    double *out;              /* result r of sample i at out[r * samples + i], or NULL: only sums */
} Batch;

typedef struct Pool {
    Tape *tape;
    pid_t process;            /* threads do not survive a fork */
    pthread_mutex_t mutex;
    pthread_cond_t wake, ready;
    Batch batch;
    int64_t round, running;
    int stop, started;
    struct { struct Pool *pool; int part; pthread_t thread; } *workers;
} Pool;

static void run_part(Tape *t, const Batch *b, int part) {
    int64_t I = t->is.n_inputs, T = t->is.threads, ld = t->ld;
    double *L = t->L[part], *acc = t->acc + (int64_t)part * t->is.n_results;
    for (int64_t i = 0; i < t->is.n_results; i++) acc[i] = -0.0;
    for (int64_t k = b->blocks * part / T; k < b->blocks * (part + 1) / T; k++) {
        int64_t s0 = b->first + k * b->per_block, n = b->first + b->samples - s0;
        if (n > b->per_block) n = b->per_block;
        t->kernels->turn_samples(I, n, b->X, b->row, b->order, s0, L, ld);
        t->kernels->lanes(t->lanes, t->n_lanes, t->U, L, ld, n, acc, L + t->is.n_rows * ld,
                          b->out ? b->out + (s0 - b->first) : NULL, b->samples);
    }
}
static void *work(void *argument) {
    __typeof__(((Pool *)0)->workers) me = argument;
    Pool *p = me->pool;
    int64_t done = 0;
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (p->round == done && !p->stop) pthread_cond_wait(&p->wake, &p->mutex);
        if (p->stop) break;
        done = p->round;
        Batch batch = p->batch;
        pthread_mutex_unlock(&p->mutex);
        run_part(p->tape, &batch, me->part);
        pthread_mutex_lock(&p->mutex);
        if (--p->running == 0) pthread_cond_signal(&p->ready);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}
static Pool *pool_new(Tape *t) {
    Pool *p = calloc(1, sizeof(Pool));
    if (!p) return NULL;
    p->tape = t;
    p->process = getpid();
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->ready, NULL);
    p->workers = calloc(t->is.threads, sizeof *p->workers);
    for (int i = 1; p->workers && i < t->is.threads; i++) {
        p->workers[i].pool = p;
        p->workers[i].part = i;
        if (pthread_create(&p->workers[i].thread, NULL, work, &p->workers[i])) break;
        p->started++;
    }
    return p;
}
static void pool_free(Pool *p) {
    if (!p) return;
    if (p->process == getpid()) {
        pthread_mutex_lock(&p->mutex);
        p->stop = 1;
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->mutex);
        for (int i = 1; i <= p->started; i++) pthread_join(p->workers[i].thread, NULL);
    }
    free(p->workers);
    free(p);
}
