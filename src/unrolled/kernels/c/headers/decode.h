/* The sequences that a beam search finds for some sentences, in one call: rows step (decode_step.h), and the
 * likeliest go on. models/search.py says the same in Python.
 *
 * A row is a hypothesis; those of a sentence stand beside each other. One that ends leaves the rows and
 * narrows its sentence's beam. No row's numbers depend on which others stand beside it: products add up in
 * the same order for any number of rows. */

/* Puts a candidate among the best so far. They come by row and by symbol: of two alike the first one stays
 * in front. */
HELPER long put(candidate *best, long count, long most, candidate c)
{
    if (count == most && !(c.total > best[most - 1].total)) return count;
    long at = count < most ? count : most - 1;
    for (; at > 0 && c.total > best[at - 1].total; at--) best[at] = best[at - 1];
    best[at] = c;
    return count < most ? count + 1 : most;
}

/* The best that a row could go on with, at most `most`. Returns how many they are; -1 where its logits are
 * not numbers. */
HELPER long bet(const int64_t *a, long step, long row, candidate *best, long most, int64_t *past)
{
    const long V = a[slot_symbols], block = 8 * LANES;
    real *l = AT(real, logits) + row * V;
    const real top = largest(l, V), sum = exponentials(l, V, top, 0);
    if (!(sum > 0 && sum < INFINITY)) return -1;
    forbid(a, step, row, l, past);
    const double base = AT(double, totals)[row] - (double)top - log((double)sum);
    long count = 0;
    for (long v = 0; v < V; v += block) {
        const long end = v + block < V ? v + block : V;
        const double high = base + (double)largest(l + v, end - v);
        if (!(high > -INFINITY) || (count == most && !(high > best[most - 1].total))) continue;
        for (long u = v; u < end; u++)
            if (l[u] > -INFINITY) count = put(best, count, most, (candidate){base + (double)l[u], row, u});
    }
    return count;
}

/* All rows bet, each in one of the threads. */
HELPER void bet_rows(const int64_t *a, const worker *w, long step)
{
    const sentence *s = AT(sentence, sentences_at);
    for (long g = 0; g < a[slot_sentences]; g++)
        for (long r = s[g].first; r < s[g].first + s[g].count; r++)
            if (r % w->team == w->me)
                AT(int64_t, counts)[r] = bet(a, step, r, AT(candidate, bets) + r * a[slot_beam], s[g].open,
                                             AT(int64_t, past) + w->me * a[slot_steps]);
    meet(w);
}

/* Of what a sentence's rows bet the best go on or are found. `next`: the first free row of the step to come;
 * returns the one behind, -1 where logits were not numbers. */
HELPER long keep(int64_t *a, sentence *s, long step, long next)
{
    const long R = a[slot_rows], beam = a[slot_beam], place = (s - AT(sentence, sentences_at)) * beam;
    candidate *best = AT(candidate, best);
    long count = 0;
    for (long r = s->first; r < s->first + s->count; r++) {
        const long bets = AT(int64_t, counts)[r];
        if (bets < 0) return -1;
        for (long i = 0; i < bets; i++) count = put(best, count, s->open, AT(candidate, bets)[r * beam + i]);
    }
    s->first = next;
    for (long i = 0; i < count; i++) {
        const candidate c = best[i];
        if (c.symbol == END || step + 1 == s->limit) {
            int64_t *found = AT(int64_t, found) + (place + s->found) * 3;
            found[0] = step, found[1] = c.row, found[2] = c.symbol;
            AT(double, found_totals)[place + s->found++] = c.total;
            s->open--;
        } else {
            AT(int64_t, symbols_at)[step * R + next] = c.symbol, AT(int64_t, parents)[step * R + next] = c.row;
            AT(double, next_totals)[next++] = c.total;
        }
    }
    s->count = next - s->first;
    return next;
}

/* Rows go on from their parents: states, totals, symbols, what was said. */
HELPER void inherit(int64_t *a, long rows, long step)
{
    const long E = a[slot_embedding], R = a[slot_rows];
    const int64_t *parents = AT(int64_t, parents) + step * R;
    for (long k = 0; k < a[slot_states]; k++) {
        const int64_t *state = AT(int64_t, states_at) + 3 * k;
        const long wide = state[2];
        for (long r = 0; r < rows; r++)
            memcpy((real *)state[0] + r * wide, (const real *)state[1] + parents[r] * wide,
                (size_t)wide * sizeof(real));
    }
    for (long r = 0; a[slot_fed] && r < rows; r++)
        memcpy(AT(real, before) + r * E, AT(real, said) + parents[r] * E, (size_t)E * sizeof(real));
    memcpy(AT(double, totals), AT(double, next_totals), (size_t)rows * sizeof(double));
    memcpy(AT(int64_t, tokens), AT(int64_t, symbols_at) + step * R, (size_t)rows * sizeof(int64_t));
}

/* The rows of the step to come; 0 where there is none, or where logits were not numbers. */
HELPER long go_on(decoding *d, long step)
{
    int64_t *a = d->a;
    long rows = 0;
    for (long g = 0; g < a[slot_sentences] && rows >= 0; g++)
        rows = keep(a, AT(sentence, sentences_at) + g, step, rows);
    if (rows < 0) return d->failed = 1, 0;
    inherit(a, rows, step);
    return rows;
}

static void decode_part(void *argument, int me, int team)
{
    decoding *d = argument;
    int64_t *a = d->a;
    const int split = (int)a[slot_split], alone = SCREENS && a[slot_screen] && a[slot_sentences] == 1;
    const weight *packed = AT(weight, packed) + me * slice_room(a, team);
    worker w = {0, split ? 0 : me, split ? 1 : team, 0, split, 0, me, team, AT(int64_t, tokens),
                AT(real, work) + me * a[slot_work_size], &d->barrier};
    if (a[slot_packed_for] != team) pack_slice(a, (weight *)packed, me, team);
    for (long step = 0; d->rows && step < a[slot_steps]; step++) {
        w.batch = d->rows, w.count = split ? w.batch : w.batch > me ? (w.batch - me + team - 1) / team : 0;
        real *weights = AT(real, weights) + step * a[slot_rows] * a[slot_longest];
        const weight *head = step_rows(a, &w, packed, weights);
        if (alone) {
            pick(a, &w, step);
        } else {
            logits_of(a, &w, head, AT(real, said));
            bet_rows(a, &w, step);
        }
        if (me == 0) d->rows = go_on(d, step);
        meet(&w);
    }
    packed += pack_slice(a, 0, me, team) - columns_size(a[slot_symbols], a[slot_embedding], me, team);
    if (alone && !d->failed) score(d, &w, packed);
    if (me == 0) a[slot_packed_for] = team;
}

/* Back from the end of what was found: each symbol, which row it came from, and what that row looked at. */
HELPER void trace(const int64_t *a, long number, long size)
{
    const long R = a[slot_rows], apart = a[slot_longest], steps = a[slot_steps];
    const int64_t *found = AT(int64_t, found) + 3 * number;
    int64_t symbol = found[2], row = found[1];
    for (long t = found[0]; t >= 0; t--) {
        const long to = number * steps + t, before = (t - 1) * R + row;
        AT(int64_t, written)[to] = symbol;
        const real *from = AT(real, weights) + (t * R + row) * apart;
        memcpy(AT(real, looked) + to * apart, from, (size_t)size * sizeof(real));
        if (t) symbol = AT(int64_t, symbols_at)[before], row = AT(int64_t, parents)[before];
    }
}

/* Returns 1 where logits were not numbers. */
int decode(int64_t *a)
{
    decoding d = {a, {0}, a[slot_sentences], 0};
    const sentence *s = AT(sentence, sentences_at);
    run_team(a + slot_gomp, decode_part, &d, (int)a[slot_wanted]);
    for (long g = 0; g < a[slot_sentences] && !d.failed; g++)
        for (long i = 0; i < s[g].found; i++) trace(a, g * a[slot_beam] + i, s[g].read);
    return d.failed;
}
