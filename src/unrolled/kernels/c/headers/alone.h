/* One sentence, one hypothesis: a step then waits for weights and for nothing else. Its symbol is found by
 * the screen, without the other symbols' logits; how probable it was is worked out behind the last step, of
 * all steps at once, whose logits are then a product of many rows. To the last bit it is what decode.h
 * finds. */

/* Makes impossible what is never written, and what would let some symbols stand there a second time in the
 * same order. `past`: room for what the row has written. */
HELPER void forbid(const int64_t *a, long step, long row, real *l, int64_t *past)
{
    const long n = a[slot_distinct], R = a[slot_rows];
    const int64_t *symbols = AT(int64_t, symbols_at), *parents = AT(int64_t, parents);
    l[PADDING] = l[START] = -INFINITY;
    if (n < 1 || step < n) return;
    for (long t = step - 1, r = row; t >= 0; r = parents[t * R + r], t--) past[t] = symbols[t * R + r];
    for (long at = 0; at + n <= step; at++)
        if (!memcmp(past + at, past + step - n + 1, (size_t)(n - 1) * sizeof *past))
            l[past[at + n - 1]] = -INFINITY;
}

#if SCREENS
typedef struct { real logit; long symbol; } winner;

/* The logits of up to LANES symbols, each summed up as in few_rows.h; the likeliest wins, the first one of
 * two alike. */
HELPER void consider(const int64_t *a, const long *symbols, long count, winner *best)
{
    const long E = a[slot_embedding];
    real *panel = AT(real, panel), l[LANES];
    for (long j = 0; j < count; j++)
        for (long k = 0; k < E; k++) panel[k * LANES + j] = AT(real, vectors)[symbols[j] * E + k];
    thin_1(1, E, AT(real, said), E, panel, l, LANES);
    for (long j = 0; j < count; j++) {
        const winner one = {l[j] + AT(real, bias)[symbols[j]], symbols[j]};
        if (one.logit > best->logit || (one.logit == best->logit && one.symbol < best->symbol)) *best = one;
    }
}

/* The likeliest symbol by upper bounds of all logits; -1 where there are no numbers. */
HELPER long likeliest(const int64_t *a, real *bounds)
{
    const long V = a[slot_symbols], block = 8 * LANES;
    const real top = largest(bounds, V);
    long first = 0, some[LANES], count = 0;
    winner best = {-INFINITY, -1};
    if (!(top > -INFINITY)) return -1;
    while (largest(bounds + first, first + block < V ? block : V - first) < top) first += block;
    while (bounds[first] != top) first++;
    consider(a, &first, 1, &best);
    bounds[first] = -INFINITY;
    for (long v = 0; v < V; v += block) {
        const long end = v + block < V ? v + block : V;
        if (!(largest(bounds + v, end - v) >= best.logit)) continue;
        for (long u = v; u < end; u++) {
            if (!(bounds[u] >= best.logit)) continue;
            some[count++] = u;
            if (count == LANES) consider(a, some, count, &best), count = 0;
        }
    }
    consider(a, some, count, &best);
    return best.symbol;
}

/* The symbol that a step writes; its probability is not known yet. */
HELPER void pick(const int64_t *a, const worker *w, long step)
{
    const long E = a[slot_embedding], V = a[slot_symbols];
    const screen s = screen_at(AT(char, screen), V, E);
    const screened_row row = screen_row(AT(real, said), E, AT(uint8_t, bytes) + w->me * (E + 64));
    for (long p = s.panels * w->me / w->team; p < s.panels * (w->me + 1) / w->team; p++)
        bound_panel(&s, p, &row, AT(real, bias), V, AT(real, logits));
    meet(w);
    if (w->me) return;
    memcpy(AT(real, sayings) + step * E, AT(real, said), (size_t)E * sizeof(real));
    forbid(a, step, 0, AT(real, logits), AT(int64_t, past));
    const long symbol = likeliest(a, AT(real, logits));
    AT(candidate, bets)[0] = (candidate){0, 0, symbol};
    AT(int64_t, counts)[0] = symbol < 0 ? -1 : 1;
}

/* How probable what was found is: as `bet` adds it up. */
HELPER void score(decoding *d, const worker *w, const weight *head)
{
    const int64_t *a = d->a, *found = AT(int64_t, found);
    const long V = a[slot_symbols], steps = found[0] + 1;
    double total = 0, *tops = AT(double, next_totals), *sums = AT(double, totals);
    for (long first = 0; first < steps; first += a[slot_capacity]) {
        worker many = *w;
        many.batch = steps - first < a[slot_capacity] ? steps - first : a[slot_capacity];
        logits_of(a, &many, head, AT(real, sayings) + first * a[slot_embedding]);
        for (long r = w->me; r < many.batch; r += w->team) {
            const real *l = AT(real, logits) + r * V;
            const real top = largest(l, V);
            tops[r] = (double)top, sums[r] = (double)exponentials(l, V, top, 0);
        }
        meet(w);
        for (long r = 0; w->me == 0 && r < many.batch; r++) {
            const long step = first + r, symbol = step + 1 < steps ? AT(int64_t, symbols_at)[step] : found[2];
            if (!(sums[r] > 0 && sums[r] < (double)INFINITY)) d->failed = 1;
            total = total - tops[r] - log(sums[r]) + (double)AT(real, logits)[r * V + symbol];
        }
        meet(w);
    }
    if (w->me == 0) AT(double, found_totals)[0] = total;
}
#else
HELPER void pick(const int64_t *a, const worker *w, long step) { (void)a, (void)w, (void)step; }
HELPER void score(decoding *d, const worker *w, const weight *head) { (void)d, (void)w, (void)head; }
#endif

/* Bytes that the screen takes; 0 where the processor has no such instructions. */
int64_t screen_room(const int64_t *a)
{
#if SCREENS
    return screen_bytes(a[slot_symbols], a[slot_embedding]);
#else
    return 0 * a[slot_symbols];
#endif
}

void make_screen(const int64_t *a)
{
#if SCREENS
    pack_screen(AT(char, screen), AT(real, vectors), a[slot_symbols], a[slot_embedding]);
#endif
    (void)a;
}
