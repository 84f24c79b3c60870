/* What writes tapes, where there are a million parameters or steps: the loops that would take Python too long. */
#pragma once
/* The weights of a layer, J rows of K, into the places from `first` on: weight k of row j is at first + j * down + k * along.
 * given: the number of the parameter at each place; placed: the place of each parameter. */
EXPORT void place_weights(const int32_t *rows, int64_t J, int64_t K, int64_t first, int64_t down, int64_t along, int32_t *given,
                          int32_t *placed) {
    for (int64_t j = 0; j < J; j++)
        for (int64_t k = 0, at = first + j * down; k < K; k++, at += along) {
            given[at] = rows[j] + (int32_t)k;
            placed[rows[j] + k] = (int32_t)at;
        }
}
