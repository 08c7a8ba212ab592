/* Functions of whole vectors: what a loop over units cannot make one unit at a time. */

/* v[j] becomes the sum of v[0] .. v[j], or from the last unit down. */
HELPER void cumsum_(real *v, long n) { for (long j = 1; j < n; j++) v[j] += v[j - 1]; }
HELPER void cumsum_back_(real *v, long n) { for (long j = n - 2; j >= 0; j--) v[j] += v[j + 1]; }

/* All products a[i] b[j], row by row, and what gradients need of such a matrix: g b and
 * g's transpose times a. */
HELPER void kron_(real *restrict to, const real *a, const real *b, long rows, long columns)
{
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++) to[i * columns + j] = a[i] * b[j];
}

HELPER void kron_left_(real *restrict to, const real *g, const real *b, long rows, long columns)
{
    for (long i = 0; i < rows; i++, g += columns) {
        vec lanes = {0};
        real sum = 0;
        long j = 0;
        for (; j + LANES <= columns; j += LANES)
            lanes += *(const loose_vec *)(g + j) * *(const loose_vec *)(b + j);
        for (; j < columns; j++) sum += g[j] * b[j];
        for (long lane = 0; lane < LANES; lane++) sum += lanes[lane];
        to[i] = sum;
    }
}

HELPER void kron_right_(real *restrict to, const real *g, const real *a, long rows, long columns)
{
    memset(to, 0, (size_t)columns * sizeof(real));
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++) to[j] += g[i * columns + j] * a[i];
}
