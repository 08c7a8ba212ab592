/* What stands around the loop over time in every cell's kernel: the memory that its threads share, each
 * thread's own, and the team that runs it. `common`: what all kernels are given; their own structs begin
 * with it (emit/struct.py). */

_Static_assert(sizeof(void *) == sizeof(int64_t), "the fields of a kernel's struct have 64 bits each");

typedef struct {
    common *all;                                         /* the arguments */
    real *packed, *wide, *vector_sums, *number_sums;     /* memory that the threads share */
    barrier_t barrier;
    int failed;
    arena memory;
    interruption look;
} job;

HELPER long whole_lines(long numbers) { return (numbers + 31) / 32 * 32; }
HELPER real *aligned(const char *memory) { return (real *)(((uintptr_t)memory + 127) & ~(uintptr_t)127); }

/* Runs a direction's `part` on the team. Numbers of shared memory: weights packed together (where units are
 * split, each thread packs its own), the inputs' weights, and all threads' sums, which begin as zeros. Returns
 * 1 where there is no memory, 2 where a handler raised. */
HELPER int run_job(common *all, task part, long packed, long wide, long vector_sums, long number_sums)
{
    job q = {all, 0, 0, 0, 0, {0}, 0, {(char *)all->memory, all->room, 0}, {&all->python, all->every, 0, 0}};
    packed = all->split ? 0 : whole_lines(packed), wide = whole_lines(wide);
    vector_sums = whole_lines(vector_sums), number_sums = whole_lines(number_sums);
    char *memory = take(&q.memory, (packed + wide + vector_sums + number_sums) * (int64_t)sizeof(real));
    if (!memory) return 1;
    q.packed = aligned(memory), q.wide = q.packed + packed;
    q.vector_sums = q.wide + wide, q.number_sums = q.vector_sums + vector_sums;
    memset(q.vector_sums, 0, (size_t)(vector_sums + number_sums) * sizeof(real));
    run_team(&all->gomp, part, &q, (int)all->wanted);
    give(&q.memory, memory);
    all->room = q.memory.used;
    return q.failed ? 1 : q.look.stopped ? 2 : 0;
}

/* A thread's own memory: its packed weights (the shared ones where units are not split), results
 * of products, scratch. */
typedef struct { char *memory; real *packed, *z, *scratch; } workplace;

/* Numbers of each; `room`: of what comes after the loop, in the place of z and scratch. `packed` is NULL where
 * a thread of the team found no memory: then all leave. */
HELPER workplace workplace_of(job *q, int me, int team, long packed, long z, long scratch, long room)
{
    const long work = z + scratch > room ? z + scratch : room;
    packed = q->all->split ? packed : 0;
    char *memory = take(&q->memory, (packed + work) * (int64_t)sizeof(real));
    if (!memory) __atomic_store_n(&q->failed, 1, __ATOMIC_RELAXED);
    barrier_wait(&q->barrier, me, team);
    if (__atomic_load_n(&q->failed, __ATOMIC_RELAXED)) {
        give(&q->memory, memory);
        return (workplace){0, 0, 0, 0};
    }
    real *here = aligned(memory);
    return (workplace){memory, q->all->split ? here : q->packed, here + packed, here + packed + z};
}

/* Rows from `from` to `to` run no further: this thread's leave their state. `lo`, `n`: its units. */
HELPER void leave(real *final, const real *state, long width, long lo, long n, long first, long stride,
                  long from, long to)
{
    for (long r = first; r < to; r += stride)
        if (r >= from) memcpy(final + r * width + lo, state + r * width + lo, (size_t)n * sizeof(real));
}

/* to = the sum of all threads' sums; this thread's share of the columns. */
HELPER void add_up(real *to, const real *sums, long count, int me, int team)
{
    for (long j = count * me / team; j < count * (me + 1) / team; j++) {
        real sum = 0;
        for (int t = 0; t < team; t++) sum += sums[t * count + j];
        to[j] = sum;
    }
}
