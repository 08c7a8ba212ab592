/* Ctrl-C during a long call. The thread that called, member 0 of the team, lets Python run the handlers of
 * signals that have come (it only does so in its main thread); where one raises, the team leaves, and the
 * caller raises what was caught.
 *
 * `python`: PyGILState_Ensure, PyErr_CheckSignals, PyErr_Fetch, PyGILState_Release, and
 * room for what was caught. */
#include <time.h>

typedef struct { int64_t *python; long every; double next; int stopped; } interruption;

HELPER int handlers_raise(int64_t *python)
{
    const int state = ((int (*)(void))python[0])(), raised = ((int (*)(void))python[1])() != 0;
    if (raised)
        ((void (*)(void **, void **, void **))python[2])((void **)(python + 4), (void **)(python + 5),
            (void **)(python + 6));
    ((void (*)(int))python[3])(state);
    return raised;
}

/* Called where `until` has counted down from `every` steps: at 0, member 0 looks, if the last time is a while
 * ago; one step later all read what it found. Between the two stands a barrier where the team has any: all
 * leave at the same step. */
HELPER int stops(interruption *i, long *until, int me)
{
    if (*until < 0) {
        *until = i->every;
        return __atomic_load_n(&i->stopped, __ATOMIC_RELAXED);
    }
    struct timespec t;
    if (me != 0 || clock_gettime(CLOCK_MONOTONIC, &t)) return 0;
    const double now = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    if (i->next != 0 && now >= i->next && handlers_raise(i->python))
        __atomic_store_n(&i->stopped, 1, __ATOMIC_RELAXED);
    if (i->next == 0 || now >= i->next) i->next = now + 0.2;
    return 0;
}
