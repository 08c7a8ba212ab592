/* The sequences that a beam search finds for some sentences, in one call: symbols' vectors are looked up, the
 * first layer steps, looks at what was read of its sentence, the layers above step, the output layer bets, the
 * likeliest go on. Emitted before this: `slot_...`, the places of the arguments; `step_layer` and `pack_layer`.
 * models/search.py says the same in Python.
 *
 * A row is a hypothesis; those of a sentence stand beside each other. One that ends leaves the rows and narrows
 * its sentence's beam. No row's numbers depend on which others stand beside it: products add up in the same
 * order for any number of rows. */

#define AT(type, name) ((type *)a[slot_##name])
enum { PADDING, START, END };

/* As Python makes them, ten numbers each. `read`: places that were read; keys (read, query) and values (value,
 * read), which is turned, and both again as they are packed; then which rows are its, how many it may still
 * choose, how many are found. */
typedef struct { int64_t read, limit, keys, values, packed_keys, packed_values, first, count, open,
                         found; } sentence;
typedef struct { double total; long row, symbol; } candidate;

/* Packs all weights, or counts their numbers where `to` is NULL. */
HELPER long pack_all(const int64_t *a, weight *to)
{
    const long A = a[slot_query], E = a[slot_embedding], V = a[slot_symbols], K = a[slot_top] + a[slot_value];
    long size = 0;
    for (long n = 0; n < a[slot_layers]; n++)
        size += pack_layer(n, AT(int64_t *, calls)[n], to ? to + size : 0, 0, 1);
    if (a[slot_additive]) size += thin_pack(to ? to + size : 0, AT(real, ask), A, A, A, 0);
    size += thin_pack(to ? to + size : 0, AT(real, out), E, K, E, 0);
    return size + thin_pack(to ? to + size : 0, AT(real, vectors), V, E, V, 0);
}

/* Bytes that packed weights take, and those of a sentence of so many places. */
int64_t room(const int64_t *a) { return pack_all(a, 0) * (int64_t)sizeof(weight); }

int64_t memory_room(const int64_t *a, int64_t read, int64_t keys)
{
    return (keys ? thin_size(read, a[slot_query]) : thin_size(a[slot_value], read)) * (int64_t)sizeof(weight);
}

void pack_weights(int64_t *a) { pack_all(a, AT(weight, packed)); }

/* sum[j] over lanes in a fixed order */
HELPER real largest(const real *l, long n)
{
    real lanes[LANES], most = -INFINITY;
    long v = 0;
    for (long j = 0; j < LANES; j++) lanes[j] = -INFINITY;
    for (; v + LANES <= n; v += LANES)
        for (long j = 0; j < LANES; j++) lanes[j] = l[v + j] > lanes[j] ? l[v + j] : lanes[j];
    for (; v < n; v++) most = l[v] > most ? l[v] : most;
    for (long j = 0; j < LANES; j++) most = lanes[j] > most ? lanes[j] : most;
    return most;
}

/* The sum of e^(l - top); where `to` is given, each of them. */
HELPER real exponentials(const real *l, long n, real top, real *to)
{
    real lanes[LANES] = {0}, sum = 0;
    long v = 0;
    for (; v + LANES <= n; v += LANES)
        for (long j = 0; j < LANES; j++) {
            const real e = exp_(l[v + j] - top);
            lanes[j] += e;
            if (to) to[v + j] = e;
        }
    for (; v < n; v++) {
        const real e = exp_(l[v] - top);
        sum += e;
        if (to) to[v] = e;
    }
    for (long j = 0; j < LANES; j++) sum += lanes[j];
    return sum;
}

/* v_a tanh(q + k), summed up in lanes. */
HELPER real additive(const real *q, const real *k, const real *v, long n)
{
    real lanes[LANES] = {0}, sum = 0;
    long i = 0;
    for (; i + LANES <= n; i += LANES)
        for (long j = 0; j < LANES; j++) lanes[j] += v[i + j] * tanh_(q[i + j] + k[i + j]);
    for (; i < n; i++) sum += v[i] * tanh_(q[i] + k[i]);
    for (long j = 0; j < LANES; j++) sum += lanes[j];
    return sum;
}

/* What the rows of a sentence look at: `weights`, `longest` apart, and the mean of the values under them. */
HELPER void look(const int64_t *a, const sentence *s, const real *query, real *weights, real *context)
{
    const long A = a[slot_query], M = a[slot_value], S = s->read, apart = a[slot_longest];
    if (!a[slot_additive])
        thin_product(s->count, S, A, query, A, (const weight *)s->packed_keys, weights, apart);
    for (long r = 0; r < s->count; r++) {
        real *w = weights + r * apart;
        for (long place = 0; a[slot_additive] && place < S; place++)
            w[place] = additive(query + r * A, (const real *)s->keys + place * A, AT(real, additive_v), A);
        const real sum = exponentials(w, S, largest(w, S), w);
        for (long place = 0; place < S; place++) w[place] /= sum;
    }
    thin_product(s->count, M, S, weights, apart, (const weight *)s->packed_values, context, M);
}

/* Rows of two matrices side by side. */
HELPER void join(real *to, long rows, const real *x, long wide, const real *y, long more)
{
    for (long r = 0; r < rows; r++, to += wide + more) {
        memcpy(to, x + r * wide, (size_t)wide * sizeof(real));
        memcpy(to + wide, y + r * more, (size_t)more * sizeof(real));
    }
}

HELPER void add_rows(real *to, long rows, const real *bias, long n)
{
    for (long r = 0; r < rows; r++)
        for (long j = 0; j < n; j++) to[r * n + j] += bias[j];
}

/* One step of all rows, up to their logits. */
HELPER void step_rows(const int64_t *a, const sentence *s, worker *w, const int64_t *tokens, real *weights)
{
    const long E = a[slot_embedding], A = a[slot_query], M = a[slot_value], top = a[slot_top], rows = w->count;
    const long fed = a[slot_fed] ? E : 0;
    real *x = AT(real, x), *context = AT(real, context), *joined = AT(real, joined), *said = AT(real, said);
    const weight *at = AT(weight, packed);
    for (long r = 0; r < rows; r++) {
        memcpy(x + r * (E + fed), AT(real, vectors) + tokens[r] * E, (size_t)E * sizeof(real));
        memcpy(x + r * (E + fed) + E, AT(real, before) + r * E, (size_t)fed * sizeof(real));
    }
    const real *y = step_layer(0, w, AT(int64_t *, calls)[0], x, &at), *query = y;
    const weight *above = at;
    for (long n = 1; n < a[slot_layers]; n++) above += pack_layer(n, AT(int64_t *, calls)[n], 0, 0, 1);
    if (a[slot_additive]) {
        thin_product(rows, A, A, y, A, above, AT(real, asked), A);
        add_rows(AT(real, asked), rows, AT(real, ask_bias), A);
        query = AT(real, asked), above += thin_size(A, A);
    }
    for (const sentence *one = s; one < s + a[slot_sentences]; one++)
        if (one->count)
            look(a, one, query + one->first * A, weights + one->first * a[slot_longest],
                context + one->first * M);
    join(joined, rows, y, A, context, M);
    for (long n = 1; n < a[slot_layers]; n++)
        y = step_layer(n, w, AT(int64_t *, calls)[n], n > 1 ? y : joined, &at);
    join(joined, rows, y, top, context, M);
    thin_product(rows, E, top + M, joined, top + M, above, said, E);
    add_rows(said, rows, AT(real, out_bias), E);
    for (long j = 0; j < rows * E; j++) said[j] = tanh_(said[j]);
    thin_product(rows, a[slot_symbols], E, said, E, above + thin_size(E, top + M), AT(real, logits),
        a[slot_symbols]);
}

/* Makes impossible what is never written, and what would let some symbols stand there a second
 * time in the same order. */
HELPER void forbid(const int64_t *a, long step, long row, real *l)
{
    const long n = a[slot_distinct], R = a[slot_rows];
    int64_t *written = AT(int64_t, written);
    l[PADDING] = l[START] = -INFINITY;
    if (n < 1 || step < n) return;
    for (long t = step - 1, r = row; t >= 0; r = AT(int64_t, parents)[t * R + r], t--)
        written[t] = AT(int64_t, symbols_at)[t * R + r];
    for (long at = 0; at + n <= step; at++)
        if (!memcmp(written + at, written + step - n + 1, (size_t)(n - 1) * sizeof *written))
            l[written[at + n - 1]] = -INFINITY;
}

/* Puts a candidate among the best so far. They come by row and by symbol: of two alike the
 * first one stays in front. */
HELPER long put(candidate *best, long count, long most, candidate c)
{
    if (count == most && !(c.total > best[most - 1].total)) return count;
    long at = count < most ? count : most - 1;
    for (; at > 0 && c.total > best[at - 1].total; at--) best[at] = best[at - 1];
    best[at] = c;
    return count < most ? count + 1 : most;
}

/* Adds what a row could go on with. Returns how many there are now; -1 where its logits are not numbers. */
HELPER long bet(const int64_t *a, long step, long row, candidate *best, long count, long most)
{
    const long V = a[slot_symbols], block = 8 * LANES;
    real *l = AT(real, logits) + row * V;
    add_rows(l, 1, AT(real, bias), V);
    const real top = largest(l, V), sum = exponentials(l, V, top, 0);
    if (!(sum > 0 && sum < INFINITY)) return -1;
    forbid(a, step, row, l);
    const double base = AT(double, totals)[row] - (double)top - log((double)sum);
    for (long v = 0; v < V; v += block) {
        const long end = v + block < V ? v + block : V;
        const double high = base + (double)largest(l + v, end - v);
        if (!(high > -INFINITY) || (count == most && !(high > best[most - 1].total))) continue;
        for (long u = v; u < end; u++)
            if (l[u] > -INFINITY) count = put(best, count, most, (candidate){base + (double)l[u], row, u});
    }
    return count;
}

/* The best go on or are found. `next`: the first free row of the step to come; returns the one behind. */
HELPER long keep(int64_t *a, sentence *s, long step, const candidate *best, long count, long next)
{
    const long R = a[slot_rows], place = (s - AT(sentence, sentences_at)) * a[slot_beam];
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

/* Rows go on from their parents: states, totals, what was said. */
HELPER void inherit(int64_t *a, long rows, const int64_t *parents)
{
    const long E = a[slot_embedding];
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
}

/* Returns 1 where logits were not numbers. */
int decode(int64_t *a)
{
    const long R = a[slot_rows], G = a[slot_sentences], A = a[slot_query], M = a[slot_value];
    sentence *s = AT(sentence, sentences_at);
    int64_t *tokens = AT(int64_t, tokens);
    long rows = G;
    for (long g = 0; g < G; g++) {
        thin_pack((weight *)s[g].packed_keys, (const real *)s[g].keys, s[g].read, A, s[g].read, 0);
        thin_pack((weight *)s[g].packed_values, (const real *)s[g].values, M, s[g].read, M, 0);
        s[g].first = g, s[g].count = 1, s[g].open = a[slot_beam], s[g].found = 0, tokens[g] = START;
        AT(double, totals)[g] = 0;
    }
    for (long step = 0; rows && step < a[slot_steps]; step++) {
        worker w = {rows, 0, 1, rows, 0, 0, 0, 1, tokens, AT(real, work), 0};
        step_rows(a, s, &w, tokens, AT(real, weights) + step * R * a[slot_longest]);
        rows = 0;
        for (long g = 0; g < G; g++) {
            long count = 0;
            for (long r = 0; r < s[g].count && count >= 0; r++)
                count = bet(a, step, s[g].first + r, AT(candidate, best), count, s[g].open);
            if (count < 0) return 1;
            rows = keep(a, s + g, step, AT(candidate, best), count, rows);
        }
        inherit(a, rows, AT(int64_t, parents) + step * R);
        memcpy(tokens, AT(int64_t, symbols_at) + step * R, (size_t)rows * sizeof *tokens);
    }
    return 0;
}
