/* Memory for the weights of a loop whose threads pack a slice each: `pack_slice`, which the loop defines,
 * counts a slice's numbers where it is given no place. */
HELPER long pack_slice(const int64_t *a, weight *to, int slice, int slices);

HELPER long slice_room(const int64_t *a, int slices)
{
    long most = 0;
    for (int s = 0; s < slices; s++) {
        const long size = pack_slice(a, 0, s, slices);
        most = size > most ? size : most;
    }
    return (most + 127) / 128 * 128;
}

/* Bytes that packed weights take, in so many slices or fewer: a team may be smaller than wanted. */
HELPER int64_t slices_room(const int64_t *a, int64_t slices)
{
    long most = 0;
    for (int team = 1; team <= slices; team++) {
        const long size = team * slice_room(a, team);
        most = size > most ? size : most;
    }
    return most * (long)sizeof(weight);
}

