/* A character drawn from logits: temperature, the k likeliest (Fan et al. 2018), the nucleus of probability p
 * (Holtzman et al. 2020). models/draw.py says the same in Python, number for number. */

typedef struct { double temperature, top_p; long top_k; } draw_rule;

/* SplitMix64: G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014. Uniform
 * in [0, 1) with 53 bits. */
HELPER double uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* Likelier first; of two alike the one of lower index. */
HELPER int comes_first(const double *l, int64_t a, int64_t b) { return l[a] > l[b] || (l[a] == l[b] && a < b); }

HELPER void sift(const double *l, int64_t *heap, long at, long count)
{
    for (long child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && comes_first(l, heap[child + 1], heap[child]);
        if (comes_first(l, heap[at], heap[child])) return;
        const int64_t moved = heap[at];
        heap[at] = heap[child], heap[child] = moved;
    }
}

/* Takes the likeliest off the heap to its end. */
HELPER int64_t taken(const double *l, int64_t *heap, long *count)
{
    const int64_t first = heap[0];
    heap[0] = heap[--*count], heap[*count] = first;
    sift(l, heap, 0, *count);
    return first;
}

/* Gives weight 0 to what must not be drawn. `heap`: room for 2 V. */
HELPER void restrict_to_likeliest(const double *l, double *w, long V, const draw_rule *rule, int64_t *heap)
{
    int64_t *sorted = heap + V;
    long left = V, kept = 0;
    for (long v = 0; v < V; v++) heap[v] = v;
    for (long v = V / 2; v-- > 0;) sift(l, heap, v, V);
    if (rule->top_k < V) {
        while (kept < rule->top_k) sorted[kept++] = taken(l, heap, &left);
        for (long i = 0; i < left; i++) w[heap[i]] = 0;
    }
    if (rule->top_p >= 1) return;
    double total = 0, sum = 0;
    for (long v = 0; v < V; v++) total += w[v];
    const double enough = rule->top_p * total;
    long n = 0;
    for (const long most = kept ? kept : V; n < most && (n == 0 || sum < enough); n++) {
        if (!kept) sorted[n] = taken(l, heap, &left);
        sum += w[sorted[n]];
    }
    for (long i = n; i < kept; i++) w[sorted[i]] = 0;
    for (long i = 0; !kept && i < left; i++) w[heap[i]] = 0;
}

/* The index drawn from V logits; -1 where they are not numbers. `room`: 2 V doubles, then 2 V integers. */
HELPER long draw(const real *logits, const real *bias, long V, const draw_rule *rule, uint64_t *random,
                 double *room)
{
    double *l = room, *w = room + V, total = 0, sum = 0;
    long best = 0, last = 0;
    for (long v = 0; v < V; v++) {
        l[v] = (double)(real)(logits[v] + bias[v]);
        if (!(l[v] < INFINITY)) return -1;
        if (l[v] > l[best]) best = v;
    }
    if (l[best] == -INFINITY) return -1;
    if (rule->temperature == 0) return best;
    for (long v = 0; v < V; v++) w[v] = exp((l[v] - l[best]) / rule->temperature);
    if (rule->top_k < V || rule->top_p < 1) restrict_to_likeliest(l, w, V, rule, (int64_t *)(room + 2 * V));
    for (long v = 0; v < V; v++) total += w[v];
    const double at = uniform(random) * total;
    for (long v = 0; v < V; v++)
        if (w[v] > 0) {
            sum += w[v], last = v;
            if (at < sum) return v;
        }
    return last;
}
