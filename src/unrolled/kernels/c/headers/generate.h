/* n characters of each of some texts in one call: the characters' columns are looked up, all layers step, the
 * linear layer makes logits, a character is drawn. Emitted before this: `slot_...`, the places of the
 * arguments, and AT; `step_layer` and `pack_layer`.
 *
 * One team stays for the whole call. Its threads take rows, which never meet, or (split) units of
 * all rows: then each holds the weights of its units near itself, and barriers stand before what
 * reads others' results. */

/* Packs one slice of all weights, or counts its numbers where `to` is NULL. */
HELPER long pack_slice(const int64_t *a, weight *to, int slice, int slices)
{
    const long V = a[slot_characters], lo = V * slice / slices, hi = V * (slice + 1) / slices,
        K = a[slot_width];
    long size = 0;
    for (long n = 0; n < a[slot_layers]; n++)
        size += pack_layer(n, AT(int64_t *, calls)[n], to ? to + size : 0, slice, slices);
    return size + thin_pack(to ? to + size : 0, AT(real, head) + lo * K, hi - lo, K, hi - lo ? hi - lo : 1, 0);
}

int64_t room(const int64_t *a) { return slices_room(a, a[slot_split] ? a[slot_wanted] : 1); }

typedef struct { int64_t *a; barrier_t barrier; int failed; } generation;

/* Logits of this thread's rows, or of its characters in all rows. */
HELPER void logits_of(const int64_t *a, const worker *w, const real *y, const weight *packed)
{
    const long V = a[slot_characters], K = a[slot_width], lo = w->split ? V * w->me / w->team : 0;
    const long hi = w->split ? V * (w->me + 1) / w->team : V;
    thin_product(w->count, hi - lo, K, y + w->first * K, w->stride * K, packed,
        AT(real, logits) + w->first * V + lo, w->stride * V);
}

static void generate_part(void *argument, int me, int team)
{
    generation *g = argument;
    const int64_t *a = g->a;
    const int split = (int)a[slot_split], slices = split ? team : 1;
    const long batch = a[slot_batch], V = a[slot_characters], size = slice_room(a, slices);
    weight *packed = AT(weight, packed) + (split ? me * size : 0);
    worker w = {batch, split ? 0 : me, split ? 1 : team, 0, split, (int)a[slot_odd], me, team,
        AT(int64_t, tokens),
              AT(real, work) + me * a[slot_work_size], &g->barrier};
    w.count = batch > w.first ? (batch - w.first + w.stride - 1) / w.stride : 0;
    const draw_rule rule = {AT(double, rule)[0], AT(double, rule)[1], a[slot_top_k]};
    if (a[slot_packed_for] != slices && me < slices) pack_slice(a, packed, me, slices);
    barrier_wait(&g->barrier, me, team);
    for (long t = 0; t < a[slot_steps]; t++, w.odd ^= 1) {
        const real *y = 0;
        const weight *at = packed;
        for (long n = 0; n < a[slot_layers]; n++) y = step_layer(n, &w, AT(int64_t *, calls)[n], y, &at);
        if (split) barrier_wait(&g->barrier, me, team);
        logits_of(a, &w, y, at);
        if (split) barrier_wait(&g->barrier, me, team);
        for (long b = me; b < batch; b += team) {
            long drawn = draw(AT(real, logits) + b * V, AT(real, bias), V, &rule, AT(uint64_t, random) + b,
                              AT(double, room) + me * 4 * V);
            if (drawn < 0) drawn = 0, __atomic_store_n(&g->failed, 1, __ATOMIC_RELAXED);
            AT(int64_t, tokens)[b] = AT(int64_t, out)[t * batch + b] = drawn;
        }                                /* the first layer waits for all of them before it looks them up */
    }
    if (me == 0) g->a[slot_packed_for] = slices, g->a[slot_odd] = w.odd;
}

/* Returns 1 where logits were not numbers. */
int generate(int64_t *a)
{
    generation g = {a, {0}, 0};
    run_team(a + slot_gomp, generate_part, &g, (int)a[slot_wanted]);
    return g.failed;
}
