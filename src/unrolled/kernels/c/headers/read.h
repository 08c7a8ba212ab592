/* One sentence is read in one call: symbols' vectors are looked up, recurrent layers go over them in one
 * direction or in both, and what is looked back at is made ready, with the state in which writing begins.
 * Emitted before this: `slot_...`, the places of the arguments, and AT; `step_layer` and `pack_layer`.
 *
 * Weights are packed once. Directions of a layer never meet: each is one thread's. What comes after is
 * shared out by panels. */

/* A layer in one direction, as Python makes it: its step's arguments, the widths of what it reads and gives
 * out, its products with all places (each: weights, how many columns, where they go) and its states (each:
 * where, width, first values). */
typedef struct { int64_t call, reads, gives, products, products_at, states, states_at; } passage;

typedef struct { int64_t *a; barrier_t barrier; } reading;

HELPER const passage *passage_of(const int64_t *a, long layer, long direction)
{
    return AT(passage, passages) + layer * a[slot_directions] + direction;
}

/* Packs a passage, or counts its numbers where `to` is NULL. */
HELPER long pack_passage(const passage *p, weight *to)
{
    const int64_t *product = (const int64_t *)p->products_at;
    long size = 0;
    for (long g = 0; g < p->products; g++, product += 3)
        size += thin_pack(to ? to + size : 0, (const real *)product[0], product[1], p->reads, product[1], 0);
    return size + pack_layer(0, (void *)p->call, to ? to + size : 0, 0, 1);
}

HELPER long pack_reader(const int64_t *a, weight *to)
{
    const long A = a[slot_query], M = a[slot_value], H = a[slot_begun];
    long size = 0;
    for (long n = 0; n < a[slot_layers] * a[slot_directions]; n++)
        size += pack_passage(AT(passage, passages) + n, to ? to + size : 0);
    size += thin_pack(to ? to + size : 0, AT(real, ask), A, M, A, 0);
    return size + thin_pack(to ? to + size : 0, AT(real, begin), H, M, H, 0);
}

int64_t room(const int64_t *a) { return pack_reader(a, 0) * (int64_t)sizeof(weight); }
void pack_weights(const int64_t *a) { pack_reader(a, AT(weight, packed)); }

/* One passage over x, all places at hand. */
HELPER void pass(const int64_t *a, const passage *p, const weight *packed, const real *x, real *y,
                 int backwards, real *work)
{
    const long S = a[slot_places], apart = p->gives * a[slot_directions];
    const int64_t *product = (const int64_t *)p->products_at, *state = (const int64_t *)p->states_at;
    for (long g = 0; g < p->products; g++, product += 3) {
        thin_product(S, product[1], p->reads, x, p->reads, packed, (real *)product[2], product[1]);
        packed += thin_size(product[1], p->reads);
    }
    for (long k = 0; k < p->states; k++, state += 3)
        memcpy((real *)state[0], (const real *)state[2], (size_t)state[1] * sizeof(real));
    int64_t place;
    worker w = {1, 0, 1, 1, 0, 0, 0, 1, &place, work, 0};
    for (long s = 0; s < S; s++, w.odd ^= 1) {
        const weight *at = packed;
        place = backwards ? S - 1 - s : s;
        const real *given = step_layer(0, &w, (const void *)p->call, 0, &at);
        memcpy(y + place * apart + backwards * p->gives, given, (size_t)p->gives * sizeof(real));
    }
}

/* Where a thread's panels of N columns begin. */
HELPER long first_column(long N, int me, int team)
{
    const long column = (N + WIDE - 1) / WIDE * me / team * WIDE;
    return column < N ? column : N;
}

/* This thread's panels of the product of M rows. */
HELPER void panels_product(int me, int team, long M, long N, long K, const real *x, const weight *packed,
                           real *to)
{
    const long low = first_column(N, me, team), end = first_column(N, me + 1, team);
    thin_product(M, end - low, K, x, K, packed + low * K, to + low, N);
}

/* Keys, and tanh(W mean + b), in which writing begins. */
HELPER void make_ready(const int64_t *a, const weight *packed, int me, int team)
{
    const long S = a[slot_places], A = a[slot_query], M = a[slot_value], H = a[slot_begun];
    const real *values = AT(real, values);
    real *mean = AT(real, means) + me * M, *first = AT(real, first);
    memset(mean, 0, (size_t)M * sizeof(real));
    for (long s = 0; s < S; s++)
        for (long j = 0; j < M; j++) mean[j] += values[s * M + j];
    for (long j = 0; j < M; j++) mean[j] /= (real)S;
    panels_product(me, team, S, A, M, values, packed, AT(real, keys));
    panels_product(me, team, 1, H, M, mean, packed + thin_size(A, M), first);
    for (long j = first_column(H, me, team); j < first_column(H, me + 1, team); j++)
        first[j] = tanh_(first[j] + AT(real, begin_bias)[j]);
}

static void read_part(void *argument, int me, int team)
{
    reading *d = argument;
    const int64_t *a = d->a;
    const long S = a[slot_places], L = a[slot_layers], E = a[slot_embedding];
    const weight *packed = AT(weight, packed);
    real *x = AT(real, x), *between = AT(real, between);
    for (long s = me; s < S; s += team)
        memcpy(x + s * E, AT(real, vectors) + AT(int64_t, symbols)[s] * E, (size_t)E * sizeof(real));
    barrier_wait(&d->barrier, me, team);
    for (long n = 0; n < L; n++) {
        real *y = n == L - 1 ? AT(real, values) : between + n % 2 * S * a[slot_value];
        for (long direction = 0; direction < a[slot_directions]; direction++) {
            const passage *p = passage_of(a, n, direction);
            real *work = AT(real, work) + direction * a[slot_work_size];
            if (direction % team == me) pass(a, p, packed, x, y, (int)direction, work);
            packed += pack_passage(p, 0);
        }
        barrier_wait(&d->barrier, me, team);
        x = y;
    }
    make_ready(a, packed, me, team);
}

void read_sentence(int64_t *a)
{
    reading d = {a, {0}};
    run_team(a + slot_gomp, read_part, &d, (int)a[slot_wanted]);
}
