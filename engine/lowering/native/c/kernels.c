/* The compiled interpreter: runs a flat program (a tape of int32 words, made by tapes.py or lanes.py) over a batch of samples.
 *
 * Two kinds of tape. A flat tape works on one array U of doubles: parameters, constants, and every value computed from
 * them. Values of one layer lie side by side there, so that an instruction takes a whole run of them. A lanes tape works
 * on rows of L, one row a value, one lane a sample: an instruction takes a block of samples through one operation, and
 * the rows of a block stay in the cache. Lanes may read U, where what does not vary between samples was computed once.
 *
 * What this file includes is compiled once for each instruction set (TAPE_KERNELS names it), driver.c once; the set is
 * chosen when a tape is made. A tape is checked once, when it is made, so that nothing needs to be checked in a step.
 *
 * -ffast-math is not used: nan, infinities and the sign of zero are as in IEEE 754. The vector functions here are good
 * to 2 ulp on their usual range; a vector with an unusual lane (nan, inf, overflow, subnormal) goes to the C library.
 */
#include "optimizers.h"
#include "flat.h"
#include "lanes.h"

extern const Kernels JOIN(tape_kernels_, TAPE_KERNELS);
const Kernels JOIN(tape_kernels_, TAPE_KERNELS) = {ISA_NAME, run_flat, run_lanes, turn_samples, outer_descend, update, update_run, outer_bound, max_magnitude, flat_descend, wait_for_next, flat_waiting, catch_up};
