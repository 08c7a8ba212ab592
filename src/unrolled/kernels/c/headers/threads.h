/* Threads of our own, for where no OpenMP runtime is loaded: started for one call and joined at its end.
 * They wait for the word to begin, so that all know the team's true size even if the system gave fewer
 * threads than were asked for. */
#ifndef _WIN32
#include <pthread.h>

#define MOST_THREADS 64

typedef struct { task fn; void *job; int team, go; } own_team;
typedef struct { own_team *team; int me; } own_member;

HELPER void *own_thread(void *argument)
{
    const own_member *m = argument;
    while (!__atomic_load_n(&m->team->go, __ATOMIC_ACQUIRE)) sched_yield();
    m->team->fn(m->team->job, m->me, m->team->team);
    return 0;
}

HELPER void own_threads(task fn, void *job, int wanted)
{
    own_team team = {fn, job, 1, 0};
    own_member members[MOST_THREADS];
    pthread_t threads[MOST_THREADS];
    for (; team.team < wanted && team.team < MOST_THREADS; team.team++) {
        members[team.team] = (own_member){&team, team.team};
        if (pthread_create(&threads[team.team], 0, own_thread, &members[team.team])) break;
    }
    __atomic_store_n(&team.go, 1, __ATOMIC_RELEASE);
    fn(job, 0, team.team);
    for (int t = 1; t < team.team; t++) pthread_join(threads[t], 0);
}
#else
HELPER void own_threads(task fn, void *job, int wanted) { (void)wanted; fn(job, 0, 1); }
#endif

/* The one way into a team: the OpenMP runtime that is there, else threads of our own; one
 * thread touches neither. */
HELPER void run_team(const int64_t *runtime, task fn, void *job, int wanted)
{
    if (wanted > 1 && !runtime[0]) own_threads(fn, job, wanted);
    else parallel((fork_join)runtime[0], (int (*)(void))runtime[1], (int (*)(void))runtime[2], fn, job, wanted);
}
