/* A chain of tags (models/crf.py): sums over all ways to tag a row, and the best way. models/chain_sums.py says
 * the same in torch. Emitted before this: `real`, what scores are made of; everything else is double.
 *
 * Scores are (T, B, K); a row of a table is padded to whole vectors, `wide`, with what changes nothing. Rows of
 * the batch do not meet. */

#include <math.h>
#include <stdint.h>

#define HELPER static __attribute__((unused))
#define VECTOR 8
#define SMALLEST 1e-290       /* a share that is still exact */
enum { DONE, TOO_SMALL, NO_TAG };

typedef struct {
    int64_t steps, batch, tags;
    const real *scores, *step, *first, *last;
    const int64_t *lengths;
} chain;

HELPER long wide_of(const chain *c) { return (c->tags + VECTOR - 1) / VECTOR * VECTOR; }
HELPER const real *word_of(const chain *c, long t, long b) { return c->scores + (t * c->batch + b) * c->tags; }

HELPER double largest(const real *v, long n)
{
    double most = -INFINITY;
    for (long k = 0; k < n; k++) most = v[k] > most ? v[k] : most;
    return most;
}

/* to[j] = e^(v[j] - top), 0 beyond */
HELPER void exponentials(const real *v, long n, double top, long wide, double *to)
{
    for (long j = 0; j < n; j++) to[j] = exp(v[j] - top);
    for (long j = n; j < wide; j++) to[j] = 0;
}

/* to = v M for M (n, wide) */
HELPER void product(const double *v, const double *m, long n, long wide, double *restrict to)
{
    for (long j = 0; j < wide; j++) to[j] = 0;
    for (long i = 0; i < n; i++)
        for (long j = 0; j < wide; j++) to[j] += v[i] * m[i * wide + j];
}

/* Whether what may follow what lets a tag stand where its share is as good as nothing. */
HELPER int may_stand(const chain *c, const double *before, long j)
{
    if (!before) return c->first[j] > -INFINITY;
    for (long i = 0; i < c->tags; i++)
        if (before[i] > 0 && c->step[i * c->tags + j] > -INFINITY) return 1;
    return 0;
}

typedef struct { double *step, *turned, *first, *last, *after, *read, *words, *shares, *grown, *pairs; } tables;

HELPER tables tables_in(const chain *c, double *work)
{
    const long w = wide_of(c);
    tables s = {.step = work, .turned = work + w * w, .pairs = work + 2 * w * w, .first = work + 3 * w * w};
    s.last = s.first + w, s.after = s.last + w, s.read = s.after + w, s.words = s.read + w;
    s.shares = s.words + c->steps * w, s.grown = s.shares + c->steps * w;
    return s;
}

/* Numbers of working memory. */
int64_t chain_room(int64_t steps, int64_t tags)
{
    const long w = (tags + VECTOR - 1) / VECTOR * VECTOR;
    return 3 * w * w + 4 * w + steps * (2 * w + 1);
}

/* Shares of the tags at each word, which add up to 1, and by how much they grew (Rabiner 1989, section V.A). */
HELPER int forward_row(const chain *c, const tables *s, long b, double *total)
{
    const long n = c->tags, w = wide_of(c);
    double ends = 0, logs = 0;
    for (long t = 0; t < c->lengths[b]; t++) {
        double *share = s->shares + t * w, *before = t ? share - w : 0, *words = s->words + t * w, sum = 0;
        const double most = largest(word_of(c, t, b), n);
        exponentials(word_of(c, t, b), n, most, w, words);
        if (t) product(before, s->step, n, w, share);
        for (long j = 0; j < w; j++) share[j] = words[j] * (t ? share[j] : s->first[j]);
        for (long j = 0; j < n; j++) sum += share[j];
        for (long j = 0; j < w; j++) share[j] /= sum;
        for (long j = 0; j < n; j++)
            if (!(share[j] > SMALLEST) && may_stand(c, before, j)) return TOO_SMALL;
        s->grown[t] = sum, logs += log(sum) + most;
    }
    const double *share = s->shares + (c->lengths[b] - 1) * w;
    for (long j = 0; j < n; j++) ends += share[j] * s->last[j];
    if (!(ends > SMALLEST)) return TOO_SMALL;
    return *total = logs + log(ends), DONE;
}

/* Each tag's probability at each word, and how often each is expected behind each: (tags, tags). */
HELPER void backward_row(const chain *c, const tables *s, long b, double *chances, double *pairs)
{
    const long n = c->tags, w = wide_of(c), length = c->lengths[b];
    double ends = 0;
    for (long j = 0; j < n; j++) ends += s->shares[(length - 1) * w + j] * s->last[j];
    for (long j = 0; j < w; j++) s->after[j] = s->last[j];
    for (long k = 0; k < w * w; k++) s->pairs[k] = 0;
    for (long t = c->steps - 1; t >= length; t--)
        for (long j = 0; j < n; j++) chances[(t * c->batch + b) * n + j] = 0;
    for (long t = length - 1; t >= 0; t--) {
        const double *share = s->shares + t * w, *before = share - w;
        for (long j = 0; j < n; j++) chances[(t * c->batch + b) * n + j] = share[j] * s->after[j] / ends;
        if (!t) break;
        for (long j = 0; j < w; j++) s->read[j] = s->words[t * w + j] * s->after[j] / s->grown[t];
        for (long i = 0; i < n; i++)
            for (long j = 0; j < w; j++) s->pairs[i * w + j] += before[i] * s->read[j];
        product(s->read, s->turned, n, w, s->after);
    }
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++) pairs[i * n + j] = s->pairs[i * w + j] * s->step[i * w + j] / ends;
}

/* Takes the true tags of a row off: their score off the total, 1 off each count. */
HELPER int less_true(const chain *c, long b, const int64_t *tags, double *total, double *chances, double *pairs)
{
    const long n = c->tags;
    for (long t = 0, before = 0; t < c->lengths[b]; t++) {
        const int64_t tag = tags[t * c->batch + b];
        if (tag < 0 || tag >= n) return NO_TAG;
        *total -= (double)word_of(c, t, b)[tag] + (t ? c->step[before * n + tag] : c->first[tag]);
        if (chances) chances[(t * c->batch + b) * n + tag] -= 1;
        if (chances && t) pairs[before * n + tag] -= 1;
        before = tag;
        if (t == c->lengths[b] - 1) *total -= c->last[tag];
    }
    return DONE;
}

/* total (B); where they are given, chances (T, B, K) and pairs (B, K, K). With true tags (T, B): less what
 * these have. */
int chain_sums(const chain *c, const int64_t *tags, double *work, double *total, double *chances, double *pairs)
{
    const long n = c->tags, w = wide_of(c);
    const tables s = tables_in(c, work);
    const double top = largest(c->step, n * n), first = largest(c->first, n), last = largest(c->last, n);
    for (long k = 0; k < 2 * w * w; k++) s.step[k] = 0;
    for (long i = 0; i < n; i++) exponentials(c->step + i * n, n, top, w, s.step + i * w);
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++) s.turned[j * w + i] = s.step[i * w + j];
    exponentials(c->first, n, first, w, s.first);
    exponentials(c->last, n, last, w, s.last);
    for (long b = 0; b < c->batch; b++) {
        double *counted = pairs ? pairs + b * n * n : 0;
        int failed = forward_row(c, &s, b, total + b);
        if (failed) return failed;
        total[b] += first + last + (c->lengths[b] - 1) * top;
        if (chances) backward_row(c, &s, b, chances, counted);
        if (tags && (failed = less_true(c, b, tags, total + b, chances, counted))) return failed;
    }
    return DONE;
}

/* The best tags (T, B), by the algorithm of Viterbi (1967), 0 past a row's end; of equal ones the first.
 * `from`: (T, wide). */
void chain_best(const chain *c, double *work, int64_t *from, int64_t *tags)
{
    const long n = c->tags, w = wide_of(c);
    double *step = work, *best = work + w * w, *going = best + w;
    for (long k = 0; k < w * w; k++) step[k] = k % w < n && k < n * w ? c->step[k / w * n + k % w] : -INFINITY;
    for (long b = 0; b < c->batch; b++) {
        const long length = c->lengths[b];
        for (long j = 0; j < w; j++) best[j] = j < n ? (double)word_of(c, 0, b)[j] + c->first[j] : -INFINITY;
        for (long t = 1; t < length; t++) {
            int64_t *back = from + t * w;
            for (long j = 0; j < w; j++) going[j] = best[0] + step[j], back[j] = 0;
            for (long i = 1; i < n; i++)
                for (long j = 0; j < w; j++) {
                    const double way = best[i] + step[i * w + j];
                    back[j] = way > going[j] ? i : back[j];
                    going[j] = way > going[j] ? way : going[j];
                }
            for (long j = 0; j < n; j++) best[j] = going[j] + word_of(c, t, b)[j];
        }
        long tag = 0;
        for (long j = 1; j < n; j++) tag = best[j] + c->last[j] > best[tag] + c->last[tag] ? j : tag;
        for (long t = c->steps - 1; t >= length; t--) tags[t * c->batch + b] = 0;
        for (long t = length - 1; t >= 0; t--) {
            tags[t * c->batch + b] = tag;
            if (t) tag = from[t * w + tag];
        }
    }
}
