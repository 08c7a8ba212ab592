/* What happens around the loop over time: products with the input, a block of steps ahead of the
 * loop, and the gradients of weights and inputs behind it. Written for any cell; emitted functions
 * call it with their own buffers.
 *
 * Sequences are packed: the rows of step s are offset[s] .. offset[s] + rows[s] - 1. A thread works on the rows
 * first, first + stride, ... of every step. */

#include <stdlib.h>

/* Working memory: out of what the caller brought along while it lasts, else the system's. `used` counts
 * both, so that the caller knows what to bring next time: fresh pages for a wide layer's packed weights take
 * longer than packing them. */
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
    long steps, batch, first, stride, block;
    const int64_t *offset, *rows;
    int keep, uniform, together;       /* uniform: all rows run at every step; together: see walk_of */
} walk;

/* `block`: steps whose input products are made ahead; `keep`: they stay for the backward pass. A
 * thread's rows of a whole block are one product (`together`) where they lie evenly: all rows are its
 * own, or as many at every step. */
HELPER walk walk_of(long steps, long batch, long first, long stride, long block, const int64_t *offset,
                    const int64_t *rows, int keep, int uniform)
{
    return (walk){steps, batch, first, stride, block, offset, rows, keep, uniform,
                  stride == 1 || (uniform && batch % stride == 0)};
}

HELPER long walk_count(const walk *w, long s)
{
    return w->rows[s] > w->first ? (w->rows[s] - w->first + w->stride - 1) / w->stride : 0;
}

/* Packed row at which, for step s, a buffer of what is made ahead begins; `inside`: steps since its block
 * began. One that is kept has all rows. Another is written again for every block, while other threads may still
 * read their rows of the block before, for they never wait: so row r of the batch only ever has places that are
 * r rows from a multiple of `batch`, unless all rows are this thread's. */
HELPER long walk_low(const walk *w, long s, long inside)
{
    if (w->keep) return 0;
    if (!w->together) return w->offset[s] - inside * w->batch;
    const long begin = s - inside, last = (begin + w->block < w->steps ? begin + w->block : w->steps) - 1;
    return w->offset[begin] < w->offset[last] ? w->offset[begin] : w->offset[last];
}

/* This thread's share of packing a whole matrix; see `pack`. */
HELPER void pack_share(real *to, const real *from, long column_stride, long row_stride, long N, long K, int me,
                       int team)
{
    const long panels = (N + PANEL - 1) / PANEL, n0 = panels * me / team * PANEL;
    long n1 = panels * (me + 1) / team * PANEL;
    if (n1 > N) n1 = N;
    if (n1 > n0)
        pack(to + packed_size(n0, K), from + n0 * column_stride, column_stride, row_stride, n1 - n0, K,
             n1 - n0, 0);
}

/* x[row] = W operand[row] for this thread's rows of the block that begins at step s: many rows in one
 * product, so that few rows a step cost no speed, and few enough that they are still in the cache
 * when the loop reads them. */
HELPER void hoist(const walk *w, long s, const real *operand, long depth, const real *packed, long N, real *x,
                  long row)
{
    const long last = (s + w->block < w->steps ? s + w->block : w->steps) - 1;
    if (w->together) {
        const long top = w->offset[s] > w->offset[last] ? s : last, from = w->offset[s + last - top] + w->first;
        const long count = (w->offset[top] + w->rows[top] - from + w->stride - 1) / w->stride;
        product(count, N, depth, operand + from * depth, w->stride * depth, packed,
                x + (from - walk_low(w, s, 0)) * row,
                w->stride * row, 0);
    } else {
        for (long at = s; at <= last; at++) {
            const long from = w->offset[at] + w->first;
            product(walk_count(w, at), N, depth, operand + from * depth, w->stride * depth, packed,
                    x + (from - walk_low(w, at, at - s)) * row, w->stride * row, 0);
        }
    }
}

/* Rows that multiply gradients: `values` as they lie, or, for a state, the row of the step before. */
typedef struct {
    const real *values;
    long width, row;                   /* columns used, and from one row to the next */
    const real *initial;               /* before the first step; NULL: the rows as they lie */
} rows_of;

/* Rows k .. k + count - 1, from the step before: copied to `room`. `*s` is any step, the
 * cursor of earlier calls. */
HELPER const real *earlier_rows(const walk *w, const rows_of *b, long k, long count, long *s, real *room)
{
    for (long done = 0; done < count;) {
        const long at = k + done;
        while (w->offset[*s] > at || at >= w->offset[*s] + w->rows[*s])
            *s = (w->offset[*s] > at) == (w->offset[0] <= w->offset[w->steps - 1]) ? *s - 1 : *s + 1;
        const long r = at - w->offset[*s], left = w->rows[*s] - r,
                   n = left < count - done ? left : count - done;
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
HELPER void outer_sum(const walk *w, long total, real *to, long M, const real *a, long row, const rows_of *b,
                      real *room, int me, int team)
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
HELPER void operand_gradient(long total, long N, long K, const real *gradient, long row, const real *packed,
                             real *to, int accumulate, int me, int team)
{
    const long k0 = total * me / team, k1 = total * (me + 1) / team;
    product(k1 - k0, N, K, gradient + k0 * row, row, packed, to + k0 * N, N, accumulate);
}

/* The gradient of a table of rows: to[index[k]] += gradient[k], this thread's share of the columns. */
HELPER void table_gradient(long total, const int64_t *index, const real *gradient, long row, real *to,
                           long table_row, long columns, int me, int team)
{
    const long lo = columns * me / team, hi = columns * (me + 1) / team;
    for (long k = 0; k < total; k++) {
        const real *from = gradient + k * row;
        real *sum = to + index[k] * table_row;
        for (long j = lo; j < hi; j++) sum[j] += from[j];
    }
}
