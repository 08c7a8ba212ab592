/* One step of a sequence that is found by beam search (decode.h): symbols' vectors are looked up, the first
 * layer steps, looks at what was read of its sentence, the layers above step, the output layer bets. Emitted
 * before this: `slot_...`, the places of the arguments, and AT; `step_layer` and `pack_layer`.
 *
 * One team stays for the whole call. Its threads share out the columns of every product, so that each reads
 * its own part of the weights only; layers whose units cannot be shared out (split = 0) run a part of the
 * rows in each thread. Sentences look, and rows bet, one after the other, each in one of the threads.
 * Barriers (`meet`) stand before what reads others' results. */

enum { PADDING, START, END };

/* As Python makes them, eight numbers each. `read`: places that were read; keys (read, query) and values
 * (read, value); then which rows are its, how many it may still choose, how many are found. */
typedef struct { int64_t read, limit, keys, values, first, count, open, found; } sentence;
typedef struct { double total; long row, symbol; } candidate;

/* What the threads share. */
typedef struct { int64_t *a; barrier_t barrier; long rows; int failed; } decoding;

HELPER void meet(const worker *w) { barrier_wait(w->barrier, w->me, w->team); }

/* A thread's columns of a matrix of N, K deep: packs them, or counts their numbers where `to` is NULL. */
HELPER long pack_columns(weight *to, const real *from, long N, long K, int slice, int slices)
{
    const long low = unit_of(N, slice, slices), columns = unit_of(N, slice + 1, slices) - low;
    return thin_pack(to, from + low * K, columns, K, columns ? columns : 1, 0);
}

/* A thread's columns of all rows' products with it. */
HELPER void columns_product(const worker *w, long N, long K, const real *x, const weight **packed, real *to)
{
    const long low = unit_of(N, w->me, w->team), columns = unit_of(N, w->me + 1, w->team) - low;
    thin_product(w->batch, columns, K, x, K, *packed, to + low, N);
    *packed += thin_size(columns, K);
}

HELPER long columns_size(long N, long K, int slice, int slices)
{
    return thin_size(unit_of(N, slice + 1, slices) - unit_of(N, slice, slices), K);
}

/* Packs a thread's slice of all weights, or counts its numbers. */
HELPER long pack_slice(const int64_t *a, weight *to, int slice, int slices)
{
    const long A = a[slot_query], E = a[slot_embedding], V = a[slot_symbols], K = a[slot_top] + a[slot_value];
    const int part = a[slot_split] ? slice : 0, parts = a[slot_split] ? slices : 1;
    long size = 0;
    for (long n = 0; n < a[slot_layers]; n++)
        size += pack_layer(n, AT(int64_t *, calls)[n], to ? to + size : 0, part, parts);
    if (a[slot_additive]) size += pack_columns(to ? to + size : 0, AT(real, ask), A, A, slice, slices);
    size += pack_columns(to ? to + size : 0, AT(real, out), E, K, slice, slices);
    return size + pack_columns(to ? to + size : 0, AT(real, vectors), V, E, slice, slices);
}

int64_t room(const int64_t *a) { return slices_room(a, a[slot_wanted]); }

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

/* q k, summed up in lanes. */
HELPER real inner(const real *q, const real *k, long n)
{
    vec lanes = {0};
    real sum = 0;
    long i = 0;
    for (; i + LANES <= n; i += LANES) lanes += *(const loose_vec *)(q + i) * *(const loose_vec *)(k + i);
    for (; i < n; i++) sum += q[i] * k[i];
    for (long j = 0; j < LANES; j++) sum += lanes[j];
    return sum;
}

/* What a row looks at: the weights of its sentence's places, and the mean of the values under them. */
HELPER void look(const int64_t *a, const sentence *s, const real *query, real *weights, real *context)
{
    const long A = a[slot_query], M = a[slot_value], S = s->read;
    const real *key = (const real *)s->keys, *value = (const real *)s->values, *v = AT(real, additive_v);
    for (long place = 0; place < S; place++, key += A)
        weights[place] = a[slot_additive] ? additive(query, key, v, A) : inner(query, key, A);
    const real sum = exponentials(weights, S, largest(weights, S), weights);
    memset(context, 0, (size_t)M * sizeof(real));
    for (long place = 0; place < S; place++, value += M) {
        weights[place] /= sum;
        for (long j = 0; j < M; j++) context[j] += weights[place] * value[j];
    }
}

/* A thread's columns of some rows, with a bias. */
HELPER void add_bias(const worker *w, real *to, const real *bias, long N)
{
    const long low = unit_of(N, w->me, w->team), high = unit_of(N, w->me + 1, w->team);
    for (long r = 0; r < w->batch; r++)
        for (long j = low; j < high; j++) to[r * N + j] += bias[j];
}

/* What the first layer reads where it does not look its symbols' products up: their vectors, and what was
 * said before. */
HELPER void spell_out(const int64_t *a, const worker *w, real *x)
{
    const long E = a[slot_embedding], fed = a[slot_fed] ? E : 0;
    for (long r = w->me; r < w->batch; r += w->team) {
        memcpy(x + r * (E + fed), AT(real, vectors) + w->token[r] * E, (size_t)E * sizeof(real));
        memcpy(x + r * (E + fed) + E, AT(real, before) + r * E, (size_t)fed * sizeof(real));
    }
}

/* Rows' outputs before what they looked at. */
HELPER void join(const int64_t *a, long r, const real *y, long wide)
{
    const long M = a[slot_value];
    real *to = AT(real, joined) + r * (wide + M);
    memcpy(to, y + r * wide, (size_t)wide * sizeof(real));
    memcpy(to + wide, AT(real, context) + r * M, (size_t)M * sizeof(real));
}

/* Attention of all rows; each sentence's are one thread's. */
HELPER void look_back(const int64_t *a, const worker *w, const real *y, const real *query, real *weights)
{
    const long A = a[slot_query];
    const sentence *s = AT(sentence, sentences_at);
    for (long g = 0; g < a[slot_sentences]; g++)
        for (long r = s[g].first; r < s[g].first + s[g].count; r++) {
            if (r % w->team != w->me) continue;
            look(a, s + g, query + r * A, weights + r * a[slot_longest], AT(real, context) + r * a[slot_value]);
            join(a, r, y, A);
        }
}

/* One step of all rows, up to what they say. Returns the weights of the symbols, which come next. */
HELPER const weight *step_rows(const int64_t *a, const worker *w, const weight *at, real *weights)
{
    const long E = a[slot_embedding], A = a[slot_query], top = a[slot_top], L = a[slot_layers];
    int64_t *const *calls = AT(int64_t *, calls);
    real *said = AT(real, said), *joined = AT(real, joined), *asked = AT(real, asked);
    if (!a[slot_looked_up]) spell_out(a, w, AT(real, x));
    const real *y = step_layer(0, w, calls[0], AT(real, x), &at), *query = y;
    const weight *above = at;
    for (long n = 1; n < L; n++)
        above += pack_layer(n, calls[n], 0, w->split ? w->me : 0, w->split ? w->team : 1);
    meet(w);
    if (a[slot_additive]) {
        columns_product(w, A, A, y, &above, asked);
        add_bias(w, asked, AT(real, ask_bias), A);
        meet(w);
        query = asked;
    }
    look_back(a, w, y, query, weights);
    meet(w);
    for (long n = 1; n < L; n++) y = step_layer(n, w, calls[n], n > 1 ? y : joined, &at);
    if (L > 1) {
        meet(w);
        for (long r = w->me; r < w->batch; r += w->team) join(a, r, y, top);
        meet(w);
    }
    columns_product(w, E, top + a[slot_value], joined, &above, said);
    add_bias(w, said, AT(real, out_bias), E);
    const long low = unit_of(E, w->me, w->team), high = unit_of(E, w->me + 1, w->team);
    for (long r = 0; r < w->batch; r++)
        for (long j = low; j < high; j++) said[r * E + j] = tanh_(said[r * E + j]);
    meet(w);
    return above;
}

/* The logits of rows that were said; `head`: the symbols' weights. */
HELPER void logits_of(const int64_t *a, const worker *w, const weight *head, const real *said)
{
    const long V = a[slot_symbols];
    columns_product(w, V, a[slot_embedding], said, &head, AT(real, logits));
    add_bias(w, AT(real, logits), AT(real, bias), V);
    meet(w);
}
