/* The team: threads come from the OpenMP runtime that the host program has loaded already, its functions
 * handed in by address: no second runtime is ever linked. A team may be smaller than asked for
 * (OMP_THREAD_LIMIT, a nested call), hence every member asks the runtime for its number and for the team's
 * size, which is fixed when the team starts. */

typedef void (*task)(void *job, int me, int team);
/* GOMP_parallel */
typedef void (*fork_join)(void (*fn)(void *), void *data, unsigned threads, unsigned flags);

typedef struct { task fn; void *job; int (*size)(void), (*number)(void); } crew;
HELPER void join_crew(void *data) { crew *c = data; c->fn(c->job, c->number(), c->size()); }

/* Runs fn(job, me, team) on up to `wanted` threads: GOMP_parallel, omp_get_num_threads and omp_get_thread_num
 * of one runtime. One thread, or no runtime (NULL), is a plain call. */
HELPER void parallel(fork_join gomp, int (*gomp_size)(void), int (*gomp_me)(void), task fn, void *job,
                     int wanted)
{
    crew c = {fn, job, gomp_size, gomp_me};
    if (wanted <= 1 || !gomp || !gomp_size || !gomp_me) fn(job, 0, 1);
    else gomp(join_crew, &c, (unsigned)wanted, 0);
}

/* Starts as zeros: `barrier_t b = {0};`. Cache lines are fetched in pairs: each counter
 * has a pair of its own. */
typedef struct { int arrived __attribute__((aligned(128))), turn __attribute__((aligned(128))); } barrier_t;

/* Returns when all of the team have come; what they wrote before is then visible. Spins briefly (a
 * pause takes about 50 ns here), then offers the processor at every look, so that a team larger than
 * the free cores still gets on. */
HELPER void barrier_wait(barrier_t *b, int me, int team)
{
    if ((void)me, team <= 1) return;
    /* cannot move before this thread has arrived */
    int turn = __atomic_load_n(&b->turn, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&b->arrived, 1, __ATOMIC_ACQ_REL) == team) {
        __atomic_store_n(&b->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&b->turn, turn + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int spins = 0; __atomic_load_n(&b->turn, __ATOMIC_ACQUIRE) == turn; spins++) {
#ifndef _WIN32
        if (spins >= 2000) spins = 2000, sched_yield();
#endif
#if defined(__x86_64__)
        if (spins < 2000) __builtin_ia32_pause();
#endif
    }
}

/* The first of some units that member `me` works on. Where there are enough, sixteen stay together: a compiler
 * may round in the rest of a loop otherwise than in its vectors (which of two products is fused with their
 * sum), and a unit's numbers shall not depend on who makes them. */
HELPER long unit_of(long units, int me, int team)
{
    const long together = units < 16 * team ? 1 : 16,
        first = (units + together - 1) / together * me / team * together;
    return first < units ? first : units;
}
