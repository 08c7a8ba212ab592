/* What happens around the loop over time: products with the input, a block of steps ahead of the loop, and the gradients
 * of weights and inputs behind it. Written for any cell; emitted functions call it with their own buffers.
 *
 * Sequences are packed: the rows of step s are offset[s] .. offset[s] + rows[s] - 1. A thread works on the rows
 * first, first + stride, ... of every step. */

#include <stdlib.h>

/* Working memory: out of what the caller brought along while it lasts, else the system's. `used` counts both, so that the
 * caller knows what to bring next time: fresh pages for a wide layer's packed weights take longer than packing them. */
typedef struct { char *start; int64_t size, used; } arena;

/* At least so many bytes, and the 127 that aligning them may cost; NULL where there are none. */
HELPER char *take(arena *m, int64_t bytes)
{
    bytes = (bytes + 255) / 128 * 128;
    const int64_t at = __atomic_fetch_add(&m->used, bytes, __ATOMIC_RELAXED);
    return at + bytes <= m->size ? m->start + at : malloc((size_t)bytes);
}

HELPER void give(const arena *m, char *memory)
{
    const uintptr_t at = (uintptr_t)memory, start = (uintptr_t)m->start;
    if (at < start || at >= start + (uintptr_t)m->size) free(memory);
}

typedef struct {
    long steps, batch, first, stride;
    const int64_t *offset, *rows;
    int uniform;                       /* all rows run at every step, so steps lie `batch` rows apart */
} walk;

HELPER long walk_count(const walk *w, long s)
{
    return w->rows[s] > w->first ? (w->rows[s] - w->first + w->stride - 1) / w->stride : 0;
}

/* First packed row of the steps s .. s + block - 1, whichever way they run. */
HELPER long walk_low(const walk *w, long s, long block)
{
    long last = (s + block < w->steps ? s + block : w->steps) - 1;
    return w->offset[s] < w->offset[last] ? w->offset[s] : w->offset[last];
}

/* This thread's share of packing a whole matrix; see `pack`. */
HELPER void pack_share(real *to, const real *from, long column_stride, long row_stride, long N, long K, int me, int team)
{
    const long panels = (N + PANEL - 1) / PANEL, n0 = panels * me / team * PANEL;
    long n1 = panels * (me + 1) / team * PANEL;
    if (n1 > N) n1 = N;
    if (n1 > n0) pack(to + packed_size(n0, K), from + n0 * column_stride, column_stride, row_stride, n1 - n0, K, n1 - n0, 0);
}

/* x[row] = W operand[row] for this thread's rows of the steps s .. s + block - 1: many rows in one product, so that few
 * rows a step cost no speed, and few enough that they are still in the cache when the loop reads them. */
HELPER void hoist(const walk *w, long s, long block, const real *operand, long depth, const real *packed, long N,
                  real *x, long row)
{
    const long last = (s + block < w->steps ? s + block : w->steps) - 1;
    if (w->stride == 1 || (w->uniform && w->batch % w->stride == 0)) {
        const long low = walk_low(w, s, block) + w->first, top = w->offset[s] > w->offset[last] ? s : last;
        const long count = (w->offset[top] + w->rows[top] - low + w->stride - 1) / w->stride;
        product(count, N, depth, operand + low * depth, w->stride * depth, packed, x + low * row, w->stride * row, 0);
    } else {
        for (; s <= last; s++)
            product(walk_count(w, s), N, depth, operand + (w->offset[s] + w->first) * depth, w->stride * depth, packed,
                    x + (w->offset[s] + w->first) * row, w->stride * row, 0);
    }
}

/* Rows that multiply gradients: `values` as they lie, or, for a state, the row of the step before. */
typedef struct {
    const real *values;
    long width, row;                   /* columns used, and from one row to the next */
    const real *initial;               /* before the first step; NULL: the rows as they lie */
} rows_of;

/* Rows k .. k + count - 1, from the step before: copied to `room`. `*s` is any step, the cursor of earlier calls. */
HELPER const real *earlier_rows(const walk *w, const rows_of *b, long k, long count, long *s, real *room)
{
    for (long done = 0; done < count;) {
        const long at = k + done;
        while (w->offset[*s] > at || at >= w->offset[*s] + w->rows[*s])
            *s = (w->offset[*s] > at) == (w->offset[0] <= w->offset[w->steps - 1]) ? *s - 1 : *s + 1;
        const long r = at - w->offset[*s], left = w->rows[*s] - r, n = left < count - done ? left : count - done;
        const real *from = *s ? b->values + (w->offset[*s - 1] + r) * b->row : b->initial + r * b->width;
        memcpy(room + done * b->width, from, (size_t)(n * b->width) * sizeof(real));
        done += n;
    }
    return room;
}

#define DEEP 256       /* rows summed at a time: their panels stay in the second-level cache */

/* Room that `outer_sum` needs, in numbers. */
HELPER long outer_room(long N) { return DEEP * N + packed_size(N, DEEP); }

/* to (M x N) = sum over all packed rows k of a[k][m] * b[k][n], this thread's share of the rows m. */
HELPER void outer_sum(const walk *w, long total, real *to, long M, const real *a, long row, const rows_of *b, real *room,
                      int me, int team)
{
    const long N = b->width, m0 = M * me / team / ROWS * ROWS;
    const long m1 = me + 1 == team ? M : M * (me + 1) / team / ROWS * ROWS;
    real *panels = room + DEEP * N;
    long s = 0;
    for (long k = 0; k < total && m1 > m0; k += DEEP) {
        const long count = total - k < DEEP ? total - k : DEEP;
        const real *from = b->initial ? earlier_rows(w, b, k, count, &s, room) : b->values + k * b->row;
        pack(panels, from, 1, b->initial ? N : b->row, N, count, N, N);
        product_transposed(m1 - m0, N, count, a + k * row + m0, row, panels, to + m0 * N, N, k > 0);
    }
}

/* to[row] = or += gradient[row] W for this thread's share of all rows; W (K x N) packed. */
HELPER void operand_gradient(long total, long N, long K, const real *gradient, long row, const real *packed, real *to,
                             int accumulate, int me, int team)
{
    const long k0 = total * me / team, k1 = total * (me + 1) / team;
    product(k1 - k0, N, K, gradient + k0 * row, row, packed, to + k0 * N, N, accumulate);
}

/* The gradient of a table of rows: to[index[k]] += gradient[k], this thread's share of the columns. */
HELPER void table_gradient(long total, const int64_t *index, const real *gradient, long row, real *to, long table_row,
                           long columns, int me, int team)
{
    const long lo = columns * me / team, hi = columns * (me + 1) / team;
    for (long k = 0; k < total; k++) {
        const real *from = gradient + k * row;
        real *sum = to + index[k] * table_row;
        for (long j = lo; j < hi; j++) sum[j] += from[j];
    }
}
