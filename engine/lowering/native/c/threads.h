/* Threads: the blocks of a step are split among them; each sums on its own, and the sums are added in order */
#pragma once

typedef struct {
    const double *X;          /* sample i, input j at X[i * row + j] */
    int64_t row;
    const int32_t *order;     /* NULL: in the order of X */
    int64_t first, samples, blocks, per_block;
    double *out;              /* result r of sample i at out[r * samples + i], or NULL: only sums */
    const Rates *rates;       /* of a step whose large gradients are not stored */
} Batch;
typedef void Part(Tape *t, const Batch *b, int part); /* what one of the threads of a tape does of a batch */

typedef struct Pool {
    Tape *tape;
    pid_t process;            /* threads do not survive a fork */
    pthread_mutex_t mutex;
    pthread_cond_t wake, ready;
    Batch batch;
    Part *part;
    _Atomic int64_t round, running; /* written under the mutex, and looked at for a while before sleeping */
    int stop, started;
    struct { struct Pool *pool; int part; pthread_t thread; } *workers;
} Pool;

static void run_part(Tape *t, const Batch *b, int part) {
    int64_t I = t->is.n_inputs, T = t->is.threads;
    int64_t ld = b->per_block | 8; /* lines as many as tape_new gives a whole block; of few samples less memory is met */
    double *L = t->L[part], *acc = t->acc + (int64_t)part * t->is.n_results, *kept = acc + T * t->is.n_results;
    size_t size = sizeof(double) * (size_t)t->is.n_results;
    for (int64_t i = 0; i < t->is.n_results; i++) acc[i] = -0.0;
    for (int64_t k = b->blocks * part / T; k < b->blocks * (part + 1) / T; k++) {
        int64_t s0 = b->first + k * b->per_block, n = b->first + b->samples - s0;
        if (n > b->per_block) n = b->per_block;
        double *scratch = L + t->is.n_rows * ld, *out = b->out ? b->out + (s0 - b->first) : NULL;
        t->kernels->turn_samples(I, n, b->X, b->row, b->order, s0, L, ld);
        int careful = t->careful;
        if (!careful) memcpy(kept, acc, size);
        if (t->kernels->lanes(t->lanes, t->n_lanes, t->U, L, ld, n, acc, scratch, out, b->samples, careful) || careful) continue;
        t->careful = 1; /* there are more of the kind, mostly */
        memcpy(acc, kept, size);
        t->kernels->lanes(t->lanes, t->n_lanes, t->U, L, ld, n, acc, scratch, out, b->samples, 1);
    }
}
static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
/* A thread looks so often before it sleeps: some microseconds, in which the next part of a step comes. */
enum { LOOKS = 2000 };
static int changes_soon(_Atomic int64_t *word, int64_t from) {
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != from) return 1;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }
    return 0;
}
static void *work(void *argument) {
    __typeof__(((Pool *)0)->workers) me = argument;
    Pool *p = me->pool;
    int64_t done = 0;
    for (;;) {
        changes_soon(&p->round, done);
        pthread_mutex_lock(&p->mutex);
        while (p->round == done && !p->stop) pthread_cond_wait(&p->wake, &p->mutex);
        if (p->stop) break;
        done = p->round;
        Batch batch = p->batch;
        Part *part = p->part;
        pthread_mutex_unlock(&p->mutex);
        part(p->tape, &batch, me->part);
        pthread_mutex_lock(&p->mutex);
        if (--p->running == 0) pthread_cond_signal(&p->ready);
        pthread_mutex_unlock(&p->mutex);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}
/* All parts of a batch, by the threads of the tape; one after another where they cannot run. */
static void share(Tape *t, const Batch *b, Part *part) {
    Pool *p = t->pool;
    int T = t->is.threads, mine = T;
    int together = p && p->process == getpid() && p->started;
    if (together) {
        pthread_mutex_lock(&p->mutex);
        p->batch = *b;
        p->part = part;
        p->running = p->started;
        p->round++;
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->mutex);
        mine = 1;
        for (int i = p->started + 1; i < T; i++) part(t, b, i);
    }
    for (int i = 0; i < mine; i++) part(t, b, i);
    if (!together) return;
    for (int i = 0; i < 16 && p->running; i++) changes_soon(&p->running, p->running);
    pthread_mutex_lock(&p->mutex);
    while (p->running) pthread_cond_wait(&p->ready, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
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

/* -- What threads cost on this machine, and what one of them does: what library.py chooses their number by -- */

static void nothing(Tape *t, const Batch *b, int part) { (void)t, (void)b, (void)part; }
/* Seconds from sharing out a batch to its end with so many threads; as large as can be where they do not start. */
EXPORT double tape_thread_seconds(int32_t threads) {
    Tape t = {.is = {.threads = threads}};
    Batch b = {0};
    double best = INFINITY;
    t.pool = threads > 1 ? pool_new(&t) : NULL;
    if (t.pool && t.pool->started == threads - 1)
        for (int i = 0; i < 40; i++) {
            double begun = seconds_now();
            for (int k = 0; k < 4; k++) share(&t, &b, nothing);
            double each = (seconds_now() - begun) / 4;
            if (each < best) best = each;
        }
    pool_free(t.pool);
    return best;
}
/* Seconds that one thread takes for a multiply-add in a product of layers. */
EXPORT double tape_work_seconds(int32_t set) {
    enum { J = 48, SAMPLES = 48, LD = 56 };
    static const double zeros[J * J];
    int32_t code[6 + 3 * J] = {LANES_GEMM, J, J, 0, J, 1};
    const Kernels *k = supported(set);
    double *L = calloc(2 * J * LD, sizeof(double)), best = INFINITY, acc;
    if (!L || !k) {
        free(L);
        return 1e-9;
    }
    for (int i = 0; i < J; i++) code[6 + i] = i, code[6 + J + i] = J + i, code[6 + 2 * J + i] = -1;
    for (int i = 0; i < 20; i++) {
        double begun = seconds_now(), each;
        k->lanes(code, 6 + 3 * J, zeros, L, LD, SAMPLES, &acc, L, NULL, 0, 1);
        each = (seconds_now() - begun) / (J * J * SAMPLES);
        if (each < best) best = each;
    }
    free(L);
    return best;
}
